"""One writer at a time: a lock file beside the database, and the holder's process id.

The operating system drops the lock when its holder dies, however it dies, so a lock never has to
be broken by hand. The id stands in a file of its own, since opening a lock file may empty it; it
only serves the message. Knows nothing of the database.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from audiosearch.errors import LibraryLocked, StorageFull, StoreError

PATIENCE_S = 2.0  # others hold it for a moment only, to make or migrate a library


class WriterLock:
    """The right to write to the library in `data_dir`; a context manager, not reentrant."""

    def __init__(self, data_dir: Path, *, patience_s: float = PATIENCE_S) -> None:
        # Imported here: it loads asyncio, which commands that only read should not pay for.
        from filelock import FileLock  # noqa: PLC0415

        self._data_dir = data_dir
        self._pid_file = data_dir / "writer.pid"
        self._lock = FileLock(data_dir / "writer.lock", timeout=patience_s, thread_local=False)

    def acquire(self) -> None:
        """Take the lock, waiting no longer than a short job of another program takes.

        Raises:
            LibraryLocked: another process, or another part of this one, has it; names its pid.
            StorageFull: there is no room for the lock file.
            StoreError: the folder cannot be written to.
        """
        from filelock import Timeout  # noqa: PLC0415

        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
        except Timeout:
            raise LibraryLocked(
                f"another process is writing to the library ({self._holder()})",
                path=self._data_dir,
                remedy="wait until it has finished, or stop it",
            ) from None
        except OSError as error:
            self._lock.release()
            kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
            raise kind(error.strerror or str(error), path=self._data_dir) from error

    def _holder(self) -> str:
        try:
            return f"pid {int(self._pid_file.read_text(encoding='ascii'))}"
        except (OSError, ValueError):
            return "pid unknown"

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            self._pid_file.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
