"""Messages on a socket: four bytes of length, then so many bytes, never more than a bound."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any, Final

from audiosearch.server.codec import MalformedMessage, from_json, to_json

MOST_BYTES: Final = 4 << 20  # of one message; answers with more rows come in several
_LENGTH: Final = struct.Struct(">I")
_PART: Final = 1 << 16


class ConnectionBroken(Exception):
    """The other side cannot be talked to any more; says why."""


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, message: object, *, timeout_s: float) -> None:
        """Send one message.

        Raises:
            ConnectionBroken: it is too long, or the peer does not take it in time.
        """
        content = to_json(message)
        if len(content) > MOST_BYTES:
            raise ConnectionBroken(f"a message of {len(content)} bytes is too long")
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(_LENGTH.pack(len(content)) + content)
        except OSError as error:
            raise ConnectionBroken(_why(error)) from error

    def receive(self, *kinds: type[Any], timeout_s: float) -> Any:
        """The next message, which must be of one of `kinds` and whole within `timeout_s`.

        Raises:
            ConnectionBroken: it is not, or the peer has gone.
        """
        deadline = time.monotonic() + timeout_s
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))
        if length > MOST_BYTES:
            raise ConnectionBroken(f"a message of {length} bytes is too long")
        try:
            return from_json(self._exactly(length, deadline), kinds)
        except MalformedMessage as error:
            raise ConnectionBroken(f"not understood: {error}") from error

    def _exactly(self, n_bytes: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        missing = n_bytes
        while missing:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ConnectionBroken("no word in time")
            try:
                self._socket.settimeout(left_s)
                part = self._socket.recv(min(missing, _PART))
            except OSError as error:
                raise ConnectionBroken(_why(error)) from error
            if not part:
                raise ConnectionBroken("the connection was closed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def hang_up(self) -> None:
        """End the connection, also under a thread that waits on it; harmless when it is ended."""
        with contextlib.suppress(OSError):  # the peer has gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no word in time"
    return error.strerror or str(error) or type(error).__name__
