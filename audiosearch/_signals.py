"""Stop on a signal: the first SIGINT (Ctrl-C) or SIGTERM asks, the second one insists."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def _nothing(_number: int) -> None:
    pass


def _interrupt(_number: int) -> None:
    raise KeyboardInterrupt


@contextmanager
def stop_on_signals(
    *,
    on_first: Callable[[int], None] = _nothing,
    on_second: Callable[[int], None] = _interrupt,
) -> Iterator[threading.Event]:
    """An event that the first of these signals sets; for the main thread.

    `on_first` is called with its number when the event is set, `on_second` with that of each
    further one; both between two steps of the main thread. What handled the signals before does
    so again afterwards.
    """
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            on_second(number)
        else:
            stop.set()
            on_first(number)

    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in handled}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_within(seconds: float, status: int) -> None:
    """See that the process ends with `status` even if its threads do not; call it at the very end.

    What is registered with `atexit` is done then, too, or cut short where it has begun by itself.
    """
    begun = threading.Event()
    atexit.register(begun.set)  # the last one to be registered is called first

    def leave() -> None:
        if not begun.is_set():
            atexit._run_exitfuncs()  # the function that Python itself calls at the end
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
