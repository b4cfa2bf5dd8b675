"""The daemon's log: kept small, and gone from this process when the daemon is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from audiosearch.cli.watch import log_file, watch_log
from audiosearch.errors import StoreError


def test_it_is_rotated_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = logging.getLogger("audiosearch.watch.watcher")
    with watch_log(tmp_path, quiet=True, max_bytes=2000, n_old=2):
        for number in range(200):
            log.info("line %d of a pass", number)
    newest = log_file(tmp_path)
    names = [newest.name, f"{newest.name}.1", f"{newest.name}.2"]
    assert sorted(each.name for each in newest.parent.iterdir()) == names
    texts = [newest.with_name(name).read_text() for name in names]
    assert all(0 < len(text) <= 2000 for text in texts)
    kept = [line.rpartition("line ")[2] for text in reversed(texts) for line in text.splitlines()]
    first = 200 - len(kept)
    assert first > 0
    assert kept == [f"{number} of a pass" for number in range(first, 200)]


def test_it_goes_on_where_the_last_daemon_ended_and_leaves_nothing_behind(tmp_path: Path) -> None:
    root, ours = logging.getLogger(), logging.getLogger("audiosearch")
    before = root.level, ours.level, list(root.handlers)
    for word in ("first", "second"):
        with watch_log(tmp_path, quiet=False):
            logging.getLogger("audiosearch.x").info("the %s daemon", word)
            logging.getLogger("somebody.else").info("not ours")
    assert (root.level, ours.level, list(root.handlers)) == before
    lines = log_file(tmp_path).read_text().splitlines()
    assert [line.rpartition("INFO ")[2] for line in lines] == [
        "the first daemon",
        "the second daemon",
    ]


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(StoreError), watch_log(tmp_path, quiet=False):
        pass
