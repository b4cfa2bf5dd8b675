"""Copies of remote files that are played or looked at: in a folder of bounded size.

They can be fetched again: nothing checks them, nothing backs them up. What was used longest ago
goes first; a single file may be larger than the bound, and goes when another one comes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Final

from audiosearch._files import make_private_folder
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.remote.fetched_files import fetch
from audiosearch.remote.object_store import RemoteStat

FOLDER: Final = "fetched"  # in a library's data folder
MAX_BYTES: Final = 1 << 30
_STALE_S: Final = 86_400.0  # what a killed process left half fetched
_UNFINISHED: Final = "unfinished"


class FetchedCache:
    """Copies by URL and version; safe to use from several threads and processes."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def path_of(self, url: bytes, wanted: RemoteStat) -> bytes:
        """A copy of the version of a file that is wanted; it has its size and time.

        Raises:
            DecodeError: CHANGED, there is another version by now; others as of `fetch`.
            FeatureUnavailable: as of `fetch`.
        """
        name = hashlib.sha256(repr((url, tuple(wanted))).encode()).hexdigest()[:32]
        with _lock_of(self._folder / name):
            found = self._found(name, wanted)
            if found is None:
                found = self._fetched(name, url, wanted)
                self._sweep(keep=name)
        return os.fsencode(found)

    def _found(self, name: str, wanted: RemoteStat) -> Path | None:
        folder = self._folder / name
        with contextlib.suppress(OSError, StopIteration):
            file = next(folder.iterdir())
            facts = file.stat()
            if (facts.st_size, facts.st_mtime_ns) == (wanted.size, wanted.mtime_ns):
                os.utime(folder)  # it was used now
                return file
        return None

    def _fetched(self, name: str, url: bytes, wanted: RemoteStat) -> Path:
        unfinished = self._folder / _UNFINISHED
        make_private_folder(unfinished)
        copy = fetch(url, check=lambda: None, folder=unfinished)
        if copy.stat != wanted:
            copy.remove()
            raise DecodeError(
                "has changed since the library heard it",
                code=DecodeCode.CHANGED,
                path=url,
                remedy="audiosearch index takes it in",
            )
        fetched, target = Path(os.fsdecode(copy.path)), self._folder / name
        shutil.rmtree(target, ignore_errors=True)  # of another form than is wanted
        with contextlib.suppress(OSError):  # another process was first
            fetched.parent.rename(target)
        shutil.rmtree(fetched.parent, ignore_errors=True)
        return target / fetched.name

    def _sweep(self, *, keep: str) -> None:
        """Remove what was used longest ago until there is room, and what was left half fetched."""
        kept: list[tuple[float, int, Path]] = []
        total = 0
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if folder.name == _UNFINISHED:
                    for old in folder.iterdir():
                        if time.time() - old.stat().st_mtime > _STALE_S:
                            shutil.rmtree(old, ignore_errors=True)
                    continue
                size = sum(file.stat().st_size for file in folder.iterdir())
                total += size
                if folder.name != keep:
                    kept.append((folder.stat().st_mtime, size, folder))
        for _, size, folder in sorted(kept):
            if total <= self._max_bytes:
                return
            shutil.rmtree(folder, ignore_errors=True)  # an open file can be read to its end
            total -= size


_locks: dict[Path, threading.Lock] = {}
_locks_lock = threading.Lock()


def _lock_of(place: Path) -> threading.Lock:
    """One lock a copy: what several requests want at once is fetched once."""
    with _locks_lock:
        return _locks.setdefault(place, threading.Lock())
