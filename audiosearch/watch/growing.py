"""Files that were written to again soon after they were heard: a recorder's, while it runs.

In: paths that were heard, and the time. Out: how long each must rest before it is heard again. The
wait doubles with every hearing that came too early, so a file that is written to for hours is heard
a few times and then once more when it is done. A file that is left alone is forgotten.

Pure: it holds no clock and looks at no disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 300.0  # that a file is made to wait, unless the settings ask for more
_FORGET_S: Final = 2 * LONGEST_S  # without anything happening to it; then it is as any other


@dataclass
class _Heard:
    wait_s: float  # before it may be heard again
    at: float  # when it was heard, or last seen to be written to


class Growing:
    """Files that may still grow; times are seconds of any steady clock."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._longest_s = max(LONGEST_S, settle_s)
        self._heard: dict[bytes, _Heard] = {}  # those that nothing has happened to longest first

    def heard(self, paths: Iterable[bytes], *, now: float) -> None:
        """These files have been read: if they change soon, that was too early."""
        self._forget(now)
        for path in paths:
            before = self._heard.pop(path, None)
            waited_s = self._settle_s if before is None else before.wait_s
            self._heard[path] = _Heard(min(2 * waited_s, self._longest_s), now)

    def touched(self, path: bytes, *, now: float) -> float:
        """Something happened to a path; for how many seconds it has to rest from now on."""
        self._forget(now)
        heard = self._heard.pop(path, None)
        if heard is None:
            return self._settle_s
        heard.at = now
        self._heard[path] = heard
        return heard.wait_s

    def waits(self, *, now: float) -> Mapping[bytes, float]:
        """For how many seconds files have to rest, by path, where that is longer than usual."""
        self._forget(now)
        return {path: heard.wait_s for path, heard in self._heard.items()}

    def _forget(self, now: float) -> None:
        while self._heard:
            path, heard = next(iter(self._heard.items()))
            if now - heard.at < max(_FORGET_S, 2 * heard.wait_s):
                return
            del self._heard[path]
