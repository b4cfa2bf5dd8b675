"""A mixed folder to fit the score on: some sounds that no stage has heard among many others.

What is asked for is in some of the few, or nowhere. Kinds that the breadth benchmark has are not
asked for, so that it stays a measure of what carries over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch.training.calibrate import Trials
from audiosearch.training.data.dataset import ManifestClip, Split
from audiosearch.training.paraphrase_metrics import (
    SingleEventQuery,
    by_wording,
    single_event_trials,
)
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.captions import PHRASES, sound_of
from audiosearch.training.text.esc50 import read_phrasings
from audiosearch.training.text.paraphrases import PARAPHRASES

USUAL, NAME, OTHER = "usual", "name", "other"


@dataclass(frozen=True)
class LibrarySizes:
    """How much a mixed folder has, and how much is asked of it."""

    others: int = 300
    """Recordings beside those held out, of a kind each: they can be a wrong answer only."""
    texts: int = 3
    """Asked in each wording for a kind that is there, if there are so many."""
    absent: int = 120
    """Kinds that are asked for once in each wording, whether or not anything is like them."""


@dataclass(frozen=True)
class MixedLibrary:
    """Which recordings lie in the folder, and what is asked."""

    held_out: tuple[int, ...]
    """Places of recordings that may be the right answer."""
    others: tuple[int, ...]
    queries: tuple[SingleEventQuery, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """Of all its recordings, those that were held out first."""
        return self.held_out + self.others

    @property
    def texts(self) -> list[str]:
        """What is asked."""
        return [query.text for query in self.queries]


def plan_library(clips: Sequence[ManifestClip], *, sizes: LibrarySizes, seed: int) -> MixedLibrary:
    """The folder, the same for the same clips; one of each kind of the training recordings."""
    rng = np.random.default_rng([seed, 0x11B])
    held_out = [place for place, clip in enumerate(clips) if _is(clip, Split.VALIDATION)]
    heard: dict[str, list[int]] = {}
    for place, clip in enumerate(clips):
        if _is(clip, Split.TRAIN):
            heard.setdefault(clip.label, []).append(place)
    one_each = [int(rng.choice(heard[label])) for label in sorted(heard)]
    others = rng.permutation(one_each)[: sizes.others]
    kept = {sound_of(clip.label) for clip in clips if clip.split is Split.BREADTH}
    here = sorted({sound_of(clips[place].label) for place in held_out} - kept)
    rest = sorted(set(PHRASES) - kept - set(here))
    asked = [(sound, sizes.texts) for sound in here]
    asked += [(str(sound), 1) for sound in rng.permutation(rest)[: sizes.absent]]
    queries = [query for sound, most in asked for query in _queries(sound, most, rng)]
    return MixedLibrary(tuple(held_out), tuple(others.tolist()), tuple(queries))


def _is(clip: ManifestClip, split: Split) -> bool:
    return clip.split is split and sound_of(clip.label) in PHRASES


def _queries(sound: str, most: int, rng: np.random.Generator) -> list[SingleEventQuery]:
    """At most so many texts of each wording that ask for a sound."""
    phrases, phrasing = PHRASES[sound], read_phrasings().get(sound)
    usual, other = [*phrases.clauses, *phrases.nouns], list(PARAPHRASES[sound].names)
    if phrasing is not None:  # words that no stage has read come first
        usual, other = [phrasing.usual], [phrasing.other, phrasing.other_name]
    wordings = {USUAL: usual, NAME: list(phrases.names)}
    if PARAPHRASES[sound] is not phrases:
        wordings[OTHER] = other
    return [
        SingleEventQuery(str(text), sound, wording)
        for wording, texts in wordings.items()
        for text in rng.permutation(sorted(set(texts)))[:most]
    ]


def mixed_trials(
    scores: PairScores, clips: Sequence[ManifestClip], library: MixedLibrary
) -> dict[str, Trials]:
    """What is made of the folder, by wording; recordings that were trained on are never right.

    Those of a kind that is asked for are no wrong answer either: they are as if taken out.

    Args:
        scores: the folder's recordings against its queries.
        clips: all there are.
        library: the folder.
    """
    labels = [clips[place].label for place in library.places]
    trials = single_event_trials(scores, labels, library.queries)
    may_be = np.arange(len(labels)) < len(library.held_out)
    answered = Trials(scores, trials.right & may_be[:, None], trials.wrong)
    return by_wording(answered, library.queries)
