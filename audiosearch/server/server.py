"""The server of a library: start it in a process that stays, and commands are answered at once.

It only reads the library, in threads of its own, so whoever starts it may write at the same time.
"""

from __future__ import annotations

import logging
import selectors
import socket
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
from audiosearch.server.client import Server
from audiosearch.server.connection import Connection, ConnectionBroken
from audiosearch.server.executor import SingleThreadExecutor
from audiosearch.server.library_cache import LibraryCache
from audiosearch.server.session import QuestionActivity, ServerContext, Session

log = logging.getLogger(__name__)

MOST_CLIENTS: Final = 64  # at a time; further commands answer by themselves


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What a server is doing, for people."""

    address: str
    model_loaded: bool
    n_questions: int  # answered since it was started


class AnswerServer:
    """Answers questions about one library; started once, and stopped.

    The model is loaded by the first question and given back after `watch.unload_minutes` without
    one.
    """

    def __init__(self, config: Config, *, unix: bool = HAS_UNIX_SOCKETS) -> None:
        self._config = config
        self._unix = unix
        self._unload_s = config.watch.unload_minutes * 60
        self._cache = LibraryCache(config)
        self._activity = QuestionActivity()
        self._stopping = threading.Event()
        self._clients: set[Connection] = set()
        self._clients_lock = threading.Lock()
        self._address: Address | None = None
        self._running: _Running | None = None

    def start(self) -> None:
        """Listen and return; questions are answered from now on.

        Raises:
            LibraryLocked: another process answers for this library; names its pid.
            StoreError: no place for a socket was found, or the data folder cannot be written to.
        """
        data_dir = self._config.data_dir
        self._see_that_nobody_else_answers()
        try:
            listener, self._address = listen(data_dir, unix=self._unix)
            announce(data_dir, self._address)
        except OSError as error:
            raise StoreError(error.strerror or str(error), path=data_dir) from error
        context = ServerContext(
            data_dir=data_dir,
            token=self._address.token,
            executor=SingleThreadExecutor("answers"),
            cache=self._cache,
            activity=self._activity,
            stopping=self._stopping,
        )
        wake, woken = socket.socketpair()
        door = threading.Thread(
            target=self._listen, args=(listener, woken, context), name="answers-door", daemon=True
        )
        self._running = _Running(
            context=context, listener=listener, wake=wake, woken=woken, door=door
        )
        door.start()
        log.info("questions are answered at %s", self._address.shown)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more questions, give the running ones `timeout_s`, and leave nothing behind.

        Harmless when it was never started, or is stopped.
        """
        running, self._running = self._running, None
        if running is None or self._address is None:
            return
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        withdraw(self._config.data_dir, self._address)
        running.leave_the_door()
        self._activity.wait_until_idle(timeout_s)
        with self._clients_lock:
            clients = list(self._clients)
        for client in clients:
            client.hang_up()
        running.context.executor.submit(self._cache.unload)
        if not running.context.executor.close(timeout_s=max(1.0, deadline - time.monotonic())):
            log.warning("a question was still worked on when answering was stopped")

    def idle(self) -> float:
        """Seconds since the last answer was given; 0 while one is worked on."""
        return self._activity.idle_s()

    def state(self) -> ServerState:
        """What the server is doing."""
        return ServerState(
            address="" if self._address is None else self._address.shown,
            model_loaded=self._cache.loaded,
            n_questions=self._activity.n_answered,
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

    def _see_that_nobody_else_answers(self) -> None:
        try:
            other = Server.reach(self._config.data_dir)
        except NoAnswer:
            return
        other.hang_up()
        raise LibraryLocked(
            f"another process answers for this library (pid {other.pid})",
            path=self._config.data_dir,
            remedy="wait until it has finished, or stop it",
        )

    def _listen(
        self, listener: socket.socket, woken: socket.socket, context: ServerContext
    ) -> None:
        """The thread at the door: lets clients in, and sees that the model is given back."""
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                ready = [key.fileobj for key, _ in selector.select(self._patience_s())]
                if listener in ready:
                    self._let_in(listener, context)
                if self._is_unused():
                    context.executor.submit(self._unload_if_unused)

    def _patience_s(self) -> float | None:
        """How long to wait for clients before looking whether the model is still needed."""
        if not self._unload_s:
            return None
        # One that is loaded while this thread waits was asked for after the wait had begun.
        return max(0.2, self._unload_s - self.idle()) if self._cache.loaded else self._unload_s

    def _is_unused(self) -> bool:
        return self._cache.loaded and 0 < self._unload_s <= self.idle()

    def _unload_if_unused(self) -> None:
        if self._is_unused():
            self._cache.unload()
            log.info("no question for a while: the memory of the model is given back")

    def _let_in(self, listener: socket.socket, context: ServerContext) -> None:
        try:
            accepted, _ = listener.accept()
        except OSError as error:  # it hung up at once, or this process has too many files open
            log.warning("a question could not be taken: %s", error)
            self._stopping.wait(0.1)
            return
        connection = Connection(accepted)
        with self._clients_lock:
            crowded = len(self._clients) >= MOST_CLIENTS
            if not crowded:
                self._clients.add(connection)
        if crowded:
            connection.hang_up()
            return
        threading.Thread(
            target=self._attend, args=(connection, context), name="answers-client", daemon=True
        ).start()

    def _attend(self, connection: Connection, context: ServerContext) -> None:
        """The thread of one client."""
        try:
            Session(connection, context).run()
        except ConnectionBroken as error:
            log.debug("a client has left: %s", error)
        finally:
            connection.hang_up()
            with self._clients_lock:
                self._clients.discard(connection)


@dataclass(frozen=True, kw_only=True)
class _Running:
    """The parts of a started server."""

    context: ServerContext
    listener: socket.socket
    wake: socket.socket
    woken: socket.socket
    door: threading.Thread

    def leave_the_door(self) -> None:
        """Let nobody in any more."""
        self.wake.send(b"x")
        self.door.join()
        for each in (self.listener, self.wake, self.woken):
            each.close()
