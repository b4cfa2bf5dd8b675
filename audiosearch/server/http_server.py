"""uvicorn in a thread of its own, on sockets that somebody else opened, within bounds.

uvicorn bounds neither the time that headers may take nor the number of silent connections, and
wakes ten times a second: these are the differences made here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from audiosearch.server.guard import SAFE_HEADERS
from audiosearch.server.replies import error_reply

log = logging.getLogger(__name__)

HEADERS_S: Final = 10.0  # from the first byte of a request to the end of its headers
PAUSE_S: Final = 30.0  # between two requests of one connection
MOST_HEADER_BYTES: Final = 40_000
BACKLOG: Final = 64


@dataclass(frozen=True, kw_only=True)
class HttpListener:
    """A listening socket and what answers on it.

    Attributes:
        most_connections: at a time; further ones are told to come later.
    """

    socket: socket.socket
    app: ASGIApp
    most_connections: int


class _BoundedProtocol(H11Protocol):
    """A connection whose client must send whole headers in time."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        if connection.family != getattr(socket, "AF_UNIX", None):
            # asyncio does so only where the listener was made with the protocol's number; without
            # it an answer in two parts waits 40 ms for the client's acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Who is one too many is told so in HTTP, see `_Uvicorn`; a flood is not.
        limit = self.config.limit_concurrency
        if limit is not None and len(self.connections) > limit:
            transport.abort()
            return
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._wait_for_headers(PAUSE_S)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too long for it, is refused as everything else is: in JSON."""
        error = sys.exception()
        is_long = getattr(error, "error_status_hint", 400) == 431
        reason = f"address and headers have at most {MOST_HEADER_BYTES} bytes"
        reply = error_reply(431, reason) if is_long else error_reply(400, "this is no HTTP/1.1")
        reply.headers["connection"] = "close"
        headers = [*reply.raw_headers, *SAFE_HEADERS, (b"cache-control", b"no-store")]
        for event in (
            h11.Response(status_code=reply.status_code, headers=headers, reason=b"Refused"),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait_for_headers(self, seconds: float = HEADERS_S) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Uvicorn(uvicorn.Server):
    """One listener; waits to be told to leave instead of looking ten times a second."""

    def __init__(self, listener: HttpListener) -> None:
        self._listener = listener
        super().__init__(
            uvicorn.Config(
                self._answer,
                loop="asyncio",
                http=_BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",  # what is refused is told to who asked, not to the log
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=2 * listener.most_connections,
                backlog=BACKLOG,
                timeout_keep_alive=int(PAUSE_S),
                h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            )
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, or that too many ask."""
        app: ASGIApp = self._listener.app
        if len(self.server_state.connections) > self._listener.most_connections:
            headers = {"retry-after": "1", "connection": "close"}
            app = error_reply(503, "too many ask at once", remedy="ask again", headers=headers)
        await app(scope, receive, send)

    async def open(self) -> None:
        """Take connections."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[self._listener.socket])

    async def close(self, timeout_s: float) -> None:
        """Take none any more, give the answers under way `timeout_s`, then end all connections."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = set(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        for connection in list(self.server_state.connections):
            cast(Any, connection).transport.abort()


class HttpServer:
    """Answers on several listeners in one thread; started once, and stopped."""

    def __init__(self, listeners: Sequence[HttpListener]) -> None:
        self._listeners = listeners
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._timeout_s = 0.0
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="http", daemon=True)

    def start(self) -> None:
        """Take connections and return.

        Raises:
            OSError: the sockets cannot be listened on.
        """
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise self._error

    def stop(self, timeout_s: float) -> None:
        """Take no more connections, and end those that there are after at most `timeout_s`."""
        self._timeout_s = timeout_s
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(timeout_s + 2.0)

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # it is told to whoever started this
            self._error = error
            log.debug("the server has ended", exc_info=error)
        finally:
            self._opened.set()

    async def _serve(self) -> None:
        servers = [_Uvicorn(each) for each in self._listeners]
        for server in servers:
            await server.open()
        self._opened.set()
        await self._leaving.wait()
        await asyncio.gather(*(server.close(self._timeout_s) for server in servers))
