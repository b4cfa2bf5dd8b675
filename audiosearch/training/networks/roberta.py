"""RoBERTa, the text encoder of CLAP (Liu et al. 2019, https://arxiv.org/abs/1907.11692).

A post-norm transformer over byte pairs. Padding is seen by its token, so that tokens are all that
an exported graph takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.attention import HIDDEN


@dataclass(frozen=True)
class RobertaConfig:
    """Sizes of the encoder."""

    vocabulary: int = 50265
    dim: int = 768
    heads: int = 12
    layers: int = 12
    feedforward: int = 3072
    positions: int = 514
    """Rows of the table of positions, of which the first `pad + 1` are never read."""
    pad: int = 1
    types: int = 1
    norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"{self.dim} numbers do not part into {self.heads} heads")

    @property
    def longest(self) -> int:
        """Most tokens of a text."""
        return self.positions - self.pad - 1


class RobertaLayer(nn.Module):
    """Attention to all tokens that are no padding, then a linear pair; a norm after each sum."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value = (nn.Linear(config.dim, config.dim) for _ in range(3))
        self.out = nn.Linear(config.dim, config.dim)
        self.norm1 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.wide = nn.Linear(config.dim, config.feedforward)
        self.narrow = nn.Linear(config.feedforward, config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`(B, S, D)` to the same; `mask` `(B, 1, 1, S)` is added to the scores."""
        batch, count, dim = x.shape
        parted = (batch, count, self.heads, dim // self.heads)
        query, key, value = (
            layer(x).view(parted).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / (dim // self.heads) ** 0.5 + mask
        heard = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(batch, count, dim)
        x = self.norm1(x + self.out(heard))
        result: Tensor = self.norm2(x + self.narrow(functional.gelu(self.wide(x))))
        return result


class Roberta(nn.Module):
    """Tokens to one vector: the first token's, through the pooler."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocabulary, config.dim, padding_idx=config.pad)
        self.position_embeddings = nn.Embedding(
            config.positions, config.dim, padding_idx=config.pad
        )
        self.token_type_embeddings = nn.Embedding(config.types, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.layers = nn.ModuleList(RobertaLayer(config) for _ in range(config.layers))
        self.pooler = nn.Linear(config.dim, config.dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` token ids, rows padded at their end, to `(B, D)`."""
        is_word = tokens != self.config.pad
        places = is_word.long().cumsum(dim=1) * is_word.long() + self.config.pad
        x = self.word_embeddings(tokens) + self.position_embeddings(places)
        x = self.norm(x + self.token_type_embeddings.weight[0])
        mask = torch.where(is_word, 0.0, HIDDEN)[:, None, None]
        for layer in self.layers:
            x = layer(x, mask)
        pooled: Tensor = torch.tanh(self.pooler(x[:, 0]))
        return pooled
