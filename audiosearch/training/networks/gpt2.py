"""GPT-2 as the text encoder of Microsoft's CLAP (Radford et al. 2019).

A pre-norm transformer in which a token attends to those before it. Padding stands behind a text and
so is never seen: tokens are all that an exported graph takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.attention import HIDDEN


@dataclass(frozen=True)
class Gpt2Config:
    """Sizes of the encoder; those of the smallest published model by default."""

    vocabulary: int = 50_257
    dim: int = 768
    heads: int = 12
    layers: int = 12
    feedforward: int = 3072
    positions: int = 1024
    norm_eps: float = 1e-5
    pad: int = 0
    """The token that fills rows up. It stands for "!", which counts as padding in a text, too."""

    def __post_init__(self) -> None:
        if self.heads < 1 or self.dim % self.heads:
            raise ValueError(f"{self.dim} numbers do not part into {self.heads} heads")


class Gpt2Layer(nn.Module):
    """Attention to all tokens up to one's own, then a linear pair; a norm before each."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.wide = nn.Linear(config.dim, config.feedforward)
        self.narrow = nn.Linear(config.feedforward, config.dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`(B, S, D)` to the same; `mask` `(S, S)` is added to the scores."""
        batch, count, dim = x.shape
        parted = (batch, count, self.heads, dim // self.heads)
        query, key, value = (
            each.view(parted).transpose(1, 2) for each in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        scores = query @ key.transpose(2, 3) / (dim // self.heads) ** 0.5 + mask
        heard = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(batch, count, dim)
        x = x + self.out(heard)
        wide = functional.gelu(self.wide(self.norm2(x)), approximate="tanh")
        result: Tensor = x + self.narrow(wide)
        return result


class Gpt2(nn.Module):
    """Tokens to one vector: that of the last token, as the authors of CLAP count.

    They take so many places as there are tokens that are no padding, and "!" is padding to them: a
    text with one is read at the place before its end.
    """

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocabulary, config.dim)
        self.position_embeddings = nn.Embedding(config.positions, config.dim)
        self.layers = nn.ModuleList(Gpt2Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` token ids, rows padded at their end, to `(B, D)`."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.word_embeddings(tokens) + self.position_embeddings.weight[: tokens.shape[1]]
        mask = torch.where(places <= places[:, None], 0.0, HIDDEN)
        for layer in self.layers:
            x = layer(x, mask)
        last = ((tokens != self.config.pad).sum(dim=1, keepdim=True) - 1).clamp(min=0)
        chosen = (places == last).to(x.dtype)
        result: Tensor = (chosen.unsqueeze(1) @ self.norm(x)).squeeze(1)
        return result
