"""BERT, the text encoder of Sun et al. 2023 (Devlin et al. 2019, https://arxiv.org/abs/1810.04805).

The layers are those of RoBERTa; places count from 0. It takes bare pieces of words and puts the
tokens that BERT wants at both ends by itself, so that a bundle's text side reads pieces as usual.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiosearch.training.networks.attention import HIDDEN
from audiosearch.training.networks.roberta import RobertaConfig, RobertaLayer


@dataclass(frozen=True)
class BertConfig:
    """Sizes of the encoder; those of BERT-base by default."""

    vocabulary: int = 30_522
    dim: int = 768
    heads: int = 12
    layers: int = 12
    feedforward: int = 3072
    positions: int = 512
    types: int = 2
    norm_eps: float = 1e-12
    pad: int = 0
    start: int = 2
    """The id of `[CLS]`, once the pieces are in our order."""
    end: int = 3
    """The id of `[SEP]`."""
    dropout: float = 0.1

    @property
    def longest(self) -> int:
        """Most pieces of a text, start and end left out."""
        return self.positions - 2


class Bert(nn.Module):
    """Pieces to one vector: what the last layer makes of the first token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        layers = RobertaConfig(
            vocabulary=config.vocabulary,
            dim=config.dim,
            heads=config.heads,
            layers=config.layers,
            feedforward=config.feedforward,
            norm_eps=config.norm_eps,
        )
        self.word_embeddings = nn.Embedding(config.vocabulary, config.dim, padding_idx=config.pad)
        self.position_embeddings = nn.Embedding(config.positions, config.dim)
        self.token_type_embeddings = nn.Embedding(config.types, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.layers = nn.ModuleList(RobertaLayer(layers) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` ids of pieces, rows padded at their end, to `(B, D)`."""
        whole = self._with_ends(tokens)
        x = self.word_embeddings(whole) + self.position_embeddings.weight[: whole.shape[1]]
        x = self.dropout(self.norm(x + self.token_type_embeddings.weight[0]))
        mask = torch.where(whole != self.config.pad, 0.0, HIDDEN)[:, None, None]
        for layer in self.layers:
            x = self.dropout(layer(x, mask))
        first: Tensor = x[:, 0]
        return first

    def _with_ends(self, tokens: Tensor) -> Tensor:
        """`(B, S + 2)` with `[CLS]` before and `[SEP]` right behind each text."""
        edge = torch.zeros_like(tokens[:, :1])
        whole = torch.cat([edge + self.config.start, tokens, edge + self.config.pad], dim=1)
        lengths = (tokens != self.config.pad).sum(dim=1, keepdim=True)
        places = torch.arange(whole.shape[1], device=tokens.device)
        return torch.where(places == lengths + 1, self.config.end, whole)
