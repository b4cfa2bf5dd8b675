"""What the system tells of folders, as it is gathered."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiosearch.watch.events import FolderWatch, Inbox


def _told(inbox: Inbox, path: Path, *, within_s: float = 10.0) -> bool:
    """Whether the inbox comes to hold a path."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if os.fsencode(path) in inbox.take().paths:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_a_folder_met_twice_goes_on_being_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    walk, walked = os.walk, threading.Event()

    def late_walk(top: bytes, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """`inner` is made when `outer` is already watched and not yet walked."""
        if os.fsdecode(top) == str(outer) and not inner.exists():
            inner.mkdir()
            walked.set()
        return walk(top, *args, **kwargs)

    monkeypatch.setattr("watchdog.observers.inotify.os.walk", late_walk)
    warnings.simplefilter("error")  # what is let through ends watchdog's thread
    inbox = Inbox()
    with FolderWatch(inbox) as folders:
        folders.watch(os.fsencode(tmp_path))
        outer.mkdir()
        assert walked.wait(10)
        assert _told(inbox, inner)
        (inner / "x.wav").touch()
        assert _told(inbox, inner / "x.wav")
        assert folders.alive(os.fsencode(tmp_path))
