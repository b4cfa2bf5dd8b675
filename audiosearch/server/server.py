"""The server of a library: start it in a process that stays, and commands are answered at once.

It only reads the library, in threads of its own, so whoever starts it may write at the same time;
what the page writes waits for the library's lock like a command.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from audiosearch.config import Config
from audiosearch.errors import LibraryLocked, StoreError
from audiosearch.server.address import (
    HAS_UNIX_SOCKETS,
    Address,
    NoAnswer,
    announce,
    listen,
    withdraw,
)
from audiosearch.server.app import command_app, create_app
from audiosearch.server.client import Server
from audiosearch.server.command_token import CommandToken
from audiosearch.server.context import ServerContext
from audiosearch.server.guard import Guard, GuardPolicy
from audiosearch.server.http_server import HttpListener, HttpServer
from audiosearch.server.page_address import Page

log = logging.getLogger(__name__)

MOST_CLIENTS: Final = 64  # commands at a time; further ones answer by themselves
MOST_CONNECTIONS: Final = 256  # of the page, at a time


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What a server is doing, for people."""

    address: str  # for commands
    model_loaded: bool
    n_questions: int  # answered since it was started


class AnswerServer:
    """Answers questions about one library; started once, and stopped.

    The model is loaded by the first question and given back after `watch.unload_minutes` without
    one.
    """

    def __init__(
        self,
        config: Config,
        *,
        unix: bool = HAS_UNIX_SOCKETS,
        page: Page | None = None,
        for_commands: bool = True,
    ) -> None:
        """Answer for the library of `config`.

        Args:
            config: the settings; those of a command's question come with it.
            unix: by a Unix socket, else by a port.
            page: whether the page is given, too.
            for_commands: whether commands are answered.
        """
        self._config = config
        self._unix = unix
        self._page = page
        self._for_commands = for_commands
        self._unload_s = config.watch.unload_minutes * 60
        self._context = ServerContext.of(config)
        self._address: Address | None = None
        self._http: HttpServer | None = None
        self._unloader: threading.Thread | None = None

    def start(self) -> None:
        """Listen and return; questions are answered from now on.

        Raises:
            LibraryLocked: another process answers commands for this library; names its pid.
            StoreError: no place for a socket was found, or the data folder cannot be written to.
        """
        try:
            self._listen()
        except BaseException as error:
            self._context.close(timeout_s=1.0)
            if self._address is not None:
                withdraw(self._config.data_dir, self._address)
            if self._page is not None:
                self._page.socket.socket.close()
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
                raise StoreError(reason, path=self._config.data_dir) from error
            raise
        if self._unload_s:
            self._unloader = threading.Thread(
                target=self._unload_when_unused, name="unloader", daemon=True
            )
            self._unloader.start()
        if self._address is not None:
            log.info("questions are answered at %s", self._address.shown)
        if self._page is not None:
            log.info("the page is at %s", self._page.socket.url)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more questions, give the running ones `timeout_s`, and leave nothing behind.

        Harmless when it was never started, or is stopped.
        """
        http, self._http = self._http, None
        if http is None:
            return
        deadline = time.monotonic() + timeout_s
        self._context.stopping.set()
        if self._address is not None:
            withdraw(self._config.data_dir, self._address)
        http.stop(timeout_s)
        if not self._context.close(timeout_s=max(1.0, deadline - time.monotonic())):
            log.warning("a question was still worked on when answering was stopped")

    def idle(self) -> float:
        """Seconds since the last answer was given; 0 while one is worked on."""
        return self._context.activity.idle_s()

    def state(self) -> ServerState:
        """What the server is doing."""
        return ServerState(
            address="" if self._address is None else self._address.shown,
            model_loaded=self._context.cache.loaded,
            n_questions=self._context.activity.n_answered,
        )

    def __enter__(self) -> AnswerServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        listeners = []
        if self._page is not None:
            listeners.append(self._page_listener(self._page))
        if self._for_commands:
            see_that_nobody_answers(self._config)
            listeners.append(self._command_listener())
        http = HttpServer(listeners)
        http.start()
        self._http = http
        if self._address is not None:
            announce(self._config.data_dir, self._address)

    def _page_listener(self, page: Page) -> HttpListener:
        return HttpListener(
            socket=page.socket.socket,
            app=Guard(create_app(self._context), page.socket.policy(page.token)),
            most_connections=MOST_CONNECTIONS,
        )

    def _command_listener(self) -> HttpListener:
        listener, self._address = listen(self._config.data_dir, unix=self._unix)
        token = CommandToken(self._address.token)
        admit = token.admit if self._address.token else None
        policy = GuardPolicy(port=self._address.port, hosts=frozenset(("127.0.0.1",)), admit=admit)
        return HttpListener(
            socket=listener,
            app=Guard(command_app(self._context, token), policy),
            most_connections=MOST_CLIENTS,
        )

    def _unload_when_unused(self) -> None:
        """The thread that sees that the memory of the model is given back."""
        while not self._context.stopping.wait(self._patience_s()):
            if self._is_unused():
                self._context.executor.submit(self._unload_if_unused)

    def _patience_s(self) -> float:
        """How long to wait before looking whether the model is still needed."""
        # One that is loaded while this thread waits was asked for after the wait had begun.
        loaded = self._context.cache.loaded
        return max(0.2, self._unload_s - self.idle()) if loaded else self._unload_s

    def _is_unused(self) -> bool:
        return self._context.cache.loaded and 0 < self._unload_s <= self.idle()

    def _unload_if_unused(self) -> None:
        if self._is_unused():
            self._context.cache.unload()
            log.info("no question for a while: the memory of the model is given back")


def answering_pid(config: Config) -> int | None:
    """The process that answers commands for a library; None: there is none."""
    try:
        other = Server.reach(config.data_dir)
    except NoAnswer:
        return None
    other.hang_up()
    return other.pid


def see_that_nobody_answers(config: Config) -> None:
    """See that no other process answers commands for a library.

    Raises:
        LibraryLocked: one does; names its pid.
    """
    pid = answering_pid(config)
    if pid is not None:
        raise LibraryLocked(
            f"another process answers for this library (pid {pid})",
            path=config.data_dir,
            remedy="most likely audiosearch serve: stop it, and let watch give the page ([serve]"
            " enabled = true in the settings), or start watch first and serve after it",
        )
