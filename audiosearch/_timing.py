"""Where the time went, how fast a run goes, and how long it will still take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

_RATE_OVER_S = 10.0


class Stopwatch:
    """Adds up seconds by stage; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block towards stage `name`, however it ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Count `seconds` towards `stage`."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by stage, in the order in which the stages first ended."""
        with self._lock:
            return MappingProxyType(dict(self._seconds))


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
