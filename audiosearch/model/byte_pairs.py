"""Any text as tokens of a byte-level vocabulary, as RoBERTa and GPT-2 read it.

Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) over the bytes of UTF-8,
each of which is written as a letter, so that no text has an unknown token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

SPACE = "Ġ"  # how the byte of a space is written: a token that begins a word begins with it
_ENDINGS = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
# Over the kinds of characters (`_kinds`): letters, digits or other signs with the space before
# them; white space, of which the last belongs to what follows.
_RUN = re.compile(r" ?a+| ?0+| ?\.+|[ _]+(?![^ _])|[ _]+")
_REMEMBERED = 10_000  # words


@dataclass(frozen=True, kw_only=True)
class BytePairs:
    """Tokens, each with its place as its id, and the pairs that are joined.

    Attributes:
        tokens: written in the letters that stand for bytes.
        merges: pairs of tokens in the order in which they are joined.
        pad: id of what fills up a row.
        start: id of what stands before every text; None where nothing does.
        end: id of what stands behind every text.
        longest: most tokens of a text, these two among them.
        tail: what is written behind every text, before its end.
        apart: tokens that are cut out of a text before anything else, written as they are.
    """

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    pad: int
    start: int | None
    end: int
    longest: int
    tail: str = ""
    apart: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = {self.pad, self.end, *(() if self.start is None else (self.start,))}
        if not all(0 <= each < len(self.tokens) for each in named):
            raise ValueError("pad, start and end must be ids of tokens")
        if len(self._ids) != len(self.tokens):
            raise ValueError("a token stands twice in the list")
        if missing := set(LETTERS.values()) - self._ids.keys():
            raise ValueError(f"{len(missing)} bytes have no token")
        if not all(left + right in self._ids for left, right in self.merges):
            raise ValueError("a pair is joined to what is no token")
        if not all(each and each in self._ids for each in self.apart):
            raise ValueError("what stands apart must be a token")
        if self.longest < 3:
            raise ValueError("a text must have room for one token at least")

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {token: place for place, token in enumerate(self.tokens)}

    @cached_property
    def _ranks(self) -> Mapping[tuple[str, str], int]:
        return {pair: place for place, pair in enumerate(self.merges)}

    @cached_property
    def _known(self) -> dict[str, tuple[int, ...]]:
        return {}

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of `text` between start and end, cut to the longest text there may be."""
        ids = [each for part in self._parts(text + self.tail) for each in part]
        start = () if self.start is None else (self.start,)
        return (*start, *ids[: self.longest - len(start) - 1], self.end)

    def says_something(self, ids: tuple[int, ...]) -> bool:
        """Whether there is more in a text's ids than in those of an empty one."""
        return len(ids) > len(self._of_nothing)

    def holds(self, word: str) -> bool:
        """Whether a word, in small letters or with a capital, is one token."""
        written = _written(f" {word}")
        return written in self._ids or _written(f" {word.capitalize()}") in self._ids

    @property
    def whole_words(self) -> tuple[str, ...]:
        """Tokens that are a word of plain small letters by themselves."""
        words = (token[1:] for token in self.tokens if token.startswith(SPACE))
        return tuple(word for word in words if word.isascii() and word.isalpha() and word.islower())

    @cached_property
    def _of_nothing(self) -> tuple[int, ...]:
        return self.encode("")

    @cached_property
    def _cut(self) -> re.Pattern[str] | None:
        longest_first = sorted(self.apart, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if self.apart else None

    def _parts(self, text: str) -> Iterator[tuple[int, ...]]:
        """The ids of what is encoded by itself, in its order."""
        pieces = [text] if self._cut is None else self._cut.split(text)
        for place, piece in enumerate(pieces):
            if place % 2:  # what has split the text
                yield (self._ids[piece],)
            else:
                yield from map(self._of_run, _runs(piece))

    def _of_run(self, run: str) -> tuple[int, ...]:
        if run not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[run] = tuple(self._ids[part] for part in self._joined(_written(run)))
        return self._known[run]

    def _joined(self, letters: str) -> list[str]:
        """The letters with pairs joined, the earliest of the list first, until none is left."""
        parts = list(letters)
        never = len(self._ranks)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, never) for pair in pairwise(parts)]
            least = min(ranks)
            if least == never:
                break
            left, right = self.merges[least]
            grown: list[str] = []
            place = 0
            while place < len(parts):
                if parts[place : place + 2] == [left, right]:
                    grown.append(left + right)
                    place += 2
                else:
                    grown.append(parts[place])
                    place += 1
            parts = grown
        return parts


def _letters() -> dict[int, str]:
    """Each byte as a letter: itself where that can be seen, one from 256 on where not."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unseen = (byte for byte in range(256) if byte not in seen)
    hidden = {byte: chr(256 + place) for place, byte in enumerate(unseen)}
    return {byte: hidden.get(byte, chr(byte)) for byte in range(256)}


LETTERS = _letters()
"""The letter that each byte is written as."""


def _written(text: str) -> str:
    return "".join(LETTERS[byte] for byte in text.encode("utf-8", "replace"))


def _kinds(text: str) -> str:
    """One sign for each character: a letter, 0 a number, a space, _ other white space, a dot."""
    return "".join(map(_kind, text))


def _kind(character: str) -> str:
    if character == " ":
        return " "
    if character.isspace():
        return "_"
    return {"L": "a", "N": "0"}.get(unicodedata.category(character)[0], ".")


def _runs(text: str) -> Iterator[str]:
    """What is encoded by itself: words, numbers and signs, each with the space before it."""
    kinds = _kinds(text)
    place = 0
    while place < len(text):
        found = _ENDINGS.match(text, place) or _RUN.match(kinds, place)
        assert found is not None  # every kind is in the pattern
        yield text[place : found.end()]
        place = found.end()
