"""The small sentence model of the text tower, and what its teacher is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from audiosearch._files import atomic_write
from audiosearch._typing import Floats
from audiosearch.model.wordpiece import INSIDE, SPECIAL_PIECES, Pieces
from audiosearch.training.checkpoints import Report, State, TrainingProgress, load_state
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower
from audiosearch.training.text.vocabulary import pad_rows

Teacher = Callable[[Sequence[str]], Floats]
"""Texts to unit vectors `(n, dim)`."""

BLOCK = 4096  # texts that the teacher reads between two savings

_KEPT = re.compile(rf"(?:{INSIDE})?(?:[a-z]+|[0-9])|['&]")


@dataclass(frozen=True)
class SentenceEmbedder:
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
            vectors = teacher(some).astype(np.float16)
            with atomic_write(path) as file:
                np.save(file, vectors)
            report(TrainingProgress("words", at + len(some), len(texts), "asking the teacher"))
        parts.append(np.load(path))
    return np.concatenate(parts).astype(np.float32)


def sentence_state(sentences: SentenceEmbedder) -> State:
    """What `load_sentences` reads."""
    return {
        "network": sentences.tower.state_dict(),
        "config": json.dumps(asdict(sentences.tower.config)),
        "pieces": list(sentences.pieces.pieces),
    }


def load_sentences(path: Path) -> SentenceEmbedder:
    """The finished student of a run."""
    state = load_state(path)
    tower = SentenceTower(SentenceConfig(**json.loads(state["config"])))
    tower.load_state_dict(state["network"])
    return SentenceEmbedder(Pieces(tuple(state["pieces"])), tower.eval())
