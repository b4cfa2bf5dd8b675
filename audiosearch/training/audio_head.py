"""Encoder frames to one vector of the space that text and sound share.

In: frames `(B, T, feature_dim)` of the frozen encoder. Out: unit vectors `(B, J)`. One transformer
layer with frame positions lets the vector hold what comes first; the maximum over time keeps short
events that a mean would drown.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.attention import EncoderLayer


@dataclass(frozen=True)
class AudioHeadConfig:
    """Everything that shapes the head."""

    feature_dim: int
    joint_dim: int = 128
    dim: int = 192
    heads: int = 4
    feedforward: int = 384
    dropout: float = 0.1
    frame_positions: int = 64


class AudioHead(nn.Module):
    """Project, one transformer layer, maximum and mean over time, one linear map."""

    def __init__(self, config: AudioHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(config.feature_dim, config.dim)
        self.positions = nn.Parameter(0.02 * torch.randn(config.frame_positions, config.dim))
        self.layer = EncoderLayer(config.dim, config.heads, config.feedforward, config.dropout)
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(2 * config.dim, config.joint_dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor) -> Tensor:
        """Unit vectors `(B, J)`; frames beyond the last learned position share it."""
        places = torch.arange(frames.shape[1]).clamp(max=self.config.frame_positions - 1)
        x = self.dropout(self.input(frames)) + self.positions[places]
        x = self.norm(self.layer(x, torch.zeros(1, 1, 1, 1)))
        pooled = torch.cat([x.amax(dim=1), x.mean(dim=1)], dim=1)
        return functional.normalize(self.output(pooled), dim=1)
