"""Files that can be made again, in a folder of bounded size: what was used longest ago goes.

It belongs to no library's content: nothing checks it, nothing backs it up, and whoever deletes the
folder loses time alone.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Final

from audiosearch._files import PRIVATE_FILE, SUFFIX, atomic_write, make_private_folder

MAX_BYTES: Final = 256 << 20
_HEAD: Final = struct.Struct("<8sIQ")  # magic, CRC-32 of the content, its length
_MAGIC: Final = b"AUSEFC1\n"
_ENDING: Final = ".cached"
_NAME: Final = re.compile(r"[0-9a-zA-Z_-]{1,200}")
_ROOM: Final = 0.9  # of the bound that is left filled by a sweep
_SWEEP_EVERY: Final = 0.05  # of the bound that is written between two sweeps
_TOUCH_S: Final = 600.0  # a use is written down so often, not each time
_STALE_S: Final = 86_400.0  # what a killed process left


class FileCache:
    """Contents by name; safe to use from several threads and processes."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._written = max_bytes  # so that the first is followed by a sweep

    def find(self, name: str) -> bytes | None:
        """The content of a name; None where it is not there, or not whole."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD.size)
                content = file.read()
                used_s = os.fstat(file.fileno()).st_mtime
            if len(head) < _HEAD.size:
                return None
            magic, checksum, length = _HEAD.unpack(head)
            if magic != _MAGIC or length != len(content) or zlib.crc32(content) != checksum:
                return None
            if time.time() - used_s > _TOUCH_S:
                os.utime(path)
        except OSError:
            return None
        return content

    def keep(self, name: str, content: bytes) -> None:
        """Keep a content for later; where it cannot be written, it is not kept."""
        if len(content) + _HEAD.size > self._max_bytes:
            return
        path = self._path(name)
        head = _HEAD.pack(_MAGIC, zlib.crc32(content), len(content))
        try:
            make_private_folder(self.folder)
            with atomic_write(path, shared=True, mode=PRIVATE_FILE) as file:
                file.write(head)
                file.write(content)
        except OSError:  # a full disk, or a folder we may not write to: it is a convenience
            return
        with self._lock:
            self._written += len(content)
            is_time = self._written >= self._max_bytes * _SWEEP_EVERY
            if is_time:
                self._written = 0
        if is_time:
            self._sweep()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a cached file")
        return self.folder / f"{name}{_ENDING}"

    def _sweep(self) -> None:
        """Remove what was used longest ago until there is room."""
        found: list[tuple[float, int, Path]] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    path = Path(entry.path)
                    if entry.name.endswith(SUFFIX) and time.time() - stat.st_mtime > _STALE_S:
                        path.unlink(missing_ok=True)
                    elif entry.name.endswith(_ENDING):
                        found.append((stat.st_mtime, stat.st_size, path))
        except OSError:
            return
        total = sum(size for _, size, _ in found)
        if total <= self._max_bytes:
            return
        for _, size, path in sorted(found):
            if total <= self._max_bytes * _ROOM:
                return
            try:
                path.unlink(missing_ok=True)
            except OSError:  # in use, where the system holds on to open files
                continue
            total -= size
