"""Where inside a window a query is heard: from how well its words fit short slices of the frames.

Pure; in go lifts of words, out come stretches in seconds. The words that tell what is heard (`dog`,
`bell`) rise by several nats in the slices that hold the sound and fall outside, sentences do less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from audiosearch._typing import Bools, Floats

SLICE = 3  # frames that are listened to at a time, about a second
KEY = 1.0  # nats that a word must rise by somewhere to tell anything of the place
KEY_SHARE = 0.6  # of the strongest word's rise, which others must reach to count
ACTIVE = 0.65  # of a word's greatest lift: from there on it is heard
JOINED_S = 2.0  # stretches less than this apart are one moment


@dataclass(frozen=True)
class Stretch:
    """A part of a window, or of a recording, in seconds."""

    start_s: float
    end_s: float


def active_frames(lifts: Floats, *, telling: Bools) -> Bools:
    """Which frames (T,) of a window hold what the words say.

    Where the words that tell of the place agree on one, it is that. Where they do not, as those of
    "a bell rings and then someone knocks", it is all from the first to the last.

    Args:
        lifts: (T - SLICE + 1, n_words + 1) of each word and the end, for each slice of `SLICE`
            frames.
        telling: (n_words,) words that may tell of the place.
    """
    n_frames = len(lifts) + SLICE - 1
    words = lifts[:, : len(telling)][:, telling]
    greatest = words.max(axis=0, initial=-np.inf)
    top = greatest.max(initial=-np.inf)
    if top < KEY:  # no word alone tells: what all together say
        whole = lifts.mean(axis=1)
        return _heard(whole, whole.max() - max(0.5 * abs(float(whole.max())), 0.25), n_frames)
    keys = words[:, greatest >= max(KEY, KEY_SHARE * top)]
    by_word = np.stack([_heard(each, ACTIVE * each.max(), n_frames) for each in keys.T])
    together: Bools = np.logical_and.reduce(by_word)
    if together.any():
        return np.asarray(together)
    found = np.flatnonzero(by_word.any(axis=0))
    hull = np.zeros(n_frames, np.bool_)
    hull[found[0] : found[-1] + 1] = True
    return hull


def _heard(lifts: Floats, least: float, n_frames: int) -> Bools:
    """Frames (T,) of which the slices around them reach `least` on average."""
    total, count = np.zeros(n_frames), np.zeros(n_frames)
    for offset in range(SLICE):
        total[offset : offset + len(lifts)] += lifts
        count[offset : offset + len(lifts)] += 1
    mean = total / count
    heard: Bools = mean >= min(least, mean.max())
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
