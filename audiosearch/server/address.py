"""Where the process that answers for a library listens, and how both sides get there.

On Unix a socket of mode 0600 in a folder of mode 0700, elsewhere a port of the loopback interface
and a token; either stands in `answers/address.json` of the data folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosearch._files import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    atomic_write,
    make_private_folder,
    read_bounded,
)
from audiosearch.errors import StoreError
from audiosearch.server.codec import MalformedMessage, from_json, to_json

FOLDER: Final = "answers"
FILE: Final = "address.json"
# Linux takes 108 bytes of path, the end mark included, other systems 104.
LONGEST_PATH: Final = 103
BACKLOG: Final = 64
_TEMPORARY: Final = "audiosearch-"
_NEW_S: Final = 60.0  # so old a socket is listened at, or its process is gone
HAS_UNIX_SOCKETS: Final = hasattr(socket, "AF_UNIX")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a process listens.

    Attributes:
        path: of the Unix socket; empty for a port.
        port: of 127.0.0.1; 0 for a Unix socket.
        token: to be proved on a port; empty for a Unix socket, which its folder guards.
        pid: of the process.
    """

    path: str
    port: int
    token: str
    pid: int

    @property
    def shown(self) -> str:
        """For people."""
        return self.path or f"127.0.0.1:{self.port}"


class NoAnswer(Exception):
    """Nobody answers there; says why."""


class Refused(Exception):
    """The process there leaves a question to the command; others may still be put to it."""


def address_file(data_dir: Path) -> Path:
    """The file that tells where the process listens."""
    return data_dir / FOLDER / FILE


def read_address(data_dir: Path) -> Address:
    """Where somebody listens for this library, or did before it was killed.

    Raises:
        NoAnswer: nobody does.
    """
    file = address_file(data_dir)
    try:
        if not _is_mine(file.parent) or not _is_mine(file):
            raise NoAnswer("the daemon is another user's")
        address: Address = from_json(read_bounded(file, 1 << 16), (Address,))
    except FileNotFoundError:
        raise NoAnswer("no daemon is running") from None
    except (OSError, MalformedMessage) as error:
        raise NoAnswer(f"{file} cannot be read: {error}") from error
    return address


def connect(address: Address, *, timeout_s: float) -> socket.socket:
    """A connection to a process that listens.

    Raises:
        NoAnswer: it does no longer, or it is not this user's.
    """
    try:
        if address.port:
            return socket.create_connection(("127.0.0.1", address.port), timeout=timeout_s)
        if not HAS_UNIX_SOCKETS or not _is_mine(Path(address.path)):
            raise NoAnswer("the daemon is another user's")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(address.path)
        except BaseException:
            connection.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error) or "no word in time"
        raise NoAnswer(f"the daemon (process {address.pid}) has gone: {reason}") from error
    return connection


def prove(token: str, *, by: str, challenge: str) -> str:
    """The proof that `by` (server or command) knows a token, which does not tell it."""
    if not token:
        return ""
    import hashlib  # noqa: PLC0415 - slow to load, and without use on Unix
    import hmac  # noqa: PLC0415

    return hmac.new(token.encode(), f"{by} {challenge}".encode(), hashlib.sha256).hexdigest()


def is_proved(proof: str, token: str, *, by: str, challenge: str) -> bool:
    """Whether `proof` is that of `prove`; always where there is no token to be known."""
    if not token:
        return True
    import hmac  # noqa: PLC0415

    return hmac.compare_digest(proof.encode(), prove(token, by=by, challenge=challenge).encode())


def listen(data_dir: Path, *, unix: bool = HAS_UNIX_SOCKETS) -> tuple[socket.socket, Address]:
    """A listening socket for a library and its address, not yet announced.

    Args:
        data_dir: of the library; it exists.
        unix: by a Unix socket, else by a port.

    Raises:
        StoreError: no place for a socket was found.
    """
    private_folder(data_dir / FOLDER)
    if not unix:
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        port = int(listener.getsockname()[1])
        return listener, Address(path="", port=port, token=os.urandom(32).hex(), pid=os.getpid())
    reasons: list[str] = []
    for path in _socket_paths(data_dir):
        if len(os.fsencode(path)) > LONGEST_PATH:
            reasons.append(f"{path}: too long")
            continue
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            private_folder(path.parent)
            path.unlink(missing_ok=True)  # of a dead process that had our number
            listener.bind(str(path))
            path.chmod(PRIVATE_FILE)
            listener.listen(BACKLOG)
        except (OSError, StoreError) as error:  # a file system without sockets, say
            listener.close()
            reasons.append(f"{path}: {error}")
            continue
        _sweep(path.parent)
        return listener, Address(path=str(path), port=0, token="", pid=os.getpid())
    raise StoreError(f"no place for a socket ({'; '.join(reasons)})", path=data_dir)


def _sweep(folder: Path) -> None:
    """Remove the sockets of processes that were killed: nobody listens there any more."""
    for path in folder.glob("*.socket"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            if time.time() - path.stat().st_mtime < _NEW_S:
                continue
            asking.settimeout(0.1)
            try:
                asking.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)


def announce(data_dir: Path, address: Address) -> None:
    """Tell commands where to ask: the file appears in one piece, for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_write(address_file(data_dir), shared=True, mode=PRIVATE_FILE) as file:
        file.write(to_json(address))


def withdraw(data_dir: Path, address: Address) -> None:
    """Take the announcement and the socket away; those of a later process stay."""
    with contextlib.suppress(NoAnswer, OSError):
        if read_address(data_dir) == address:
            address_file(data_dir).unlink()
    if address.path:
        with contextlib.suppress(OSError):
            Path(address.path).unlink()
            if (folder := Path(address.path).parent).name.startswith(_TEMPORARY):
                folder.rmdir()


def _socket_paths(data_dir: Path) -> Iterator[Path]:
    """Where a socket may be, the best place first."""
    yield data_dir / FOLDER / f"{os.getpid()}.socket"
    # A long path of the library, or a file system that holds no sockets.
    import hashlib  # noqa: PLC0415 - only servers come here
    import tempfile  # noqa: PLC0415

    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    file = f"{name}-{os.getpid()}.socket"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "audiosearch" / file
    # A name that can be foretold would let another user make the folder first, and keep us out.
    made = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    yield made / file
    with contextlib.suppress(OSError):  # it was of no use
        made.rmdir()


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, or see that it is one.

    Raises:
        StoreError: it is somebody else's, or no folder.
    """
    make_private_folder(folder)
    if not hasattr(os, "geteuid"):  # Windows: the user's own folders are private
        return
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StoreError("is not this user's folder", path=folder)
    if status.st_mode & 0o077:
        folder.chmod(PRIVATE_FOLDER)


def _is_mine(path: Path) -> bool:
    """Whether this user owns a file.

    Raises:
        OSError: it is not there.
    """
    return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()
