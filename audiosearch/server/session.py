"""One client of the server: greeted, then its questions, each with an answer or a refusal.

Its thread only waits and writes; the library is asked in the executor's thread.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from audiosearch import __version__
from audiosearch.errors import AudiosearchError
from audiosearch.server.address import is_proved, prove
from audiosearch.server.connection import Connection, ConnectionBroken
from audiosearch.server.executor import SingleThreadExecutor
from audiosearch.server.library_cache import Answer, Describing, LibraryCache
from audiosearch.server.messages import (
    PROTOCOL,
    DescribeEnd,
    DescribeQuestion,
    Descriptions,
    FindQuestion,
    FoundEnd,
    Hello,
    Hits,
    Proof,
    Question,
    Refusal,
    SimilarQuestion,
    Wait,
    Welcome,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

ROWS: Final = 100  # hits in one message
HELLO_S: Final = 5.0
PAUSE_S: Final = 30.0  # between two questions of one connection
SEND_S: Final = 120.0  # for a command whose reader takes its time, such as a pager
BEAT_S: Final = 2.0  # a sign of life while a question is worked on


class QuestionActivity:
    """How much is being asked; shared by all threads of a server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n_working = 0
        self._last_s = time.monotonic()
        self.n_answered = 0

    @contextmanager
    def question(self) -> Iterator[None]:
        """A question is worked on inside this block."""
        with self._changed:
            self._n_working += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_working -= 1
                self.n_answered += 1
                self._last_s = time.monotonic()
                self._changed.notify_all()

    def idle_s(self) -> float:
        """Seconds since the last answer; 0 while a question is worked on."""
        with self._changed:
            return 0.0 if self._n_working else time.monotonic() - self._last_s

    def wait_until_idle(self, timeout_s: float) -> None:
        """Return once nothing is worked on, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_working == 0, timeout=timeout_s)


@dataclass(frozen=True, kw_only=True)
class ServerContext:
    """What the sessions of a server share."""

    data_dir: Path
    token: str
    executor: SingleThreadExecutor
    cache: LibraryCache
    activity: QuestionActivity
    stopping: threading.Event


class Session:
    """One client; `run` returns when it leaves."""

    def __init__(self, connection: Connection, context: ServerContext) -> None:
        self._connection = connection
        self._context = context

    def run(self) -> None:
        """Greet, then answer until the client hangs up or is silent for long.

        Raises:
            ConnectionBroken: it did.
        """
        if not self._greet():
            return
        while not self._context.stopping.is_set():
            question = self._connection.receive(
                FindQuestion, SimilarQuestion, DescribeQuestion, timeout_s=PAUSE_S
            )
            with self._context.activity.question():
                self._attend(question)

    def _greet(self) -> bool:
        """Whether the client is one to talk to; one that is not is told why."""
        token, challenge = self._context.token, os.urandom(16).hex()
        hello = self._connection.receive(Hello, timeout_s=HELLO_S)
        reason = self._objection(hello)
        if reason is not None:
            self._connection.send(Refusal(reason=reason), timeout_s=HELLO_S)
            return False
        proof = prove(token, by="server", challenge=hello.challenge)
        welcome = Welcome(pid=os.getpid(), proof=proof, challenge=challenge)
        self._connection.send(welcome, timeout_s=HELLO_S)
        if not token:
            return True
        given = self._connection.receive(Proof, timeout_s=HELLO_S)
        return is_proved(given.proof, token, by="command", challenge=challenge)

    def _objection(self, hello: Hello) -> str | None:
        if (hello.protocol, hello.version) != (PROTOCOL, __version__):
            return f"the daemon is of another version ({__version__}): restart it"
        if hello.library != os.path.realpath(self._context.data_dir):
            return "the daemon answers for another library"
        return None

    def _attend(self, question: Question) -> None:
        """Answer one question, or tell the client to do it itself."""
        cache = self._context.cache
        try:
            if isinstance(question, FindQuestion):
                self._send_found(lambda: cache.find(question))
            elif isinstance(question, SimilarQuestion):
                self._send_found(lambda: cache.similar(question))
            else:
                self._send_described(lambda: cache.describe(question))
        except ConnectionBroken:
            raise
        except AudiosearchError as error:
            # The command meets the same error and tells it in its user's own terms.
            self._connection.send(
                Refusal(reason=f"the daemon cannot tell: {error}"), timeout_s=SEND_S
            )
        except Exception as error:  # a mistake of ours must not end a daemon
            log.exception("a question was not answered")
            reason = f"the daemon failed: {type(error).__name__}"
            self._connection.send(Refusal(reason=reason), timeout_s=SEND_S)

    def _send_found(self, job: Callable[[], Answer]) -> None:
        answer = self._await(job)
        hits = answer.result.hits
        for start in range(0, len(hits), ROWS):
            self._connection.send(Hits(rows=hits[start : start + ROWS]), timeout_s=SEND_S)
        end = FoundEnd(
            result=replace(answer.result, hits=()), device=answer.device, remarks=answer.remarks
        )
        self._connection.send(end, timeout_s=SEND_S)

    def _send_described(self, job: Callable[[], Describing]) -> None:
        describing = self._await(job, abandon=Describing.close)
        try:
            while (row := self._await(describing.step)) is not None:
                self._connection.send(Descriptions(rows=(row,)), timeout_s=SEND_S)
            remarks = self._await(describing.remarks)
        finally:
            self._context.executor.submit(describing.close)
        self._connection.send(DescribeEnd(remarks=remarks), timeout_s=SEND_S)

    def _await(self, job: Callable[[], T], *, abandon: Callable[[T], None] | None = None) -> T:
        """The result of a job in the executor; the client gets signs of life until it is there.

        Should the client leave, a job that has not begun is dropped; the result of another one is
        given to `abandon`.
        """
        future = self._context.executor.submit(job)
        try:
            while not wait([future], timeout=BEAT_S).done:
                self._connection.send(
                    Wait(begun=future.running(), after_s=BEAT_S), timeout_s=SEND_S
                )
        except ConnectionBroken:
            if not future.cancel() and abandon is not None:
                self._context.executor.submit(lambda: _hand_over(future, abandon))
            raise
        return future.result()


def _hand_over(future: Future[T], take: Callable[[T], None]) -> None:
    if future.exception() is None:
        take(future.result())
