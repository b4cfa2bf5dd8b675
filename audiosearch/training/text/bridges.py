"""For words that the decoder never learned, the word of its own that means most nearly the same.

Stored in the bundle ("canine" -> "dog"). Only words that say what is heard are targets, never a
connective.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch.training.text.sentence_model import SentenceEmbedder
from audiosearch.training.text.vocabulary import STOP_WORDS


@dataclass(frozen=True)
class BridgeRecipe:
    """Which words are near enough."""

    least: float = 0.5
    """Likeness that a bridge needs: the mean of the cosines to the word and to its phrases."""
    shortest: int = 3
    """Letters of the shortest word that gets a bridge."""


STARTER_BRIDGES = BridgeRecipe()


def build_bridges(
    sentences: SentenceEmbedder,
    known: Sequence[str],
    phrases: Sequence[str],
    *,
    recipe: BridgeRecipe,
) -> dict[str, str]:
    """Bridges from the whole words of the sentence model to known words, in alphabetical order.

    Args:
        sentences: What words mean.
        known: The decoder's words.
        phrases: What sounds are called. A goal is like a word not by itself alone but with the
            company it keeps in these: "tempest" is not Shakespeare here.
        recipe: Which words are near enough.
    """
    held = set(known)
    words = sorted(
        word
        for word in sentences.pieces.pieces
        if word.isalpha() and len(word) >= recipe.shortest and word not in held | STOP_WORDS
    )
    company: dict[str, list[int]] = {}
    for place, phrase in enumerate(phrases):
        for word in set(phrase.split()) & held - STOP_WORDS:
            company.setdefault(word, []).append(place)
    goals = sorted(word for word in company if word.isalpha() and len(word) >= recipe.shortest)
    if not words or not goals:
        return {}
    of_phrases = sentences.embed(phrases)
    together = np.stack([of_phrases[company[word]].mean(axis=0) for word in goals])
    together /= np.linalg.norm(together, axis=1, keepdims=True)
    goal_vectors = 0.5 * (sentences.embed(goals) + together)
    found = {}
    vectors = sentences.embed(words)
    for word, likeness in zip(words, vectors @ goal_vectors.T, strict=True):
        best = int(np.argmax(likeness))
        if likeness[best] >= recipe.least:
            found[word] = goals[best]
    return found


def write_bridges(bridges: Mapping[str, str], path: Path) -> Path:
    """Keep bridges in a run's folder."""
    path.write_text(json.dumps(dict(bridges), indent=0) + "\n", encoding="utf-8")
    return path


def read_bridges(path: Path) -> dict[str, str]:
    """Bridges of a run; none where there are none."""
    if not path.exists():
        return {}
    stored: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return stored
