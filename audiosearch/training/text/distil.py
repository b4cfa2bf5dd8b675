"""A stage of its own: the large sentence model teaches the small one of the text tower.

In: the grammar's captions, a seed, the teacher. Out: a checkpoint of a `SentenceTower` with its
list of pieces. The student sees what the teacher makes of some 110,000 short texts and learns to
give the same vectors; it begins with the teacher's own vectors of single words, cut to their main
directions, so little is left to learn. It knows no sound.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch.model.wordpiece import INSIDE, SPECIAL_PIECES, Pieces
from audiosearch.training.checkpoints import Progress, Report, State, load_state
from audiosearch.training.data.vocabulary import pad_rows
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower
from audiosearch.training.trainer import Trainer, half_cosine

Floats = npt.NDArray[np.float32]
Teacher = Callable[[Sequence[str]], Floats]
"""Texts to unit vectors `(n, dim)`."""

BLOCK = 4096  # texts that the teacher reads between two savings

_KEPT = re.compile(rf"(?:{INSIDE})?(?:[a-z]+|[0-9])|['&]")


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


@dataclass(frozen=True)
class Sentences:
    """The finished student."""

    pieces: Pieces
    tower: SentenceTower

    @torch.no_grad()
    def embed(self, texts: Sequence[str], *, block: int = 1024) -> Floats:
        """Unit vectors `(n, sentence_dim)` of texts."""
        self.tower.eval()
        parts = [np.zeros((0, self.tower.config.sentence_dim), np.float32)]
        for at in range(0, len(texts), block):
            rows = pad_rows([self.pieces.encode(text) for text in texts[at : at + block]])
            parts.append(self.tower(torch.from_numpy(rows)).numpy())
        return np.concatenate(parts)


def english_pieces(teacher_words: Sequence[str], more: Sequence[str]) -> Pieces:
    """The English words and word parts of the teacher's list, and whole words that it lacks."""
    own = [word for word in teacher_words if _KEPT.fullmatch(word)]
    added = [word for word in more if re.fullmatch("[a-z]+", word)]
    return Pieces(tuple(dict.fromkeys((*SPECIAL_PIECES, *own, *added))))


def teach(texts: Sequence[str], teacher: Teacher, *, folder: Path, report: Report) -> Floats:
    """The teacher's vectors `(n, dim)` of texts; blocks that are in `folder` are not redone."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for at in range(0, len(texts), BLOCK):
        some = texts[at : at + BLOCK]
        key = hashlib.sha256("\n".join(some).encode()).hexdigest()[:24]
        path = folder / f"{key}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial.npy")
            np.save(partial, teacher(some).astype(np.float16))
            partial.replace(path)
            report(Progress("words", at + len(some), len(texts), "asking the teacher"))
        parts.append(np.load(path))
    return np.concatenate(parts).astype(np.float32)


class SentenceTrainer(Trainer[SentenceTower, npt.NDArray[np.int64]]):
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

    def batches(self, epoch: int, *, first: int) -> Iterator[npt.NDArray[np.int64]]:
        """All texts once that are not held out."""
        rng = self._rng(self.seed)
        rng.random(len(self.rows))  # who is held out
        learnt = np.flatnonzero(~self.held_out)
        orders = [rng.permutation(learnt) for _ in range(epoch + 1)]
        return iter(np.array_split(orders[-1], self.steps_per_epoch)[first:])

    def learning_rate(self, step: int) -> float:
        """Half a cosine over all epochs."""
        return self.recipe.learning_rate * half_cosine(step / self.steps)

    def loss(self, batch: npt.NDArray[np.int64], rng: Generator) -> Tensor:
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


def load_sentences(path: Path) -> Sentences:
    """The finished student of a run."""
    state = load_state(path)
    tower = SentenceTower(SentenceConfig(**json.loads(state["config"])))
    tower.load_state_dict(state["network"])
    return Sentences(Pieces(tuple(state["pieces"])), tower.eval())


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
def _likeness(tower: SentenceTower, rows: npt.NDArray[np.int64], targets: Tensor) -> float:
    if not len(rows):
        return float("nan")
    found = [tower(torch.from_numpy(some)) for some in np.array_split(rows, len(rows) // 1024 + 1)]
    return float(functional.cosine_similarity(torch.cat(found), targets).mean())


def _trimmed(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows `(n, S)` without columns that hold PAD only."""
    used = np.flatnonzero(rows.any(axis=0))
    return rows[:, : int(used[-1]) + 1 if len(used) else 1]
