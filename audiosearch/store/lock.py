"""One writer at a time: a lock file beside the database, and the holder's process id.

Every writer takes it, `index` and the daemon alike. The operating system drops the lock when its
holder dies, however it dies, so it never has to be broken by hand.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from audiosearch._files import PRIVATE_FILE, atomic_write, make_private_folder
from audiosearch.errors import LibraryLocked, StorageFull, StoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

COPY_REMEDY: Final = (
    "nothing can be written to its folder: copy that to where you may write, and set"
    " AUDIOSEARCH_DATA_DIR to the copy"
)
log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 2.0  # others hold it for a moment only, to make or migrate a library
TURN_S = 60.0  # in all, for one that gives way after the batch in hand
_GIVES_WAY = "gives way"
_TRIES = 10  # to mark a question, a millisecond apart


class WriterLock:
    """The right to write to the library in `data_dir`; a context manager, not reentrant.

    Whoever waits stands in line, a second lock, so that a holder with work for hours can see it
    (`has_waiters`) and give way: it lets go, goes to the end of the line, and goes on afterwards.
    With `yields_to_waiters` it promises to look every few seconds, says so in its file, and is
    waited for longer than others. Without patience, nobody is asked to give way.

    The process id stands in a file of its own, since opening a lock file may empty it; it only
    serves the message.
    """

    name = "writer"
    taken_message = "another process is writing to the library"
    remedy = "wait until it has finished, or stop it"

    def __init__(
        self,
        data_dir: Path,
        *,
        patience_s: float = LOCK_TIMEOUT_S,
        turn_s: float | None = None,
        yields_to_waiters: bool = False,
        make_folder: bool = True,
    ) -> None:
        # Imported here: it loads asyncio, which commands that only read should not pay for.
        from filelock import FileLock  # noqa: PLC0415

        self._data_dir = data_dir
        self._patience_s = patience_s
        self._turn_s = TURN_S if turn_s is None else turn_s
        self._yields_to_waiters = yields_to_waiters
        self._make_folder = make_folder
        self._pid_file = data_dir / f"{self.name}.pid"
        # Whoever can open such a file can hold the lock: nobody but its owner.
        self._lock = FileLock(data_dir / f"{self.name}.lock", mode=PRIVATE_FILE, thread_local=False)
        self._line = FileLock(data_dir / f"{self.name}.line", mode=PRIVATE_FILE, thread_local=False)

    def acquire(self) -> None:
        """Take the lock, waiting no longer than a short job of another program takes.

        Raises:
            LibraryLocked: another process, or another part of this one, has it; names its pid.
            StorageFull: there is no room for the lock file.
            StoreError: the folder cannot be written to.
        """
        from filelock import Timeout  # noqa: PLC0415

        try:
            if self._make_folder:
                make_private_folder(self._data_dir)
            elif not self._data_dir.is_dir():  # which the lock would make, too
                raise StoreError("the library's folder is gone", path=self._data_dir)
            if self._patience_s > 0:
                self._queue_for_lock()
            else:
                self._lock.acquire(timeout=0)
            said = f"{os.getpid()} {_GIVES_WAY}" if self._yields_to_waiters else str(os.getpid())
            with atomic_write(self._pid_file, mode=PRIVATE_FILE) as file:
                file.write(f"{said}\n".encode("ascii"))
        except Timeout:
            raise LibraryLocked(
                f"{self.taken_message} ({self._holder()})",
                path=self._data_dir,
                remedy=self.remedy,
            ) from None
        except OSError as error:
            self._lock.release()
            kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
            may_not = error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
            raise kind(
                error.strerror or str(error),
                path=self._data_dir,
                remedy=COPY_REMEDY if may_not else None,
            ) from error

    def _queue_for_lock(self) -> None:
        """Wait for those before us, then for the holder.

        Raises:
            Timeout: of `filelock`: patience has ended.
        """
        self._wait_for(self._line)
        try:
            self._wait_for(self._lock)
        finally:
            self._line.release()

    def _wait_for(self, lock: BaseFileLock) -> None:
        from filelock import Timeout  # noqa: PLC0415

        try:
            lock.acquire(timeout=self._patience_s)
        except Timeout:
            if self._yields_to_waiters or not self._holder_yields():
                raise
            log.warning(
                "waiting: %s, which soon lets others (%s)", self.taken_message, self._holder()
            )
            lock.acquire(timeout=self._turn_s)

    def has_waiters(self) -> bool:
        """Whether another process, or another part of this one, waits for the lock held here."""
        from filelock import Timeout  # noqa: PLC0415

        try:
            if not self._data_dir.is_dir():
                return False
            with self._line.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a disk that is full or gone is met by whoever writes
            return False

    def _holder_yields(self) -> bool:
        try:
            return _GIVES_WAY in self._pid_file.read_text(encoding="ascii")
        except (OSError, ValueError):
            return False

    def _holder(self) -> str:
        pid = self.pid()
        return "pid unknown" if pid is None else f"pid {pid}"

    def pid(self) -> int | None:
        """The process that holds it, or held it last, as far as it is written down."""
        try:
            return int(self._pid_file.read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            # Another folder may have taken the place of ours, with a holder of its own.
            if self.pid() == os.getpid():
                with suppress(OSError):  # left behind in a folder that was made read-only
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


class IndexerLock(WriterLock):
    """The right to keep the library in step with its folders."""

    name = "indexer"
    taken_message = "another process keeps the library up to date"
    remedy = "audiosearch status tells how far it is; new folders: audiosearch roots add FOLDER"


def indexer_pid(data_dir: Path) -> int | None:
    """The process that keeps the library up to date at this moment, 0 if it is not known which.

    None when there is none: a lock whose holder died is free.
    """
    return _holder_of(IndexerLock(data_dir, patience_s=0.0), data_dir)


def writer_pid(data_dir: Path) -> int | None:
    """The process that writes to the library at this moment, 0 if it is not known which."""
    lock = WriterLock(data_dir, patience_s=0.0)
    # Its holder's own file, without which nobody has it: the lock is not even tried.
    return None if lock.pid() is None else _holder_of(lock, data_dir)


def _holder_of(lock: WriterLock, data_dir: Path) -> int | None:
    if not (data_dir / f"{lock.name}.lock").exists():
        return None
    try:
        with lock:
            return None
    except LibraryLocked:
        return lock.pid() or 0
    except StoreError:  # a folder that cannot be written to has no process of ours
        return None


class QuestionMark:
    """Tells others that a question about the library is worked on, by a lock file beside it.

    Held by servers, and by commands that answer by themselves, for as long as they have one in
    hand, by several at the same time where locks can be shared; `index` looks (`is_held`), and lets
    it go first. Nothing depends on it: where it cannot be held, nobody gives way.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "questions.lock"
        self._held: int | None = None  # its descriptor

    def hold(self) -> None:
        """Hold it, once somebody has looked: a question makes no file."""
        if self._held is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR)
        except OSError:
            return
        with suppress(OSError):
            for _ in range(_TRIES):  # whoever looks holds it for a moment, too
                if _lock(file, shared=True):
                    self._held = file
                    return
                time.sleep(0.001)
        os.close(file)

    def let_go(self) -> None:
        """Let go of it; harmless where it is not held."""
        if self._held is not None:
            file, self._held = self._held, None
            with suppress(OSError):
                os.close(file)

    def is_held(self) -> bool:
        """Whether any process, or another part of this one, holds it."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError:
            return False
        try:
            return not _lock(file, shared=False)
        except OSError:
            return False
        finally:
            os.close(file)  # which unlocks it


def _lock(file: int, *, shared: bool) -> bool:
    """Lock a file until its descriptor is closed; whether that is possible now.

    Raises:
        OSError: its file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - Windows has it, and no shared locks

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - Windows has none

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True
