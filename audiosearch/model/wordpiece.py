"""Any English word as one or more known pieces, so that a text tower has no unknown words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from audiosearch.model.tokenizer import normalise

PAD, UNK = 0, 1
SPECIAL_PIECES = ("[PAD]", "[UNK]")  # in the order of their ids
INSIDE = "##"  # before a piece that does not begin a word
LONGEST_WORD = 64  # characters; anything longer is no word

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Pieces:
    """A list of whole words and word parts; a piece's id is its place.

    A word that the list holds is one piece; any other is parted from its start into the longest
    pieces that the list holds, those inside a word written `##ing`. This is WordPiece (Schuster and
    Nakajima 2012; https://arxiv.org/abs/1609.08144, section 4.1). Accents are dropped.

    Attributes:
        pieces: PAD and UNK first.
    """

    pieces: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.pieces[: len(SPECIAL_PIECES)] != SPECIAL_PIECES:
            raise ValueError(f"the first pieces must be {' and '.join(SPECIAL_PIECES)}")
        if len(set(self.pieces)) != len(self.pieces):
            raise ValueError("a piece stands twice in the list")

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        start = len(SPECIAL_PIECES)
        return {piece: i for i, piece in enumerate(self.pieces[start:], start)}

    def holds(self, word: str) -> bool:
        """Whether a normalised word is one piece, and so has a meaning of its own."""
        return word in self._ids

    @property
    def whole_words(self) -> tuple[str, ...]:
        """The pieces that are words by themselves."""
        return tuple(
            piece for piece in self.pieces[len(SPECIAL_PIECES) :] if not piece.startswith(INSIDE)
        )

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of the pieces of `text`; a word that cannot be parted is UNK."""
        plain = unicodedata.normalize("NFD", normalise(text))
        plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
        return tuple(i for word in _TOKEN.findall(plain) for i in self._part(word))

    def _part(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (UNK,)
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else INSIDE + word[start:end]
                if piece in self._ids:
                    found.append(self._ids[piece])
                    start = end
                    break
            else:
                return (UNK,)
        return tuple(found)
