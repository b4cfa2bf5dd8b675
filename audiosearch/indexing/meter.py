"""How fast a run goes, and how long it will still take. Pure: the clock is given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_RATE_OVER_S = 10.0


class Meter:
    """Seconds of sound a second over the last moments; `sound_s` tells how much was heard."""

    def __init__(
        self, sound_s: Callable[[], float], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sound_s = sound_s
        self._clock = clock
        self._marks: deque[tuple[float, float]] = deque([(clock(), 0.0)])

    def rate(self) -> float:
        """The rate up to now; each call leaves a mark to measure the next from."""
        now, sound_s = self._clock(), self._sound_s()
        self._marks.append((now, sound_s))
        while len(self._marks) > 2 and self._marks[1][0] <= now - _RATE_OVER_S:
            self._marks.popleft()
        then, before_s = self._marks[0]
        return (sound_s - before_s) / max(now - then, 1e-6)


def time_left_s(*, n_done: float, n_total: int, elapsed_s: float) -> float | None:
    """Seconds until all files are done, if the rest take as long as those done; None at first.

    `n_done` counts files under way by the part of them that is done.
    """
    if n_done <= 0 or elapsed_s <= 0:
        return None
    return max(0.0, n_total - n_done) * elapsed_s / n_done
