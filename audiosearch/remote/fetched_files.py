"""Files fetched from stores, for as long as they are read: in a private folder of this process.

It lies in the temporary folder (`TMPDIR` moves it). A process holds a lock beside its folder; what
one that was killed left behind has none, and goes when the next process fetches something.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosearch._files import PRIVATE_FILE, make_private_folder
from audiosearch._urls import store_of
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError, RemoteUnavailable
from audiosearch.remote.object_store import ObjectStore, RemoteStat

_LONGEST_NAME: Final = 200  # bytes; its end is kept, which has the ending
_SPARE: Final = 64 << 20  # bytes that are left free beside what is fetched
_YOUNG_S: Final = 60.0  # a lock that was made just now may not be held yet
_FAILURES: Final = 3  # of a store, one after the other, before it is left alone
_REST_S: Final = 30.0  # for so long
_ROOM: Final = "make room, or set TMPDIR to a larger folder"
_REMEMBERED_S: Final = 5.0  # whether there is anything at a URL


@dataclass(frozen=True)
class FetchedFile:
    """A file that is a copy of one in a store; its time is that of the other."""

    url: bytes
    path: bytes
    stat: RemoteStat

    def remove(self) -> None:
        """Remove it, and the folder that it has for itself."""
        shutil.rmtree(os.path.dirname(self.path), ignore_errors=True)  # noqa: PTH120 - bytes


class HeldFile:
    """The copy of one remote file at a time, for a reader that asks for it more than once."""

    def __init__(self) -> None:
        self._file: FetchedFile | None = None

    def of(self, url: bytes, *, check: Callable[[], None] = lambda: None) -> FetchedFile:
        """A copy of a file as it is now; raises as `fetch` does."""
        held = self._file
        if held is not None and (held.url != url or remote_stat(url) != held.stat):
            self.let_go()
        if self._file is None:
            self._file = fetch(url, check=check)
        return self._file

    def let_go(self) -> None:
        """Remove the copy."""
        held, self._file = self._file, None
        if held is not None:
            held.remove()


def fetch(url: bytes, *, check: Callable[[], None], folder: Path | None = None) -> FetchedFile:
    """Copy a file here, under the name that it has there.

    Args:
        url: where it lies.
        check: may raise, to end it early.
        folder: where to; None: that of this process.

    Raises:
        DecodeError: AWAY, the store cannot be reached now or there is no room here; UNREADABLE,
            there is no such file, or no right to read it; CHANGED while it was fetched.
        FeatureUnavailable: what reaches such stores is not installed.
    """
    store = ObjectStore(url)
    _health.check(url)
    place = (folder or process_folder()) / secrets.token_hex(8)
    path = place / _file_name(url)
    try:
        with _as_decoding(url):
            size = store.stat(url).size
            make_private_folder(place)
            _check_room(place, size, url)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as target:
                found = store.copy(url, target, check=check)
            os.utime(path, ns=(found.mtime_ns, found.mtime_ns))
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return FetchedFile(url, os.fsencode(path), found)


def remote_stat(url: bytes) -> RemoteStat:
    """What a store says of the file at a URL.

    Raises:
        DecodeError: as of `fetch`.
        FeatureUnavailable: as of `fetch`.
    """
    with _as_decoding(url):
        return ObjectStore(url).stat(url)


def is_there_remotely(url: bytes) -> bool:
    """Whether a store says that there is such a file.

    Raises:
        DecodeError: as of `fetch`, but that there is none.
        FeatureUnavailable: as of `fetch`.
    """
    try:
        ObjectStore(url).stat(url)
    except FileNotFoundError:
        return False
    except RemoteUnavailable as error:
        raise DecodeError(
            error.reason, code=DecodeCode.AWAY, path=url, remedy=error.remedy
        ) from None
    return True


def is_gone_remotely(url: bytes) -> bool:
    """Whether a store says that there is no such file; False where it cannot be asked."""
    try:
        ObjectStore(url).stat(url)
    except FileNotFoundError:
        return True
    except AudiosearchError:
        return False
    return False


def is_absent_remotely(url: bytes) -> bool:
    """Whether nothing is at a URL or below it, or nothing can be learnt about it just now.

    Remembered for some seconds: it is asked for each file of a store that is away.
    """
    return _absent(url, int(time.monotonic() / _REMEMBERED_S))


@functools.lru_cache(maxsize=16)
def _absent(url: bytes, _while: int) -> bool:
    try:
        return ObjectStore(url).is_empty()
    except AudiosearchError:
        return True


class _Health:
    """Which stores are not there: not every one of their files is to wait for its own time-out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: dict[bytes, tuple[int, float]] = {}  # times in a row, and when last

    def check(self, url: bytes) -> None:
        n_failed, at = self._failed.get(store_of(url), (0, 0.0))
        if n_failed >= _FAILURES and time.monotonic() - at < _REST_S:
            reason = f"{store_of(url).decode('utf-8', 'replace')} could not be reached just now"
            raise DecodeError(reason, code=DecodeCode.AWAY, path=url)

    def reached(self, url: bytes) -> None:
        with self._lock:
            self._failed.pop(store_of(url), None)

    def forget(self) -> None:
        with self._lock:
            self._failed.clear()

    def failed(self, url: bytes) -> None:
        with self._lock:
            n_failed, _ = self._failed.get(store_of(url), (0, 0.0))
            self._failed[store_of(url)] = (n_failed + 1, time.monotonic())


_health = _Health()


def forget_stores() -> None:
    """Ask every store again, whatever was learnt of it lately."""
    _health.forget()
    _absent.cache_clear()


@contextlib.contextmanager
def _as_decoding(url: bytes) -> Iterator[None]:
    """What a store answers about a file, as what reading a file raises."""
    try:
        yield
    except FileNotFoundError:
        _health.reached(url)
        reason = "there is no such file in its store"
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=url) from None
    except RemoteUnavailable as error:
        if error.denied:
            _health.reached(url)
        else:
            _health.failed(url)
        code = DecodeCode.UNREADABLE if error.denied else DecodeCode.AWAY
        raise DecodeError(error.reason, code=code, path=url, remedy=error.remedy) from None
    except OSError as error:
        reason = f"it cannot be kept here while it is read: {error.strerror or error}"
        raise DecodeError(reason, code=DecodeCode.AWAY, path=url, remedy=_ROOM) from None
    else:
        _health.reached(url)


def _check_room(folder: Path, size: int, url: bytes) -> None:
    if shutil.disk_usage(folder).free < size + _SPARE:
        reason = f"no room for its {size / 1e6:,.0f} MB in {folder.parent}"
        raise DecodeError(reason, code=DecodeCode.AWAY, path=url, remedy=_ROOM)


def _file_name(url: bytes) -> str:
    name = url.rpartition(b"/")[2][-_LONGEST_NAME:]
    if os.name == "nt":
        name = name.translate(bytes.maketrans(b'<>:"|?*\\', b"________"))
    return os.fsdecode(name)


_folder_lock = threading.Lock()
_folders: dict[int, Path] = {}  # by process: a copy of this one, forked, has its own


def process_folder() -> Path:
    """The folder of this process, made at the first call; it goes with the process.

    Raises:
        DecodeError: AWAY, it cannot be made, or the folder around is another user's.
    """
    with _folder_lock:
        if os.getpid() not in _folders:
            try:
                _folders[os.getpid()] = _made_folder()
            except OSError as error:
                reason = f"fetched files cannot be kept here: {error.strerror or error}"
                raise DecodeError(
                    reason, code=DecodeCode.AWAY, path=error.filename, remedy=_ROOM
                ) from None
        return _folders[os.getpid()]


def _made_folder() -> Path:
    from filelock import FileLock  # noqa: PLC0415 - for URLs alone

    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    above = Path(tempfile.gettempdir()) / f"audiosearch-fetched-{owner}"
    make_private_folder(above)
    if hasattr(os, "getuid"):
        facts = above.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != owner or facts.st_mode & 0o077:
            raise PermissionError(0, "is another user's, or open to others", str(above))
    sweep(above)
    name = secrets.token_hex(8)
    lock = FileLock(above / f"{name}.lock", mode=PRIVATE_FILE)
    lock.acquire(timeout=10)
    folder = above / name
    folder.mkdir(mode=0o700)

    def remove(maker: int = os.getpid()) -> None:
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    atexit.register(remove)
    return folder


def sweep(above: Path) -> None:
    """Remove the folders of processes that have ended without doing so."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - for URLs alone

    for file in above.glob("*.lock"):
        with contextlib.suppress(OSError, Timeout):
            if time.time() - file.stat().st_mtime < _YOUNG_S:
                continue
            with FileLock(file, timeout=0):
                shutil.rmtree(file.with_suffix(""), ignore_errors=True)
                file.unlink(missing_ok=True)
