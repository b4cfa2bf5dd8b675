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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from audiosearch._typing import Floats, Ints
from audiosearch.model.wordpiece import INSIDE, SPECIAL_PIECES, Pieces
from audiosearch.training.checkpoints import Progress, Report, load_state, save_state
from audiosearch.training.data.vocabulary import pad_rows
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower

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


def distil(
    texts: Sequence[str],
    vectors: Floats,
    pieces: Pieces,
    *,
    recipe: DistilRecipe,
    seed: int,
    path: Path,
    report: Report,
) -> Path:
    """Train a student that gives texts their vectors `(n, dim)`, and write it to `path`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 0xD15])
    rows = pad_rows([pieces.encode(text) for text in texts])
    targets = torch.from_numpy(vectors)
    held = rng.random(len(texts)) < recipe.held_out
    tower = SentenceTower(
        SentenceConfig(pieces=len(pieces), sentence_dim=vectors.shape[1], dim=recipe.dim)
    )
    begin_with_words(tower, texts, vectors, pieces)
    optimiser = torch.optim.Adam(tower.parameters(), lr=recipe.learning_rate)
    learnt = np.flatnonzero(~held)
    steps = math.ceil(len(learnt) / recipe.batch) * recipe.epochs
    step, loss = 0, torch.zeros(())
    for epoch in range(recipe.epochs):
        for chosen in np.array_split(rng.permutation(learnt), math.ceil(steps / recipe.epochs)):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            found = tower(torch.from_numpy(_trimmed(rows[chosen])))
            loss = (1 - (found * targets[chosen]).sum(dim=1)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
        likeness = _likeness(tower, rows[held], targets[held])
        text = f"loss {float(loss.detach()):.4f}; cosine with the teacher {likeness:.4f}, held out"
        report(Progress("words", epoch + 1, recipe.epochs, text))
    state = {
        "network": tower.state_dict(),
        "config": json.dumps(asdict(tower.config)),
        "pieces": list(pieces.pieces),
    }
    save_state(state, path)
    return path


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
def _likeness(tower: SentenceTower, rows: Ints, targets: torch.Tensor) -> float:
    if not len(rows):
        return float("nan")
    found = [tower(torch.from_numpy(some)) for some in np.array_split(rows, len(rows) // 1024 + 1)]
    return float(functional.cosine_similarity(torch.cat(found), targets).mean())


def _trimmed(rows: Ints) -> Ints:
    """Rows `(n, S)` without columns that hold PAD only."""
    used = np.flatnonzero(rows.any(axis=0))
    return rows[:, : int(used[-1]) + 1 if len(used) else 1]
