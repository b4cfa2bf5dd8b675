"""Paths that something happened to, until they are at rest. Pure: no clock, no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple


class Facts(NamedTuple):
    """What a path looks like; a path that is not there has none."""

    is_folder: bool
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Settled:
    """Paths that may be looked at, in ascending order."""

    there: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()


@dataclass
class _Waiting:
    since: float  # when it was last seen to change
    facts: Facts | None  # as it was then
    rest_s: float  # how long it must not change


class Debouncer:
    """The paths of one root that are not at rest; times are seconds of any steady clock.

    A path is at rest when nothing has happened to it for `settle_s` (longer for those that
    `Growing` knows) and it looks as it did at the beginning of that time. So a file that is being
    copied in waits for its last block, a burst of events on one path becomes one look, and of a
    temporary file that was renamed in the end only the last name remains. Paths that are gone wait
    for each other: how much of a folder is gone can be judged only when all of it is.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._waiting: dict[bytes, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def on_event(
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

    def take_settled(self, *, now: float, stat: Callable[[bytes], Facts | None]) -> Settled:
        """The paths that have come to rest, which are forgotten here.

        Args:
            now: the time.
            stat: tells what a path looks like at this moment.
        """
        there: list[bytes] = []
        gone: list[bytes] = []
        for path, waiting in self._waiting.items():
            if self._fresh(waiting, now):
                continue
            facts = stat(path)
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
        return Settled(there=tuple(sorted(there)), gone=tuple(sorted(gone)))

    def _fresh(self, waiting: _Waiting, now: float) -> bool:
        return now - waiting.since < waiting.rest_s


LONGEST_S: Final = 300.0  # that a file is made to wait, unless the settings ask for more
_FORGET_S: Final = 2 * LONGEST_S  # without anything happening to it; then it is as any other


@dataclass
class _LastIndexed:
    wait_s: float  # before it may be indexed again
    at: float  # when it was indexed, or last seen to be written to


class Growing:
    """Files that may still grow, such as a recorder's; times are seconds of any steady clock.

    How long one must rest before it is indexed again doubles each time that this came too early, so
    a file that is written to for hours is indexed a few times, and once more when it is done.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._longest_s = max(LONGEST_S, settle_s)
        self._indexed: dict[
            bytes, _LastIndexed
        ] = {}  # those that nothing has happened to longest first

    def indexed(self, paths: Iterable[bytes], *, now: float) -> None:
        """These files have been read: if they change soon, that was too early."""
        self._forget(now)
        for path in paths:
            before = self._indexed.pop(path, None)
            waited_s = self._settle_s if before is None else before.wait_s
            self._indexed[path] = _LastIndexed(min(2 * waited_s, self._longest_s), now)

    def touched(self, path: bytes, *, now: float) -> float:
        """Something happened to a path; for how many seconds it has to rest from now on."""
        self._forget(now)
        last = self._indexed.pop(path, None)
        if last is None:
            return self._settle_s
        last.at = now
        self._indexed[path] = last
        return last.wait_s

    def waits(self, *, now: float) -> Mapping[bytes, float]:
        """For how many seconds files have to rest, by path, where that is longer than usual."""
        self._forget(now)
        return {path: last.wait_s for path, last in self._indexed.items()}

    def _forget(self, now: float) -> None:
        while self._indexed:
            path, last = next(iter(self._indexed.items()))
            if now - last.at < max(_FORGET_S, 2 * last.wait_s):
                return
            del self._indexed[path]
