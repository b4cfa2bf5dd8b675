"""Other words for each sound than those that captions are written in (`paraphrases.txt`).

The text tower learns from them; captions for the decoder never hold them, since it would write
them. They share no content word with the other words of `esc50`, which models are measured with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats
from audiosearch.training.text.captions import PHRASES, Phrases
from audiosearch.training.text.sentence_model import Teacher


def read_paraphrases(table: str) -> dict[str, Phrases]:
    """Sound to its paraphrases, to be used wherever a caption may have any phrase.

    Args:
        table: Lines `name = text; text; ...`: what a person may type who looks for that sound, be
            it things, people and places that go with it, or looser synonyms.
    """
    found = {}
    for line in table.strip().splitlines():
        name, _, rest = line.partition(" = ")
        texts = tuple(text.strip() for text in rest.split(";"))
        found[name] = Phrases(clauses=texts, nouns=texts, names=texts)
    return found


PARAPHRASES: Mapping[str, Phrases] = PHRASES | read_paraphrases(
    Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
)
"""Every sound of the grammar; one that nobody has paraphrased keeps its own phrases."""


def every_paraphrase() -> list[str]:
    """All of them, of all sounds."""
    return [text for phrases in PARAPHRASES.values() for text in phrases.names]


def sound_meanings(teacher: Teacher) -> Floats:
    """One unit vector `(n_sounds, dim)` a sound: between its names and its paraphrases.

    Args:
        teacher: Texts to unit vectors.
    """
    means = []
    for sound, phrases in PHRASES.items():
        usual = _mean_meaning(teacher, [*phrases.clauses, *phrases.nouns])
        mean = usual + _mean_meaning(teacher, list(PARAPHRASES[sound].names))
        means.append(mean / np.linalg.norm(mean))
    return np.stack(means)


def _mean_meaning(teacher: Teacher, texts: list[str]) -> Floats:
    mean = teacher(texts).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))
