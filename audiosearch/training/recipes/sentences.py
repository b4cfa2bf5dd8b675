"""The stage of words: a large sentence model teaches the small one of the text tower.

The student begins with the teacher's own vectors of single words, cut to their main directions, so
little is left to learn of the 110,000 short texts. It hears no sound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch._typing import Floats, Ints
from audiosearch.model.wordpiece import Pieces
from audiosearch.training.checkpoints import State
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower
from audiosearch.training.text.vocabulary import pad_rows
from audiosearch.training.trainer import Trainer, half_cosine


@dataclass(frozen=True)
class DistilRecipe:
    """How the student is taught."""

    epochs: int = 8
    batch: int = 1024
    learning_rate: float = 3e-3
    dim: int = 320
    held_out: float = 0.03
    """Share of the texts that only measure."""


STARTER_DISTIL = DistilRecipe()


class SentenceTrainer(Trainer[SentenceTower, Ints]):
    """A student that gives texts the teacher's vectors; a batch is numbers of texts `(B,)`."""

    stage = "words"

    def __init__(
        self,
        texts: Sequence[str],
        vectors: Floats,
        pieces: Pieces,
        *,
        recipe: DistilRecipe,
        seed: int,
        folder: Path,
    ) -> None:
        """Begin with the teacher's vectors `(n, dim)` of these texts."""
        torch.manual_seed(seed)
        self.recipe = recipe
        self.pieces = pieces
        self.rows = pad_rows([pieces.encode(text) for text in texts])
        self.targets = torch.from_numpy(vectors)
        tower = SentenceTower(
            SentenceConfig(pieces=len(pieces), sentence_dim=vectors.shape[1], dim=recipe.dim)
        )
        begin_with_words(tower, texts, vectors, pieces)
        self.held_out = self._rng(seed).random(len(texts)) < recipe.held_out
        super().__init__(
            tower,
            torch.optim.Adam(tower.parameters(), lr=recipe.learning_rate),
            seed=seed,
            folder=folder,
            epochs=recipe.epochs,
            steps_per_epoch=math.ceil(int((~self.held_out).sum()) / recipe.batch),
            clip_norm=None,
        )

    @staticmethod
    def _rng(seed: int) -> np.random.Generator:
        return np.random.default_rng([seed, 0xD15])

    def batches(self, epoch: int, *, first: int) -> Iterator[Ints]:
        """All texts once that are not held out."""
        rng = self._rng(self.seed)
        rng.random(len(self.rows))  # who is held out
        learnt = np.flatnonzero(~self.held_out)
        orders = [rng.permutation(learnt) for _ in range(epoch + 1)]
        return iter(np.array_split(orders[-1], self.steps_per_epoch)[first:])

    def learning_rate(self, step: int) -> float:
        """Half a cosine over all epochs."""
        return self.recipe.learning_rate * half_cosine(step / self.steps)

    def loss(self, batch: Ints, rng: Generator) -> Tensor:
        """How far the cosine with the teacher is from 1, on average."""
        found = self.network(torch.from_numpy(_trimmed(self.rows[batch])))
        loss: Tensor = (1 - (found * self.targets[batch]).sum(dim=1)).mean()
        return loss

    def validate(self) -> str:
        """The cosine with the teacher on texts that are held out."""
        likeness = _likeness(self.network, self.rows[self.held_out], self.targets[self.held_out])
        return f"cosine with the teacher {likeness:.4f}, held out"

    def finished(self) -> State:
        """The student, its sizes and its pieces."""
        return {
            "network": self.network.state_dict(),
            "config": json.dumps(asdict(self.network.config)),
            "pieces": list(self.pieces.pieces),
        }


@torch.no_grad()
def begin_with_words(
    tower: SentenceTower, texts: Sequence[str], vectors: Floats, pieces: Pieces
) -> None:
    """Start from the teacher's vectors of single pieces, in their main directions."""
    places = {text: place for place, text in enumerate(texts)}
    known = [i for i, piece in enumerate(pieces.pieces) if piece in places]
    if not known:
        return
    of_words = vectors[[places[pieces.pieces[i]] for i in known]]
    centre = of_words.mean(axis=0)
    _, _, directions = np.linalg.svd(of_words - centre, full_matrices=False)
    main = directions[: tower.config.dim]
    coordinates = np.zeros((len(pieces), tower.config.dim), np.float32)
    coordinates[known, : len(main)] = (of_words - centre) @ main.T
    assert tower.embedding.vectors is not None
    tower.embedding.vectors.weight.copy_(torch.from_numpy(coordinates))
    tower.linear.weight.zero_()
    tower.linear.weight[:, : len(main)] = torch.from_numpy(main.T)
    tower.linear.bias.copy_(torch.from_numpy(centre))
    tower.outer.weight.mul_(0.1)


@torch.no_grad()
def _likeness(tower: SentenceTower, rows: Ints, targets: Tensor) -> float:
    if not len(rows):
        return float("nan")
    found = [tower(torch.from_numpy(some)) for some in np.array_split(rows, len(rows) // 1024 + 1)]
    return float(functional.cosine_similarity(torch.cat(found), targets).mean())


def _trimmed(rows: Ints) -> Ints:
    """Rows `(n, S)` without columns that hold PAD only."""
    used = np.flatnonzero(rows.any(axis=0))
    return rows[:, : int(used[-1]) + 1 if len(used) else 1]
