"""Long runs that may be stopped at any time and still tell what they have done.

The first SIGINT or SIGTERM sets the event, and the run ends after the round in hand; the second
ends the process as the signal does by itself.
"""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager

from audiosearch._signals import stop_on_signals


def told_to_stop() -> AbstractContextManager[threading.Event]:
    """An event that is set when a signal asks for the end."""
    return stop_on_signals(on_first=_let_the_next_one_end)


def _let_the_next_one_end(_number: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
