"""Windows of a long recording put together with the sound around them, to be encoded as one.

Overlapping windows hear each second twice; an encoder that looks at its surroundings alone can
hear it once. Knows neither files nor models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiosearch._typing import Floats
from audiosearch.audio.windows import Window

WINDOWS = 16  # together: 90 s at half a window's hop, which the caches of a core still hold
MAX_HOP = 0.75  # of a window; farther apart, there is hardly any sound that two of them share


@dataclass(frozen=True, eq=False)
class SharedStretch:
    """The sound of some windows that follow each other, and what is around them.

    Attributes:
        start: its first sample, counted from the start of the recording; on the grid.
        samples: (n,) mono.
        last: position of its last window.
    """

    start: int
    samples: Floats
    last: int


def in_stretches(found: Iterable[Window], *, step: int, halo: int) -> Iterator[Window]:
    """Windows, in order from the first, as they come but with the stretch that each is part of.

    A recording of one window is left as it is. It holds the windows of one stretch and one more.

    Args:
        found: the windows.
        step: samples from frame to frame of what encodes them; stretches begin at multiples of it.
        halo: frames that a stretch has more than its windows on either side, where there is sound.
    """
    group: list[Window] = []
    before: Floats = np.empty(0, np.float32)  # the sound in front of the group
    for window in found:
        if len(group) == WINDOWS:
            yield from _joined(group, before, window, step, halo)
            sound = _sound(group, before)
            n_ahead = window.start - group[0].start + len(before)
            before = sound[max(0, n_ahead - (halo + 1) * step) : n_ahead].copy()
            group = []
        group.append(window)
    if len(group) > 1 or len(before):
        yield from _joined(group, before, None, step, halo)
    else:
        yield from group


def _sound(group: Sequence[Window], before: Floats) -> Floats:
    """`before` and all that the windows hold, each sample once."""
    parts = [before]
    heard = group[0].start
    for window in group:
        start = window.start
        parts.append(window.samples[heard - start :])
        heard = start + len(window.samples)
    return np.concatenate(parts)


def _joined(
    group: Sequence[Window], before: Floats, after: Window | None, step: int, halo: int
) -> Iterator[Window]:
    sound = _sound(group, before)
    first = group[0].start
    begin = first - len(before)
    start = max(0, first // step - halo) * step
    start = max(start, -(-begin // step) * step)
    if after is not None:
        end = group[-1].start + len(group[-1].samples)
        seen = end - after.start
        ahead = after.samples[seen : seen + halo * step]
        sound = np.concatenate((sound, ahead))
    samples = sound[start - begin :]
    stretch = SharedStretch(start, samples, group[-1].position)
    for window in group:
        at = window.start - start
        # A view: the stretch is what is kept.
        own = samples[at : at + len(window.samples)] if at >= 0 else window.samples
        yield replace(window, samples=own, stretch=stretch)
