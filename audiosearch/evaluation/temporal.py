"""Captions that say something else about time: the perturbations of the relation tests.

Labbé et al. 2023, https://arxiv.org/abs/2308.15090, section on temporal relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from audiosearch.model.tokenizer import split_words

_BAT = ("before", "after")
_SEQUENCE = ("followed by", "and then", "then", "before", "after")
_SIMULTANEITY = ("as", "while")
_IDIOMS = (("such", "as"), ("as", "if"))


class Perturbation(StrEnum):
    """A way to make a caption say something else.

    - Replace puts another connective in the place of one: before and after for each other (BAT), a
      sequence by a simultaneity (seq2sup), a simultaneity by a sequence (sup2seq).
    - Invert turns "X conn Y" into "Y conn X": for before and after (BAT), words of sequence (seq)
      and words of simultaneity (sup).
    """

    REPLACE_BAT = "replace BAT"
    REPLACE_SEQ2SUP = "replace seq2sup"
    REPLACE_SUP2SEQ = "replace sup2seq"
    INVERT_BAT = "invert BAT"
    INVERT_SEQ = "invert seq"
    INVERT_SUP = "invert sup"


@dataclass(frozen=True)
class Perturbed:
    """A caption and what became of it.

    Attributes:
        caption: the normalised caption.
        word: the connective that was found.
        altered: the altered captions: one for an inversion, one for each possible replacement
            otherwise; none is equal to the caption.
    """

    caption: str
    word: str
    altered: tuple[str, ...]


_WORDS: Mapping[Perturbation, tuple[str, ...]] = MappingProxyType(
    {
        Perturbation.REPLACE_BAT: _BAT,
        Perturbation.REPLACE_SEQ2SUP: _SEQUENCE,
        Perturbation.REPLACE_SUP2SEQ: _SIMULTANEITY,
        Perturbation.INVERT_BAT: _BAT,
        Perturbation.INVERT_SEQ: _SEQUENCE,
        Perturbation.INVERT_SUP: _SIMULTANEITY,
    }
)
_REPLACEMENTS: Mapping[Perturbation, tuple[str, ...]] = MappingProxyType(
    {
        Perturbation.REPLACE_BAT: _BAT,
        Perturbation.REPLACE_SEQ2SUP: _SIMULTANEITY,
        Perturbation.REPLACE_SUP2SEQ: _SEQUENCE,
    }
)


def connectives(test: Perturbation) -> tuple[str, ...]:
    """The words that a test looks for."""
    return _WORDS[test]


def perturb(caption: str, test: Perturbation, *, skip_idioms: bool = False) -> Perturbed | None:
    """The altered forms of `caption`, or None where the test does not apply.

    What the paper leaves open is settled here so: captions are normalised; whole words; of words
    that begin at one place the longest wins ("and then" over "then"); the leftmost match alone is
    altered; an inversion with an empty side, or that reads as before, does not count; every
    replacement is listed, so that one can be drawn or all averaged; articles and verbs are left as
    they are. "As" in "as well as", "such as", "as if" and "as ... as" is a connective like any
    other unless `skip_idioms` (of "as ... as", those with one word between).
    """
    words = split_words(caption)
    found = _leftmost(words, _WORDS[test], skip_idioms=skip_idioms)
    if found is None:
        return None
    start, end = found
    word = " ".join(words[start:end])
    left, right = words[:start], words[end:]
    if test in _REPLACEMENTS:
        others = [other.split() for other in _REPLACEMENTS[test] if other != word]
        altered = [[*left, *other, *right] for other in others]
    else:
        turned = [*right, *words[start:end], *left]
        if not left or not right or turned == list(words):
            return None
        altered = [turned]
    return Perturbed(" ".join(words), word, tuple(" ".join(each) for each in altered))


def _leftmost(
    words: Sequence[str], connectives: Sequence[str], *, skip_idioms: bool
) -> tuple[int, int] | None:
    """Start and end of the leftmost connective, the longest of those that start there."""
    patterns = sorted((tuple(c.split()) for c in connectives), key=len, reverse=True)
    idle = set(_idiomatic(words)) if skip_idioms else set()
    for start in range(len(words)):
        for pattern in patterns:
            end = start + len(pattern)
            if tuple(words[start:end]) == pattern and start not in idle:
                return start, end
    return None


def _idiomatic(words: Sequence[str]) -> Iterator[int]:
    """Places of "as" that joins no two events."""
    start = 0
    while start < len(words):
        span = _idiom_length(words[start : start + 3])
        yield from (place for place in range(start, start + span) if words[place] == "as")
        start += max(span, 1)


def _idiom_length(words: Sequence[str]) -> int:
    """Words of the idiom that `words` begin with; 0 for none."""
    if len(words) == 3 and words[0] == words[2] == "as":  # "as loud as", "as well as"
        return 3
    return 2 if tuple(words[:2]) in _IDIOMS else 0
