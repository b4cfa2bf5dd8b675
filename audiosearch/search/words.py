"""What a query by words means to the model.

In goes what a person typed, out come tokens for the decoder, a vector in the joint space and the
words that the model never learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiosearch.errors import QueryError
from audiosearch.model.scoring import CaptionScorer, TokenIds
from audiosearch.model.text import split_words
from audiosearch.model.text_tower import TextTower

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Words:
    """A query, understood.

    Attributes:
        text: the words that count, normalised, no more than the decoder has positions for.
        tokens: their ids.
        unknown: those that the model never learned, each once.
        read_as: words that the decoder never learned -> the words that it reads in their place.
        n_left_out: words beyond those.
        vector: (J,) in the joint space; None where the bundle has none, zero where no word is
            known.
        has_known: the decoder knows at least one of the words.
    """

    text: str
    tokens: TokenIds
    unknown: tuple[str, ...]
    read_as: Mapping[str, str]
    n_left_out: int
    vector: Floats | None
    has_known: bool

    @property
    def has_meaning(self) -> bool:
        """Whether the words say something to the model: to its decoder, or to its text tower."""
        return self.has_known or (self.vector is not None and bool(self.vector.any()))


def understand(text: str, *, scorer: CaptionScorer, tower: TextTower | None) -> Words:
    """What `text` means to the model.

    Raises:
        QueryError: there is no word in it.
    """
    # What a terminal passed on that is no Unicode could not be handed to the database.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    words = split_words(clean)
    if not words:
        raise QueryError("there is no word to search for", remedy="say what is heard")
    kept = " ".join(words[: scorer.max_words])
    vocabulary = scorer.decoder.bundle.vocabulary
    tokens = scorer.encode(kept)
    return Words(
        text=kept,
        tokens=tokens,
        unknown=tuple(
            word
            for word in vocabulary.unknown_words(kept)
            if tower is None or not tower.knows(word)
        ),
        read_as=vocabulary.bridged_words(kept),
        n_left_out=max(0, len(words) - scorer.max_words),
        vector=None if tower is None else tower.embed([kept])[0],
        has_known=any(token != vocabulary.unk for token in tokens),
    )
