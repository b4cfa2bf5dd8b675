"""Words to one vector of the space that text and sound share.

In: token ids `(B, S)`, PAD after the words, no BOS or EOS. Out: unit vectors `(B, J)`. A light
transformer, so that "a then b" and "b then a" may differ. It knows ids only, not words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.attention import HIDDEN, EncoderLayer, sinusoids

PAD = 0


@dataclass(frozen=True)
class TextTowerConfig:
    """Everything that shapes the tower."""

    vocabulary: int
    joint_dim: int = 128
    dim: int = 128
    heads: int = 4
    layers: int = 2
    feedforward: int = 256
    dropout: float = 0.1
    max_positions: int = 64


class TextTower(nn.Module):
    """Word embeddings, a few transformer layers, the mean of the words, one linear map."""

    positions: Tensor

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.dim, padding_idx=PAD)
        self.layers = nn.ModuleList(
            [
                EncoderLayer(config.dim, config.heads, config.feedforward, config.dropout)
                for _ in range(config.layers)
            ]
        )
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(2 * config.dim, config.joint_dim)
        table = sinusoids(config.max_positions, config.dim)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Unit vectors `(B, J)`; words beyond the last position share it."""
        known = (tokens != PAD).unsqueeze(2).float()  # (B, S, 1)
        mask = ((1 - known) * HIDDEN).transpose(1, 2).unsqueeze(1)  # (B, 1, 1, S)
        places = torch.arange(tokens.shape[1]).clamp(max=self.config.max_positions - 1)
        words = self.embedding(tokens)
        x = words + self.positions[places]
        for layer in self.layers:
            x = layer(x, mask)
        count = known.sum(dim=1).clamp(min=1)
        mixed = (self.norm(x) * known).sum(dim=1) / count
        # The bare words as well: a single rare word must not be lost on the way.
        bare = (words * known).sum(dim=1) / count
        return functional.normalize(self.output(torch.cat([mixed, bare], dim=1)), dim=1)
