"""An overview of a long sound: stretches that follow each other without overlap, like ones in one.

In go the descriptions of overlapping windows in order, out come fewer that part the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from audiosearch.search.results import CaptionFit, Description

if TYPE_CHECKING:  # a command whose question the daemon answers does without numpy
    from audiosearch._typing import Floats

# Cosine from which two sentences mean much the same. Of the bundled model's own sentences those of
# one kind ("nothing is audible", "silence is heard") come to .76 and more, others to .30 at most.
SAME_MEANING = 0.6
ALIKE = 0.5  # share of the words in common, of those of either sentence, that makes two alike
_ENDINGS = ("ing", "ed", "es", "s")
_LEAST_STEM = 3  # letters that a word without its ending must have
_SAYS_NOTHING = frozenset(
    ("a", "an", "and", "are", "as", "at", "by", "in", "is", "of", "on", "the", "then", "to",
     "while", "with", "someone", "something", "being", "it", "its", "over", "from", "into")
)  # fmt: skip


def timeline(descriptions: Iterable[Description], *, limit: int) -> Iterator[Description]:
    """The stretches of an overview, as they are known.

    Windows that overlap are parted in the middle of what they share. Neighbours of which the model
    says much the same, in whatever words, become one, with the sentence that surprises it least;
    silence is such a neighbour of silence.

    Args:
        descriptions: of windows, in order of time.
        limit: most stored captions of a stretch.
    """
    run: list[Description] = []
    for each in without_overlap(descriptions):
        if run and not _sound_alike(run[0], each):
            yield _as_one(run, limit=limit)
            run = []
        run.append(each)
    if run:
        yield _as_one(run, limit=limit)


def without_overlap(descriptions: Iterable[Description]) -> Iterator[Description]:
    """The same with times that do not overlap: neighbours meet halfway, however many overlap."""
    last: Description | None = None
    for each in descriptions:
        if last is None:
            last = each
            continue
        border_s = max((last.end_s + each.start_s) / 2, last.start_s)
        if each.start_s >= last.end_s:  # nothing shared
            yield last
            last = each
            continue
        yield replace(last, end_s=border_s)
        last = replace(each, start_s=border_s)
    if last is not None:
        yield last


class SentenceMeanings:
    """Numbers sentences by their meaning, as they come.

    Args:
        embed: gives vectors (n, J) of unit length for n texts.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Floats]) -> None:
        self._embed = embed
        self._firsts: list[Floats] = []
        self._known: dict[str, int] = {}

    def numbered(self, descriptions: Iterable[Description]) -> Iterator[Description]:
        """Descriptions of one sound with their `meaning`."""
        for each in descriptions:
            sentence = own_sentence(each)
            yield replace(each, meaning=self._number(sentence)) if sentence else each

    def _number(self, sentence: str) -> int:
        if sentence not in self._known:
            vector = self._embed([sentence])[0]
            cosines = [float(first @ vector) for first in self._firsts]
            if cosines and max(cosines) >= SAME_MEANING:
                self._known[sentence] = cosines.index(max(cosines))
            else:
                self._known[sentence] = len(self._firsts)
                self._firsts.append(vector)
        return self._known[sentence]


def _sound_alike(one: Description, other: Description) -> bool:
    if one.meaning is not None and one.meaning == other.meaning:
        return True
    return alike(own_sentence(one), own_sentence(other))


def own_sentence(description: Description) -> str | None:
    """What the model says itself; None of silence."""
    return next((fit.text for fit in description.captions if fit.rank == 0), None)


def alike(one: str | None, other: str | None) -> bool:
    """Whether two sentences say much the same: half of all their telling words are in both."""
    if one is None or other is None or one == other:
        return one == other
    words, more = _stems(one), _stems(other)
    return bool(words & more) and len(words & more) >= ALIKE * len(words | more)


def _stems(sentence: str) -> frozenset[str]:
    return frozenset(
        _stem(word)
        for word in re.findall(r"[^\W_]+", sentence.lower())
        if word not in _SAYS_NOTHING
    )


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _LEAST_STEM:
            return stem[:-1] if stem[-1] == stem[-2] else stem
    return word


def _as_one(run: list[Description], *, limit: int) -> Description:
    """One stretch with the best of the model's sentences, and each stored caption at its best."""
    fits = [fit for each in run for fit in each.captions]
    own = min(
        (fit for fit in fits if not fit.rank), key=lambda fit: fit.cross_entropy, default=None
    )
    best: dict[str, CaptionFit] = {}
    for fit in sorted((fit for fit in fits if fit.rank), key=lambda fit: (fit.rank, -fit.score)):
        best.setdefault(fit.text, fit)
    stored = [replace(fit, rank=rank) for rank, fit in enumerate(list(best.values())[:limit], 1)]
    return Description(
        start_s=run[0].start_s,
        end_s=run[-1].end_s,
        captions=(*([] if own is None else [own]), *stored),
    )
