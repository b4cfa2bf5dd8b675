"""What a query says must not be heard: `-thunder`, "without", "but no", "anything but" taken out.

Pure: text in, the text that is left and what is excluded out. Names with hyphens and whatever
stands in quotes are left alone; where nothing follows a "without", it is a word like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A minus, and the dash that phones and word processors put in its place.
_DASH = r"[-\u2212\u2013]"
_TOKEN = re.compile(
    rf"""(?P<quoted>{_DASH}?(?:"[^"]*"|\u201c[^\u201d]*\u201d))|(?P<mark>[,;])|(?P<word>[^\s,;]+)"""
)
LONGEST = 10_000  # characters that are looked at; no person types more
_MAY_EXCLUDE = re.compile(rf"{_DASH}|no|but|except|exclud|other|w/o|without|apart", re.IGNORECASE)
_MINUS = re.compile(rf"{_DASH}(?=[^\W\d_])")  # "-20" is a number
# As words that follow each other, the longest first; what they exclude stands behind.
_MARKERS: tuple[tuple[str, ...], ...] = (
    ("but", "with", "no"),
    ("and", "with", "no"),
    ("but", "not"),
    ("but", "no"),
    ("and", "no"),
    ("and", "not"),
    ("but", "without"),
    ("and", "without"),
    ("with", "no"),
    ("except", "for"),
    ("other", "than"),
    ("apart", "from"),
    ("without",),
    ("w/o",),
    ("except",),
    ("excluding",),
)
_FIRST_MARKERS: tuple[tuple[str, ...], ...] = (("no",), ("not",))  # at the start, or after a comma
_ANYTHING = frozenset(("anything", "everything", "all", "any", "something", "whatever", "every"))
_ENDS = frozenset(("but", "while", "then", "after", "before", "when", "as", "during"))
_BETWEEN = frozenset(("or", "and", "nor"))
# "no one" and "no longer" are other words, "nothing but rain" is rain.
_NO_MARKER_BEFORE = frozenset(("one", "longer", "matter", "more", "way", "entry"))
_EMPTY = _ANYTHING | frozenset(
    ("sound", "sounds", "recording", "recordings", "files", "clips", "the", "a", "an", "of", "that",
     "is", "are", "has", "have", "with", "and", "but", "just", "only", "find", "me", "show")
)  # fmt: skip
_LEADING = frozenset(("any", "the", "a", "an", "of"))


@dataclass(frozen=True)
class NegatedQuery:
    """A query in two.

    Attributes:
        wanted: what is to be heard; empty where only something else is not to be.
        excluded: what is not, each as a text of its own.
    """

    wanted: str
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str

    @property
    def lower(self) -> str:
        return self.text.lower().strip(".:!?") if self.kind == "word" else ""


def split_negation(text: str) -> NegatedQuery:
    """What is wanted and what is excluded; a text that excludes nothing stays as it is."""
    if _MAY_EXCLUDE.search(text, 0, LONGEST) is None:
        return NegatedQuery(text, ())
    head, rest = text[:LONGEST], text[LONGEST:]
    tokens = [_Token(found[0], found.lastgroup or "") for found in _TOKEN.finditer(head)]
    wanted: list[str] = []
    excluded: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if _is_minus(token):
            excluded.append(_unquoted(token.text[1:]))
            place += 1
            continue
        n_marker = _marker(tokens, place)
        behind = list(_behind(tokens, place + n_marker)) if n_marker else []
        parts = _parts(behind)
        if not parts:
            wanted.append(token.text)
            place += 1
            continue
        excluded += parts
        place += n_marker + len(behind)
        if place < len(tokens) and tokens[place].lower == "but":  # "... but with birds"
            place += 1
    if not excluded:
        return NegatedQuery(text, ())
    left = [word for word in wanted if word not in (",", ";")]
    if all(word.lower().strip(".:!?") in _EMPTY for word in left):
        left = []
    while left and left[-1].lower() in ("but", "and", "with"):
        left.pop()
    return NegatedQuery(" ".join(left) + rest, tuple(dict.fromkeys(excluded)))


def _is_minus(token: _Token) -> bool:
    if token.kind == "quoted":
        return re.match(_DASH, token.text) is not None and bool(_unquoted(token.text[1:]))
    return token.kind == "word" and _MINUS.match(token.text) is not None


def _unquoted(text: str) -> str:
    return text.strip('"\u201c\u201d').strip()


def _marker(tokens: Sequence[_Token], place: int) -> int:
    """How many tokens at `place` say that what follows is excluded; 0 where none do."""
    here = tokens[place : place + 3]
    words = tuple(token.lower for token in here)
    follows = tokens[place + 1].lower if place + 1 < len(tokens) else ""
    if words[:1] == ("but",) and _means_anything([token.lower for token in tokens[:place]]):
        return 1  # "anything but rain"
    for marker in _MARKERS:
        if words[: len(marker)] == marker:
            after = place + len(marker)
            next_word = tokens[after].lower if after < len(tokens) else ""
            is_no = marker[-1] == "no"
            return 0 if is_no and next_word in _NO_MARKER_BEFORE else len(marker)
    is_first = place == 0 or tokens[place - 1].kind == "mark"
    if is_first and words[:1] in _FIRST_MARKERS and follows not in _NO_MARKER_BEFORE:
        return 1
    return 0


def _means_anything(words: Sequence[str]) -> bool:
    """Whether these words, such as "any sound", ask for nothing in particular."""
    return any(word in _ANYTHING for word in words) and all(word in _EMPTY for word in words)


def _behind(tokens: Sequence[_Token], place: int) -> Iterator[_Token]:
    """The tokens that a marker before `place` excludes."""
    first = place
    while place < len(tokens):
        token = tokens[place]
        if token.kind == "mark" or _is_minus(token):
            return
        if place > first and (token.lower in _ENDS or _marker(tokens, place)):
            return
        yield token
        place += 1


def _parts(tokens: Sequence[_Token]) -> list[str]:
    """Each thing of "thunder, or any wind" by itself; empty where there is none."""
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.lower in _BETWEEN:
            parts.append([])
        else:
            parts[-1].append(token)
    found = []
    for part in parts:
        words = list(part)
        while words and words[0].lower in ("any", "of"):
            words.pop(0)
        text = " ".join(_unquoted(word.text) for word in words).strip()
        if any(each.isalnum() for each in text) and any(
            word.lower not in _LEADING for word in words
        ):
            found.append(text)
    return found
