"""Multi-head attention whose keys and values can be kept.

Written out because an exported decoder must take and give its keys and values, which PyTorch's own
hides; parameter names are those of PyTorch's, so published checkpoints load by key.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = -1e9  # a score that no softmax lets through; finite, so a fully hidden row stays a number


class Attention(nn.Module):
    """Scaled dot-product attention with packed query, key and value weights."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def queries(self, x: Tensor) -> Tensor:
        """`(B, S, D)` to `(B, H, S, d)`."""
        flat = functional.linear(x, self.in_proj_weight[: self.dim], self.in_proj_bias[: self.dim])
        split = flat.reshape(x.shape[0], -1, self.heads, self.dim // self.heads)
        return split.transpose(1, 2)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, D)` to two times `(B, H, T, d)`."""
        flat = functional.linear(x, self.in_proj_weight[self.dim :], self.in_proj_bias[self.dim :])
        split = flat.reshape(x.shape[0], -1, 2 * self.heads, self.dim // self.heads)
        keys, values = split.transpose(1, 2).chunk(2, dim=1)
        return keys, values

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Mix values `(B, H, T, d)` for each query into `(B, S, D)`.

        `mask` is added to the scores `(B, H, S, T)`, broadcast.
        """
        # Written out: on a CPU the backward pass of the fused kernel is some ten times slower.
        scale = 1 / math.sqrt(self.dim // self.heads)
        scores = (queries * scale) @ keys.transpose(2, 3) + mask.to(queries.dtype)
        weights = functional.dropout(scores.softmax(dim=3), self.dropout, self.training)
        mixed = (weights.to(values.dtype) @ values).transpose(1, 2)
        result: Tensor = self.out_proj(mixed.reshape(mixed.shape[0], -1, self.dim))
        return result


def sinusoids(length: int, dim: int) -> Tensor:
    """Fixed positions `(length, dim)`: sine and cosine in turn, base 10000."""
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32) * (-math.log(10_000.0) / dim))
    table = torch.zeros(length, dim)
    table[:, 0::2] = torch.sin(position * rates)
    table[:, 1::2] = torch.cos(position * rates)
    return table
