"""Stopping on a signal: once asks, twice insists, and what was before comes back."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from audiosearch._signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    asked: list[int] = []
    with stop_on_signals(on_first=asked.append) as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert asked == [number]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_insists_may_be_answered_otherwise() -> None:
    insisted: list[int] = []
    with stop_on_signals(on_second=insisted.append) as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
    assert stop.is_set()
    assert insisted == [signal.SIGTERM, signal.SIGTERM]


def test_handlers_come_back_after_an_error_too() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="full"), stop_on_signals():
        raise OSError("full")
    assert signal.getsignal(signal.SIGINT) is before


_HELD = """
import atexit, threading
from audiosearch._signals import leave_within
atexit.register(print, "at the end", flush=True)
threading.Thread(target=threading.Event().wait).start()  # for ever
leave_within(0.2, 7)
"""


def test_a_process_leaves_though_a_thread_does_not() -> None:
    left = subprocess.run(
        [sys.executable, "-c", _HELD], capture_output=True, text=True, timeout=60, check=False
    )
    assert (left.returncode, left.stdout) == (7, "at the end\n")


_ENDING = """
import atexit, time
from audiosearch._signals import leave_within
def end():
    print("begun", flush=True)
    time.sleep(60)
atexit.register(end)
leave_within(0.2, 7)
"""


def test_what_is_done_at_the_end_is_not_done_twice() -> None:
    left = subprocess.run(
        [sys.executable, "-c", _ENDING], capture_output=True, text=True, timeout=40, check=False
    )
    assert (left.returncode, left.stdout) == (7, "begun\n")
