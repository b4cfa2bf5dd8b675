"""Long runs that may be stopped at any time and still tell what they have done.

The first SIGINT or SIGTERM sets the event, and the run ends after the round in hand; the second
ends the process as the signal does by itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that is set when a signal asks for the end."""
    stop = threading.Event()
    heeded = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in heeded}

    def heed(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)

    for number in heeded:
        signal.signal(number, heed)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
