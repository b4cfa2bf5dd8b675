"""Paths that something happened to, until they rest.

In: paths with what was seen of each, and the time. Out: paths that may be looked at, because
nothing has happened to them for `settle_s` seconds (longer for those that are known to grow) and
they look as they did at the beginning of that time. So a file that is being copied in waits for its
last block, a burst of events on one path becomes one look, and of a temporary file that was renamed
in the end only the last name remains.

Paths that are gone wait for each other: only when nothing more has vanished for a while are they
given out, all at once. How much of a folder is gone can be judged only when all of it is.

Pure: it holds no clock and looks at no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Facts(NamedTuple):
    """What a path looks like; a path that is not there has none."""

    is_folder: bool
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Rested:
    """Paths that may be looked at, in ascending order."""

    there: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()


@dataclass
class _Waiting:
    since: float  # when it was last seen to change
    facts: Facts | None  # as it was then
    rest_s: float  # how long it must not change


class Settling:
    """The paths of one root that have not come to rest; times are seconds of any steady clock."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._waiting: dict[bytes, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def touch(
        self, path: bytes, *, facts: Facts | None, now: float, rest_s: float | None = None
    ) -> None:
        """Something happened to a path, which looks like `facts` now.

        `rest_s` tells how long it has to rest, where that is not `settle_s`.
        """
        self._waiting[path] = _Waiting(now, facts, self._settle_s if rest_s is None else rest_s)

    def forget(self, paths: Iterable[bytes] | None = None) -> None:
        """Wait no longer for these paths; for none at all without any."""
        if paths is None:
            self._waiting.clear()
            return
        for path in paths:
            self._waiting.pop(path, None)

    def rested(self, *, now: float, look: Callable[[bytes], Facts | None]) -> Rested:
        """The paths that have come to rest, which are forgotten here.

        Args:
            now: the time.
            look: tells what a path looks like at this moment.
        """
        there: list[bytes] = []
        gone: list[bytes] = []
        for path, waiting in self._waiting.items():
            if self._fresh(waiting, now):
                continue
            facts = look(path)
            if facts != waiting.facts:  # it has changed, and no event told
                self._waiting[path] = _Waiting(now, facts, waiting.rest_s)
            elif facts is None:
                gone.append(path)
            else:
                there.append(path)
        if any(each.facts is None for each in self._waiting.values() if self._fresh(each, now)):
            gone = []
        self.forget(there)
        self.forget(gone)
        return Rested(there=tuple(sorted(there)), gone=tuple(sorted(gone)))

    def _fresh(self, waiting: _Waiting, now: float) -> bool:
        return now - waiting.since < waiting.rest_s
