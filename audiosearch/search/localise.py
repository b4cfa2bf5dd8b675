"""Where inside a window a query is heard: from how well its words fit short slices of the frames.

Pure; in go lifts of words, out come stretches in seconds. The words that tell what is heard (`dog`,
`bell`) rise by several nats in the slices that hold the sound and fall outside, sentences do less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from audiosearch._typing import Bools, Doubles, Floats, HalfOrFloats

SLICE_S = 1.0  # seconds that are listened to at a time
STEP_S = 0.3  # from slice to slice; starts and ends are as fine
KEY = 1.0  # nats that a word must rise by somewhere to tell anything of the place
KEY_SHARE = 0.5  # of the strongest word's rise, which others must reach to count
ACTIVE = 0.65  # of a word's greatest lift: from there on it is heard
JOINED_S = 2.0  # stretches less than this apart are one moment


@dataclass(frozen=True)
class Stretch:
    """A part of a window, or of a recording, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Slices:
    """How a window of `n_frames` is cut: a slice of `width` frames each `step` frames."""

    n_frames: int
    width: int
    step: int

    @classmethod
    def of(cls, n_frames: int, *, lasts_s: float, slice_s: float, step_s: float) -> Slices:
        """Slices of about `slice_s` seconds, no longer than the window."""
        per_s = n_frames / lasts_s
        width = min(n_frames, max(1, round(slice_s * per_s)))
        return cls(n_frames, width, max(1, round(step_s * per_s)))

    @property
    def starts(self) -> list[int]:
        """The first frame of each; the last slice ends with the window."""
        last = self.n_frames - self.width
        found = list(range(0, last + 1, self.step))
        return found if found[-1] == last else [*found, last]

    def cut(self, frames: HalfOrFloats) -> list[HalfOrFloats]:
        """The slices of frames (T, D)."""
        return [frames[start : start + self.width] for start in self.starts]

    def mean_of_frames(self, values: Floats) -> Doubles:
        """By frame (T,), the mean of the values (n_slices,) of the slices that hold it."""
        total, count = np.zeros(self.n_frames), np.zeros(self.n_frames)
        for start, value in zip(self.starts, values.tolist(), strict=True):
            total[start : start + self.width] += value
            count[start : start + self.width] += 1
        mean: Doubles = total / count
        return mean


def active_frames(lifts: Floats, *, slices: Slices, telling: Bools) -> Bools:
    """Which frames (T,) of a window hold what the words say.

    Where the words that tell of the place agree on one, it is that. Where they do not, as those of
    "a bell rings and then someone knocks", it is all from the first to the last.

    Args:
        lifts: (n_slices, n_words + 1) of each word and the end, for each slice.
        slices: where these are.
        telling: (n_words,) words that may tell of the place.
    """
    words = lifts[:, : len(telling)][:, telling]
    greatest = words.max(axis=0, initial=-np.inf)
    top = greatest.max(initial=-np.inf)
    if top < KEY:  # no word alone tells: what all together say
        whole = slices.mean_of_frames(lifts.mean(axis=1))
        return np.asarray(whole >= whole.max() - max(0.5 * abs(float(whole.max())), 0.25))
    keys = words[:, greatest >= max(KEY, KEY_SHARE * top)]
    by_word = np.stack([_heard(slices.mean_of_frames(each), each) for each in keys.T])
    together: Bools = np.logical_and.reduce(by_word)
    if together.any():
        return together
    found = np.flatnonzero(by_word.any(axis=0))
    hull = np.zeros(slices.n_frames, np.bool_)
    hull[found[0] : found[-1] + 1] = True
    return hull


def _heard(mean: Doubles, lifts: Floats) -> Bools:
    """Frames of which the slices around them come near to a word's greatest lift."""
    heard: Bools = mean >= min(ACTIVE * float(lifts.max()), float(mean.max()))
    return heard


def stretches(active: Bools, *, start_s: float, end_s: float) -> list[Stretch]:
    """Runs of active frames (T,) of the window from `start_s` to `end_s`, near ones joined."""
    frame_s = (end_s - start_s) / len(active)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], active.astype(np.int8), [0]))))
    runs = edges.reshape(-1, 2).tolist()
    return joined(Stretch(start_s + a * frame_s, start_s + b * frame_s) for a, b in runs)


def joined(found: Iterable[Stretch], *, gap_s: float = JOINED_S) -> list[Stretch]:
    """Stretches in order of time, those that overlap or are at most `gap_s` apart made one."""
    made: list[Stretch] = []
    for each in sorted(found, key=lambda stretch: (stretch.start_s, stretch.end_s)):
        if made and each.start_s - made[-1].end_s <= gap_s:
            made[-1] = replace(made[-1], end_s=max(made[-1].end_s, each.end_s))
        else:
            made.append(each)
    return made
