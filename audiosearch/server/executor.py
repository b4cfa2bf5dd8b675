"""One thread that does all the work of a server, job after job, in the order in which they came."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
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
