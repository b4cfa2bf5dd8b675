"""One normal form for all words that are stored and asked: names, metadata, tags, captions.

Scripts without spaces between words give letters and overlapping pairs of letters, as is usual:
https://lucene.apache.org/core/9_0_0/analysis/common/org/apache/lucene/analysis/cjk/CJKBigramFilter.html
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# "fooBar" | "HTTPServer" before its last capital | a letter beside a digit
_SEAM = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
)
_WORDS = re.compile(r"[^\W_]+")  # of ASCII
_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai and Lao; Burmese; Khmer
    *((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF)),  # Japanese
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),  # Chinese
    *((0x1100, 0x11FF), (0xAC00, 0xD7FF)),  # Korean
)
_FIRST_UNSPACED = "\u0e00"  # below are nearly all letters that are asked about
_ACCENTS = range(0x0300, 0x0370)  # combining marks of European scripts; others are letters' parts


@dataclass(frozen=True)
class TypedWord:
    """A word of a query.

    Attributes:
        text: in normal form.
        shown: as it was typed, in small letters.
        parts: what it consists of; found where all of them are. Itself where it is not glued.
    """

    text: str
    shown: str
    parts: tuple[str, ...]


def normal_form(text: str) -> str:
    """`text` as it is compared: no case, accents, odd widths, or more than single spaces."""
    if text.isascii():  # nearly all there is: what follows would do no more
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not folded.isascii():
        parted = unicodedata.normalize("NFD", folded)
        plain = "".join(letter for letter in parted if ord(letter) not in _ACCENTS)
        folded = unicodedata.normalize("NFC", plain)
    return " ".join(folded.split())


def words_of(text: str) -> list[str]:
    """The words of a text in normal form: runs of letters and digits, nothing else."""
    return [word.text for word in typed_words(text)]


def typed_words(text: str) -> list[TypedWord]:
    """The words of a query, with the parts that each is glued from."""
    found: list[TypedWord] = []
    for run in _runs(unicodedata.normalize("NFKC", text)):
        parts = _pairs(run) if _unspaced(run[0]) else tuple(map(normal_form, _parts(run)))
        found.append(TypedWord(normal_form(run), run.lower(), parts))
    return found


def indexed_words(text: str) -> str:
    """What a text is searched by: its words and their parts, in normal form, one space between.

    Words that a name glues together count with their parts: `DOORWood_Creak03` holds doorwood,
    door, wood, creak03, creak, 03. Scripts that put no space between words (Chinese, Japanese,
    Thai, Lao, Khmer, Burmese), or glue particles to them (Korean), give letters and their pairs.
    """
    found: list[str] = []
    if text.isascii():  # the same as below, of what is nearly all there is
        for run in _WORDS.findall(text):
            found.append(run)
            if not (run.isalpha() and run[1:].islower()) and not run.isdigit():  # may have seams
                parts = _SEAM.split(run)
                found += parts if len(parts) > 1 else []
        return " ".join(found).lower()
    for run in _runs(unicodedata.normalize("NFKC", text)):
        if _unspaced(run[0]):
            letters = _letters(run)
            found += [normal_form(letter) for letter in letters]
            found += _pairs(run) if len(letters) > 1 else ()
        else:
            parts = _parts(run)
            found.append(normal_form(run))
            found += [normal_form(part) for part in parts] if len(parts) > 1 else []
    return " ".join(found)


@lru_cache(1024)  # folders come again with every file
def path_words(path: bytes) -> str:
    """`indexed_words` of a path or a part of one."""
    return indexed_words(path_text(path))


def path_text(path: bytes) -> str:
    """A path as it is compared: names that are no UTF-8 in Windows' western letters.

    Drives of before UTF-8 have such names. What these letters have no place for parts words.
    """
    return "/".join(_name_text(name) for name in path.split(b"/"))


def _name_text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp1252", "replace").replace("\ufffd", " ")


def _runs(text: str) -> Iterator[str]:
    """Runs of letters, digits and marks that are all of scripts with spaces, or all of the others.

    Symbols and signs part them, as does everything else.
    """
    if text.isascii():
        yield from _WORDS.findall(text)
        return
    start = 0
    for place in range(len(text) + 1):
        here = text[place] if place < len(text) else " "
        kind = unicodedata.category(here)[0]  # letter, number, mark ...
        inside = kind in "LN"
        if place > start and (
            kind == "M" or (inside and _unspaced(here) == _unspaced(text[start]))
        ):
            continue
        if place > start:
            yield text[start:place]
        start = place if inside else place + 1


def _unspaced(letter: str) -> bool:
    return letter >= _FIRST_UNSPACED and any(
        first <= ord(letter) <= last for first, last in _UNSPACED
    )


def _parts(run: str) -> list[str]:
    """What a run is glued from, parted where its capitals or digits say so."""
    if run.isascii():
        return _SEAM.split(run)
    parts = [run[0]]
    for before, here, after in zip(run, run[1:], run[2:] + " ", strict=False):
        seam = (
            (before.islower() and here.isupper())
            or (before.isupper() and here.isupper() and after.islower())
            or (before.isdigit() != here.isdigit() and (before + here).isalnum())
        )
        if seam:
            parts.append(here)
        else:
            parts[-1] += here
    return parts


def _letters(run: str) -> list[str]:
    """The letters of a run, each with the marks that follow it."""
    found: list[str] = []
    for letter in run:
        if found and unicodedata.category(letter).startswith("M"):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _pairs(run: str) -> tuple[str, ...]:
    """Overlapping pairs of the letters of a run; of a single letter, itself."""
    letters = [normal_form(letter) for letter in _letters(run)]
    if len(letters) == 1:
        return (letters[0],)
    return tuple(first + second for first, second in itertools.pairwise(letters))
