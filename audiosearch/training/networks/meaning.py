"""Words to one vector of the space that text and sound share; it does not hear the order of words.

A small sentence model gives words their meaning. Attention over the concepts nearest to a meaning,
rather than a linear map alone, lets a word that no caption held stand for the sound whose names it
resembles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.model.wordpiece import PAD
from audiosearch.training.networks.attention import HIDDEN


@dataclass(frozen=True)
class SentenceConfig:
    """Everything that shapes the sentence model."""

    pieces: int
    sentence_dim: int = 384
    dim: int = 192
    hidden: int = 384


class PieceVectors(nn.Module):
    """A vector a piece; once `quantise` was called, kept as bytes with a scale a piece."""

    codes: Tensor
    scales: Tensor

    def __init__(self, pieces: int, dim: int) -> None:
        super().__init__()
        self.vectors: nn.Embedding | None = nn.Embedding(pieces, dim, padding_idx=PAD)
        self.register_buffer("codes", torch.zeros(0, dtype=torch.int8), persistent=False)
        self.register_buffer("scales", torch.zeros(0), persistent=False)

    def forward(self, pieces: Tensor) -> Tensor:
        """`(B, S)` to `(B, S, dim)`."""
        if self.vectors is not None:
            result: Tensor = self.vectors(pieces)
            return result
        return self.codes[pieces].float() * self.scales[pieces].unsqueeze(2)

    def quantise(self) -> None:
        """Keep 8 bits a number from now on: a fourth of the size, for good."""
        if self.vectors is None:
            return
        values = self.vectors.weight.detach()
        # Rounded up to what float16 holds, as which they are stored.
        self.scales = (values.abs().amax(dim=1) / 126.9).clamp(min=1e-6).half().float()
        codes = (values / self.scales.unsqueeze(1)).round().clamp(-127, 127)
        self.codes = codes.to(torch.int8)
        self.vectors = None


class SentenceTower(nn.Module):
    """A weighted mean of piece vectors, a linear map, and a small network beside it."""

    def __init__(self, config: SentenceConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = PieceVectors(config.pieces, config.dim)
        self.weight = nn.Parameter(torch.zeros(config.pieces, 1))
        """How much each piece counts in the mean, before a softmax: "the" hardly does."""
        self.linear = nn.Linear(config.dim, config.sentence_dim)
        self.norm = nn.LayerNorm(config.dim)
        self.inner = nn.Linear(config.dim, config.hidden)
        self.outer = nn.Linear(config.hidden, config.sentence_dim)

    def forward(self, pieces: Tensor) -> Tensor:
        """Unit vectors `(B, sentence_dim)`."""
        hidden = (pieces == PAD).unsqueeze(2).float() * HIDDEN
        share = (self.weight[pieces] + hidden).softmax(dim=1)  # (B, S, 1)
        mean = (self.embedding(pieces) * share).sum(dim=1)
        bent = self.outer(functional.gelu(self.inner(self.norm(mean))))
        return functional.normalize(self.linear(mean) + bent, dim=1)


@dataclass(frozen=True)
class ConceptConfig:
    """Everything that shapes the layer of concepts."""

    concepts: int
    joint_dim: int = 128
    sentence_dim: int = 384
    first_sharpness: float = 20.0
    """Inverse temperature of the attention over concepts at first; it is learned."""


class ConceptLayer(nn.Module):
    """A sentence's meaning to the joint space: attention over concepts, and a linear map."""

    def __init__(self, config: ConceptConfig) -> None:
        super().__init__()
        self.config = config
        self.keys = nn.Parameter(torch.randn(config.concepts, config.sentence_dim))
        self.values = nn.Parameter(torch.randn(config.concepts, config.joint_dim))
        self.log_sharpness = nn.Parameter(torch.tensor(config.first_sharpness).log())
        self.direct = nn.Linear(config.sentence_dim, config.joint_dim, bias=False)

    def forward(self, meaning: Tensor) -> Tensor:
        """Unit vectors `(B, sentence_dim)` to unit vectors `(B, J)`."""
        near = meaning @ functional.normalize(self.keys, dim=1).T
        share = (near * self.log_sharpness.exp()).softmax(dim=1)
        return functional.normalize(share @ self.values + self.direct(meaning), dim=1)


class MeaningTower(nn.Module):
    """Pieces to the joint space."""

    def __init__(self, sentence: SentenceTower, concepts: ConceptLayer) -> None:
        super().__init__()
        self.sentence = sentence
        self.concepts = concepts

    def forward(self, pieces: Tensor) -> Tensor:
        """`(B, S)` to unit vectors `(B, J)`."""
        vectors: Tensor = self.concepts(self.sentence(pieces))
        return vectors
