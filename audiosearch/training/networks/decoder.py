"""The caption decoder of Labbé et al. 2023 (https://arxiv.org/abs/2308.15090).

A post-norm transformer decoder with no final norm and a classifier of its own. Its parameters are
named as in the published checkpoints.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.attention import HIDDEN, Attention, sinusoids

PAD = 0


@dataclass(frozen=True)
class DecoderConfig:
    """Everything that shapes the decoder."""

    vocabulary: int
    feature_dim: int = 768
    dim: int = 256
    heads: int = 4
    layers: int = 6
    feedforward: int = 2048
    dropout: float = 0.2
    projection_dropout: float = 0.5
    max_positions: int = 64
    frame_positions: int = 0
    """How many learned frame positions are added to the memory; 0 as published: none."""


class DecoderMemory(NamedTuple):
    """What the decoder keeps of a sound."""

    keys: Tensor
    """`(B, L, H, T, d)`."""
    values: Tensor
    """`(B, L, H, T, d)`."""
    lengths: Tensor
    """`(B,)` frames that count."""


class Past(NamedTuple):
    """What the decoder keeps of the words so far, `(B, L, H, P, d)` each."""

    keys: Tensor
    values: Tensor


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward; a layer norm after each sum."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, config.heads, config.dropout)
        self.multihead_attn = Attention(config.dim, config.heads, config.dropout)
        self.linear1 = nn.Linear(config.dim, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, config.dim)
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.norm3 = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def memory(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `(B, H, T, d)` of memory frames `(B, T, D)` for this layer."""
        return self.multihead_attn.keys_values(frames)

    def forward(
        self,
        x: Tensor,
        past: tuple[Tensor, Tensor],
        memory: tuple[Tensor, Tensor],
        causal: Tensor,
        hidden_frames: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """New `(B, S, D)` and the keys and values `(B, H, P + S, d)` of all words."""
        keys, values = self.self_attn.keys_values(x)
        keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        heard = self.self_attn.attend(self.self_attn.queries(x), keys, values, causal)
        x = self.norm1(x + self.dropout(heard))
        queries = self.multihead_attn.queries(x)
        heard = self.multihead_attn.attend(queries, memory[0], memory[1], hidden_frames)
        x = self.norm2(x + self.dropout(heard))
        wide = self.dropout(functional.gelu(self.linear1(x)))
        return self.norm3(x + self.dropout(self.linear2(wide))), keys, values


class CaptionDecoder(nn.Module):
    """Words in, logits out, given a memory."""

    positions: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.emb_layer = nn.Embedding(config.vocabulary, config.dim, padding_idx=PAD)
        first = DecoderLayer(config)
        # As published: deep copies, so that all layers start alike.
        self.layers = nn.ModuleList([copy.deepcopy(first) for _ in range(config.layers)])
        self.classifier = nn.Linear(config.dim, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)
        table = sinusoids(config.max_positions, config.dim)
        self.register_buffer("positions", table, persistent=False)

    def blocks(self) -> list[DecoderLayer]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]

    def embed(self, tokens: Tensor) -> Tensor:
        """Bare word embeddings `(B, S, D)`; PAD is the zero vector."""
        embedded: Tensor = self.emb_layer(tokens)
        return embedded

    def memory(self, frames: Tensor, lengths: Tensor) -> DecoderMemory:
        """Cross-attention keys and values of all layers, once a sound."""
        pairs = [layer.memory(frames) for layer in self.blocks()]
        keys = torch.stack([pair[0] for pair in pairs], dim=1)
        values = torch.stack([pair[1] for pair in pairs], dim=1)
        return DecoderMemory(keys=keys, values=values, lengths=lengths)

    def empty_past(self, batch: int) -> Past:
        """No words yet."""
        config = self.config
        shape = (batch, config.layers, config.heads, 0, config.dim // config.heads)
        return Past(torch.zeros(shape), torch.zeros(shape))

    def forward(self, embedded: Tensor, memory: DecoderMemory, past: Past) -> tuple[Tensor, Past]:
        """Logits `(B, S, V)` of the next words, and the past grown by S words.

        Args:
            embedded: `(B, S, D)` from `embed`, perhaps mixed.
            memory: From `memory`.
            past: Words before these; `empty_past` in teacher forcing.
        """
        before, count = past.keys.shape[3], embedded.shape[1]
        places = torch.arange(before + count)
        new = places[before:]
        # (S, P + S): a word sees itself and those before it.
        causal = torch.where(places.unsqueeze(0) > new.unsqueeze(1), HIDDEN, 0.0)
        frames = torch.arange(memory.keys.shape[3])
        hidden = torch.where(frames.unsqueeze(0) >= memory.lengths.unsqueeze(1), HIDDEN, 0.0)
        x = embedded * math.sqrt(self.config.dim) + self.positions[new]
        x = self.dropout(x)
        # Taken apart at once: the gradient of a slice a layer would fill the whole again and again.
        pasts = zip(past.keys.unbind(1), past.values.unbind(1), strict=True)
        memories = zip(memory.keys.unbind(1), memory.values.unbind(1), strict=True)
        keys, values = [], []
        for layer, layer_past, layer_memory in zip(self.blocks(), pasts, memories, strict=True):
            x, layer_keys, layer_values = layer(
                x,
                layer_past,
                layer_memory,
                causal,
                hidden.unsqueeze(1).unsqueeze(1),
            )
            keys.append(layer_keys)
            values.append(layer_values)
        grown = Past(torch.stack(keys, dim=1), torch.stack(values, dim=1))
        return self.classifier(x), grown


class CaptionerNetwork(nn.Module):
    """What lies between an encoder's features and words: what a checkpoint holds.

    Features become frames, which a library keeps (`project`), frames become what the decoder
    attends to (`memory`).
    """

    config: DecoderConfig
    decoder: CaptionDecoder

    @property
    def frame_dim(self) -> int:
        """Numbers in a frame."""
        return self.config.dim

    def project(self, features: Tensor) -> Tensor:
        """Encoder features `(B, T, feature_dim)` to frames `(B, T, frame_dim)`."""
        raise NotImplementedError

    def memory(self, frames: Tensor, lengths: Tensor) -> DecoderMemory:
        """What the decoder keeps of sounds; frames at and after `lengths` `(B,)` are padding."""
        return self.decoder.memory(frames, lengths)

    def null_frames(self, batch: int) -> Tensor:
        """The frames that stand for no sound at all: one of zeros `(B, 1, frame_dim)`."""
        return torch.zeros(batch, 1, self.frame_dim)

    def forward(self, frames: Tensor, lengths: Tensor, tokens: Tensor) -> Tensor:
        """Teacher forcing: logits `(B, S, V)` of frames `(B, T, frame_dim)`, tokens `(B, S)`."""
        memory = self.memory(frames, lengths)
        past = self.decoder.empty_past(tokens.shape[0])
        logits: Tensor = self.decoder(self.decoder.embed(tokens), memory, past)[0]
        return logits


class DecoderNetwork(CaptionerNetwork):
    """CNext-trans: a projection of each feature, and the decoder."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Sequential(
            nn.Identity(),  # keeps the published name `projection.2` for the linear layer
            nn.Dropout(config.projection_dropout),
            nn.Linear(config.feature_dim, config.dim),
            nn.ReLU(),
            nn.Dropout(config.projection_dropout),
        )
        self.frame_positions = (
            nn.Parameter(0.02 * torch.randn(config.frame_positions, config.dim))
            if config.frame_positions
            else None
        )
        self.decoder = CaptionDecoder(config)

    def project(self, features: Tensor) -> Tensor:
        """Encoder frames `(B, T, feature_dim)` to memory frames `(B, T, D)`.

        Frames beyond the last learned position share it.
        """
        frames: Tensor = self.projection(features)
        if self.frame_positions is None:
            return frames
        places = torch.arange(features.shape[1]).clamp(max=self.config.frame_positions - 1)
        placed: Tensor = frames + self.frame_positions[places]
        return placed


def caption_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log p over each row's targets that are not PAD: `(B,)` nats a word."""
    losses = functional.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=PAD, reduction="none"
    )
    counted = (targets != PAD).sum(dim=1)
    return losses.sum(dim=1) / counted
