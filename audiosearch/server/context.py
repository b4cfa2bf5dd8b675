"""What all requests share: the library in its thread, readers, writers, settings."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect, Request

from audiosearch.config import Config
from audiosearch.errors import StoreError
from audiosearch.library import Library, open_library
from audiosearch.server.library_cache import LibraryCache
from audiosearch.server.media.service import MediaService
from audiosearch.server.messages import Settings
from audiosearch.server.status_source import StatusSource
from audiosearch.store.database import Database, open_database
from audiosearch.store.identity import read_identity, see_that_it_is_there
from audiosearch.store.lock import QuestionMark

T = TypeVar("T")

N_READERS: Final = 4
TURN_S: Final = 6.0  # for a writer that gives way; whoever clicked waits no longer than that
_Job = tuple[Callable[[], Any], "Future[Any]"]


class SingleThreadExecutor:
    """Runs jobs; `close` ends the thread after those that wait.

    The parts of a library are made for one thread, and two answers at once would only take the
    cores from each other. Long work comes as many short jobs, so that others are answered in
    between. The thread is a daemon: a process that has to leave does not wait for it.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Have a job done; one that is cancelled before it begins never is."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    def close(self, *, timeout_s: float) -> bool:
        """End the thread after the jobs that are waiting; whether it ended in time."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001  # it is told to whoever waits
                future.set_exception(error)
            else:
                future.set_result(result)
            del item, job, future  # nothing of an answer lives on while the thread waits


class QuestionActivity:
    """How much is being asked; shared by all threads of a server.

    `mark` tells other processes while anything is.
    """

    def __init__(self, mark: QuestionMark | None = None) -> None:
        self._mark = mark
        self._changed = threading.Condition()
        self._n_working = 0
        self._last_s = time.monotonic()
        self.n_answered = 0

    @contextmanager
    def question(self) -> Iterator[None]:
        """A question is worked on inside this block."""
        with self._changed:
            self._n_working += 1
            if self._mark is not None and self._n_working == 1:
                self._mark.hold()
        try:
            yield
        finally:
            with self._changed:
                self._n_working -= 1
                if self._mark is not None and self._n_working == 0:
                    self._mark.let_go()
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


class DatabaseReaders:
    """The library's database, open for several threads to read, while it is the same file."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._inode = 0

    def open(self) -> Database:
        """The database, opened anew where the file is another one.

        Raises:
            StoreError: it is gone, damaged, of a later version, or cannot be opened.
        """
        with self._lock:
            store, user = self._config.store, self._config.user.name
            path = self._config.database
            if store.url:
                if self._database is None:
                    self._database = open_database(path, read_only=True, store=store, user=user)
                return self._database
            try:
                status = see_that_it_is_there(path)
            except StoreError:
                self._let_go()
                raise
            if self._database is None or status.st_ino != self._inode:
                self._let_go()
                self._database = open_database(path, read_only=True, user=user)
                self._inode = path.stat().st_ino
            return self._database

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()  # whoever still reads from it goes on to the end
            self._database = None


@dataclass(frozen=True, kw_only=True)
class ServerContext:
    """What the requests of a server share.

    Attributes:
        config: the settings that the page's questions are answered with.
        executor: the one thread that uses `cache`.
        stopping: set when no more is to be begun, and streams are to end.
        examining: held while the installation is examined, which takes much memory.
    """

    config: Config
    executor: SingleThreadExecutor
    cache: LibraryCache
    activity: QuestionActivity = field(default_factory=QuestionActivity)
    stopping: threading.Event = field(default_factory=threading.Event)
    examining: asyncio.Lock = field(default_factory=asyncio.Lock)
    state: StatusSource
    databases: DatabaseReaders
    readers: ThreadPoolExecutor
    writers: ThreadPoolExecutor
    media: MediaService

    @classmethod
    def of(cls, config: Config) -> ServerContext:
        """The parts for a library; closed by `close`."""
        return cls(
            config=config,
            executor=SingleThreadExecutor("answers"),
            cache=LibraryCache(config),
            activity=QuestionActivity(QuestionMark(config.data_dir)),
            state=StatusSource(config),
            databases=DatabaseReaders(config),
            readers=ThreadPoolExecutor(N_READERS, thread_name_prefix="readers"),
            writers=ThreadPoolExecutor(1, thread_name_prefix="writer"),
            media=MediaService(config),
        )

    async def answer(self, request: Request, job: Callable[[Library], T]) -> T:
        """What `job` makes of the library with its model, in the thread that has it in memory.

        Raises:
            ClientDisconnect: nobody waits for it any more; a job that has not begun never is.
        """
        settings = Settings.of(self.config)
        with self.activity.question():
            return await self.work(request, lambda: job(self.cache.library(settings)))

    async def work(
        self,
        request: Request,
        job: Callable[[], T],
        *,
        abandon: Callable[[T], None] | None = None,
    ) -> T:
        """What `job` makes in the thread of the library; long work comes as many short jobs.

        `abandon` is given what was made after the client has left.

        Raises:
            ClientDisconnect: as of `answer`.
        """
        future = self.executor.submit(job)
        try:
            return await while_connected(request, future)
        except BaseException:
            if not future.cancelled() and abandon is not None:
                self.executor.submit(lambda: hand_over(future, abandon))
            raise

    async def read(self, job: Callable[[Database], T]) -> T:
        """What `job` reads in the database, beside what is being answered; no model is loaded."""
        return await asyncio.get_running_loop().run_in_executor(
            self.readers, lambda: job(self.databases.open())
        )

    async def write(self, job: Callable[[Library], T]) -> T:
        """What `job` does to the library, opened for writing; one at a time.

        Raises:
            LibraryLocked: another process writes to it, for longer than one waits; names it.
            StoreError: it is gone.
        """

        def writing() -> T:
            # A request is about the library that there is; none is made for one.
            identity = read_identity(self.config.database, url=self.config.store.url)
            with open_library(
                self.config, writable=True, turn_s=TURN_S, expected=identity
            ) as library:
                return job(library)

        return await asyncio.get_running_loop().run_in_executor(self.writers, writing)

    def close(self, *, timeout_s: float) -> bool:
        """End the threads; whether nothing was still worked on at the end."""
        self.readers.shutdown(wait=False, cancel_futures=True)
        self.writers.shutdown(wait=False, cancel_futures=True)
        self.media.close()
        self.executor.submit(self.cache.unload)
        ended = self.executor.close(timeout_s=timeout_s)
        self.databases.close()
        return ended


async def while_connected(request: Request, future: Future[T]) -> T:
    """The result of a job, as long as the client waits for it.

    Raises:
        ClientDisconnect: it does no longer; a job that has not begun is dropped.
    """
    result = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        both: list[asyncio.Future[Any]] = [result, gone]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientDisconnect
        return await result
    finally:
        gone.cancel()
        future.cancel()  # harmless when it has begun or is done
        result.cancel()
        with suppress(asyncio.CancelledError):
            await gone


def hand_over(future: Future[T], take: Callable[[T], None]) -> None:
    """Give the result of a job that is done to `take`, if it has one."""
    if future.exception() is None:
        take(future.result())


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def context_of(request: Request) -> ServerContext:
    """What this request shares with others."""
    context = request.app.state.context
    assert isinstance(context, ServerContext)
    return context
