"""Full text as the queries use it, whatever the database: one implementation for each.

A text's words come in normal form (`names.indexed_words`) and are kept without their English ending
as FTS5's tokenizer takes it off. Scores are bm25, lower values better, as SQLite has it.
"""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


TOKENIZER: Final = "porter unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
MARK: Final = "\x02"  # stands before a match; no text holds it
MOST_LETTERS: Final = 255  # of a word; no file's name holds a longer one


class TextKind(StrEnum):
    """What texts are of; names their table."""

    CAPTION = "caption_text"
    FILE = "file_text"


class TextSource(StrEnum):
    """By what a window is found."""

    CAPTION = "caption"  # that is said of it
    STRETCH = "stretch"  # that a person gave to a stretch which it meets
    FILE = "file"  # that holds its recording


# The columns of each, in their order.
COLUMNS: Final = {
    TextKind.CAPTION: ("text",),
    TextKind.FILE: ("name", "folders", "tags", "metadata", "notes"),
}
# Free comments say least surely what is heard.
WEIGHTS: Final = {TextKind.CAPTION: (1.0,), TextKind.FILE: (1.0, 1.0, 1.0, 0.7, 0.7)}


@dataclass(frozen=True)
class Match:
    """Words that a text is to hold.

    Attributes:
        words: each with what it consists of; a text holds it where it has the word itself or all of
            its parts. The same word twice, where it has none.
        every: all of the words, and not just any.
    """

    words: tuple[tuple[str, tuple[str, ...]], ...]
    every: bool = True


class FullText(ABC):
    """Words of captions and files in one session's state; see `dialects.full_text`."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @abstractmethod
    def add(self, kind: TextKind, rows: Sequence[dict[str, Any]]) -> None:
        """Put new texts in: `id`, and each of the kind's columns, as `indexed_words` gives them."""

    @abstractmethod
    def remove(self, kind: TextKind, ids: Iterable[int]) -> None:
        """Take texts out; ids of none are passed over."""

    @abstractmethod
    def empty(self) -> None:
        """Take everything out, whatever state it is in."""

    @abstractmethod
    def merge(self, *, at_least: int = 0) -> None:
        """Put together what came in pieces, which questions read one by one.

        `at_least`: only where there are so many of them. Nothing where a server does so itself.
        """

    @abstractmethod
    def ranked(
        self, kind: TextKind, match: Match, *, given: bool = False, first: int | None = None
    ) -> Iterator[tuple[int, float]]:
        """(id, score) of the texts that match, best first, equals by id.

        Args:
            kind: which texts.
            match: what they must hold.
            given: only captions that people gave to stretches of recordings.
            first: how many will likely be read; None: all.
        """

    @abstractmethod
    def among(self, kind: TextKind, match: Match, ids: Sequence[int] | None) -> Iterator[int]:
        """Those of some hundred ids, or of all, whose texts match."""

    @abstractmethod
    def people_captions(self, match: Match) -> list[int]:
        """Captions that people gave to stretches of recordings and that match, ascending."""

    @abstractmethod
    def windows_of(
        self,
        source: TextSource,
        texts: Iterator[tuple[int, float]],
        *,
        bundle_id: int,
        most: int | None,
    ) -> Iterator[tuple[list[int], float]]:
        """Windows of texts in their order with the text's score, some at a time.

        Args:
            source: by what the windows are found.
            texts: ids and scores, see `ranked`.
            bundle_id: windows of this bundle only; silent ones are left out.
            most: how many windows of one text are wanted at most; None: all.
        """

    @abstractmethod
    def texts_of(
        self, source: TextSource, window_ids: Sequence[int], *, bundle_id: int
    ) -> list[tuple[int, int]]:
        """(text id, window) of some hundred windows that are not silent."""

    @abstractmethod
    def captions_said(self, window_ids: Sequence[int]) -> list[tuple[int, int]]:
        """(caption, window) for all that is said of windows."""

    @abstractmethod
    def marked(self, match: Match, *, file_id: int) -> tuple[str, ...] | None:
        """The columns of a file's texts with `MARK` before each match; None where none is."""

    @abstractmethod
    def n_texts(self, kind: TextKind) -> dict[str, int]:
        """The stems of all words, each with the number of texts that hold it."""

    @abstractmethod
    def spelled_out(self, kind: TextKind, stem: str) -> str | None:
        """A word with this stem as some text has it; None where none has."""


class Stemmer:
    """What full text keeps of words, by FTS5 itself; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}

    def stems(self, words: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """By word, in normal form, what is kept of it; mostly one stem."""
        wanted = dict.fromkeys(words)
        with self._lock:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            unknown = [word for word in wanted if word not in self._known]
            if unknown:
                self._known.update(_stemmed(unknown))
            return {word: self._known[word] for word in wanted}


_MOST_KNOWN: Final = 200_000  # words; some 30 MB


def _stemmed(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = dict.fromkeys(words, ())
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(f'CREATE VIRTUAL TABLE text USING fts5(word, tokenize = "{TOKENIZER}")')
        memory.execute("CREATE VIRTUAL TABLE term USING fts5vocab(text, instance)")
        memory.executemany("INSERT INTO text (rowid, word) VALUES (?, ?)", enumerate(words))
        for row, term in memory.execute("SELECT doc, term FROM term ORDER BY doc, offset"):
            found[words[row]] += (str(term),)
    return found


STEMMER: Final = Stemmer()


def stems(words: Sequence[str]) -> dict[str, str]:
    """What full text keeps of words in normal form: what is left without an English ending."""
    return {word: kept[-1] if kept else word for word, kept in STEMMER.stems(words).items()}
