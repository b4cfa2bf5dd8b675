"""Rare words by their definitions: what a dictionary adds to the large sentence model.

The teacher has hardly read "klaxon", but it understands "a kind of loud horn". Senses that are like
a sound count more: in a library of sounds a rook is a bird before it is a piece of chess.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats
from audiosearch.model.tokenizer import split_words
from audiosearch.training.text.dictionary import Dictionary
from audiosearch.training.text.sentence_model import Teacher
from audiosearch.training.text.vocabulary import STOP_WORDS


@dataclass(frozen=True)
class DefinitionRecipe:
    """Which words are explained, and how much that counts."""

    common: int = 10_000
    """Of the teacher's pieces, the commonest first, so many need no explanation."""
    weight: float = 2.0
    """Of a definition, beside 1 for the text itself, shared among its words."""
    sharpness: float = 20.0
    """How much a sense that is like a sound counts above one that is not: of the cosine."""
    own_pieces: int = 4_000
    """How many words that the list of pieces lacks get a place in it."""
    letters: range = range(3, 15)
    """Of such words."""


STARTER_DEFINITIONS = DefinitionRecipe()


@dataclass(frozen=True)
class Definitions:
    """Words and the vectors of their definitions."""

    vectors: dict[str, Floats]
    """A word to a unit vector `(dim,)`."""
    nearness: dict[str, float]
    """A word to the cosine between the most sounding of its senses and a sound."""
    recipe: DefinitionRecipe

    def sounding(self, words: Sequence[str]) -> list[str]:
        """Of `words` those that are most like a sound, as many as get pieces of their own."""
        fit = [w for w in words if w in self.nearness and len(w) in self.recipe.letters]
        return sorted(fit, key=lambda word: (-self.nearness[word], word))[: self.recipe.own_pieces]

    def explained(self, texts: Sequence[str], vectors: Floats) -> Floats:
        """Vectors `(n, dim)` of texts with the definitions of their words added, of length 1."""
        result = vectors.copy()
        for row, text in enumerate(texts):
            words = [word for word in split_words(text) if word not in STOP_WORDS]
            found = [self.vectors[word] for word in words if word in self.vectors]
            if found:
                result[row] += self.recipe.weight / len(words) * np.sum(found, axis=0)
                result[row] /= np.linalg.norm(result[row])
        return result


def define(
    words: Sequence[str],
    dictionary: Dictionary,
    teacher: Teacher,
    *,
    sounds: Floats,
    known: Collection[str],
    recipe: DefinitionRecipe,
) -> Definitions:
    """Read the definitions of words.

    Args:
        words: What may need an explanation.
        dictionary: Where it is looked up; words that it lacks are left out.
        teacher: What reads the definitions.
        sounds: Unit vectors `(n_sounds, dim)` of what sounds are called.
        known: Words that are left out, since they are learned by themselves.
        recipe: How much sounds and definitions count.
    """
    senses = {w: dictionary.explain(w) for w in dict.fromkeys(words) if w not in known}
    texts = list(dict.fromkeys(text for found in senses.values() for text in found))
    if not texts:
        return Definitions({}, {}, recipe)
    meanings = teacher(texts)
    likeness = (meanings @ sounds.T).max(axis=1)
    places = {text: place for place, text in enumerate(texts)}
    vectors, nearness = {}, {}
    for word, found in senses.items():
        if not found:
            continue
        rows = [places[text] for text in found]
        shares = np.exp(recipe.sharpness * (likeness[rows] - likeness[rows].max()))
        mean = shares @ meanings[rows]
        vectors[word] = np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
        nearness[word] = float(likeness[rows].max())
    return Definitions(vectors, nearness, recipe)
