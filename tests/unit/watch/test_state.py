"""What the daemon says of itself comes back as it was; and the small values it is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch._timing import Meter, time_left_s
from audiosearch.indexing.passed_over import Exclusions
from audiosearch.indexing.walk import is_relevant
from audiosearch.watch.events import outermost, stat_path
from audiosearch.watch.status import (
    GuardedFiles,
    PassProgress,
    RootState,
    WatchActivity,
    WatchMode,
    WatchProgress,
    WatchState,
    nudge,
    nudged_at,
    progress_line,
    read_state,
    write_state,
)

STATE = WatchState(
    pid=12,
    since=1000.5,
    activity=WatchActivity.SCANNING,
    note="a disk is full",
    scanned_at=1001.0,
    next_scan_at=None,
    n_settling=3,
    progress=PassProgress(1, 2, 0, 3.5, 4.0, None),
    roots=(
        RootState(
            b"/s/od\xff", WatchMode.NATIVE, n_folders=3, n_watched=3, guarded=GuardedFiles(5, 6)
        ),
        RootState(b"/net", WatchMode.POLLING, why="a network file system (nfs)", scanned_at=2.0),
    ),
)


def test_a_state_comes_back_as_it_was(tmp_path: Path):
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    write_state(tmp_path, WatchState(pid=1, since=0.0, activity=WatchActivity.IDLE))
    assert read_state(tmp_path) == WatchState(pid=1, since=0.0, activity=WatchActivity.IDLE)
    assert [each.name for each in tmp_path.iterdir()] == ["watch.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"roots": [1]}', "\0", '{"pid": 3, "roots": []}']
)
def test_what_is_no_state_is_none(tmp_path: Path, text: str):
    assert read_state(tmp_path) is None
    (tmp_path / "watch.json").write_text(text)
    assert read_state(tmp_path) is None


@pytest.mark.parametrize(
    "place",
    [
        "pid",
        "since",
        "note",
        "scanned_at",
        "n_settling",
        "progress.n_done",
        "progress.rate",
        "progress.left_s",
        "roots.0.why",
        "roots.0.n_folders",
        "roots.0.held.n_lost",
    ],
)
def test_a_state_with_a_value_of_another_kind_is_none(tmp_path: Path, place: str):
    """As another version may write it: whoever reads it would meet that value later."""
    write_state(tmp_path, STATE)
    file = tmp_path / "watch.json"
    row = json.loads(file.read_text())
    *way, last = place.split(".")
    inner = row
    for step in way:
        inner = inner[int(step) if step.isdigit() else step]
    inner[last] = ["another"]
    file.write_text(json.dumps(row))
    assert read_state(tmp_path) is None


def test_whole_numbers_are_times_too(tmp_path: Path):
    state = replace(STATE, since=1000, scanned_at=1001)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_nudge_is_seen(tmp_path: Path):
    assert nudged_at(tmp_path) == 0
    nudge(tmp_path)
    assert nudged_at(tmp_path) > 0
    nudge(tmp_path / "no-library")  # nobody is there to be nudged
    assert not (tmp_path / "no-library").exists()


def test_the_time_left_follows_from_what_is_done():
    assert time_left_s(n_done=0, n_total=10, elapsed_s=5.0) is None
    assert time_left_s(n_done=2, n_total=10, elapsed_s=5.0) == 20.0
    assert time_left_s(n_done=12, n_total=10, elapsed_s=5.0) == 0.0


def test_the_rate_is_that_of_the_last_moments():
    now, sound_s = [0.0], [0.0]
    meter = Meter(lambda: sound_s[0], clock=lambda: now[0])
    for second in range(1, 31):
        now[0] = float(second)
        sound_s[0] += 2.0 if second <= 15 else 6.0
        rate = meter.rate()
    assert rate == pytest.approx(6.0)


def test_progress_is_a_line_with_files_hours_rate_and_time_left():
    line = progress_line(PassProgress(30, 100, 2, 5400.0, 20.4, 600.0))
    assert line == "30 of 100 files, 1.50 h of sound, 20 x real time, 2 failed, about 10 min left"


def test_progress_is_told_and_forgotten(caplog: pytest.LogCaptureFixture):
    told: list[PassProgress | None] = []
    progress = WatchProgress(lambda: told.append(progress.now))
    progress.start(4)
    progress.advance(n_files=1, under_way=0.0, seconds=2.0, rate=3.0, n_failed=0)
    progress.warn("a folder is closed")
    progress.warn("a folder is closed")
    progress.end()
    assert [each.n_done for each in told if each] == [0, 1]
    assert progress.now is None
    assert [record.message for record in caplog.records] == ["a folder is closed"]


def test_the_outermost_paths_stand_for_what_is_in_them():
    paths = [b"/a/b", b"/a/b/c", b"/a/b.wav", b"/a/bc/d", b"/x"]
    assert outermost(paths) == [b"/a/b", b"/a/b.wav", b"/a/bc/d", b"/x"]


def test_what_indexing_passes_over_does_not_matter(tmp_path: Path):
    root = bytes(tmp_path)
    for name in ("a.wav", "notes.txt", ".a.wav"):
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "folder").mkdir()
    exclusions = Exclusions([".*"])

    def does(name: bytes) -> bool:
        return is_relevant(root + b"/" + name, root=root, exclusions=exclusions)

    assert does(b"a.wav")
    assert does(b"folder")
    assert does(b"gone")  # it may have been a folder
    assert not does(b"notes.txt")
    assert not does(b".a.wav")
    assert not does(b".git/a.wav")
    assert not does(b"link.wav")
    assert not is_relevant(root + b"2/a.wav", root=root, exclusions=exclusions)
    facts = stat_path(root + b"/a.wav")
    assert facts is not None
    assert (facts.is_folder, facts.size) == (False, 2)
    folder = stat_path(root + b"/folder")
    assert folder is not None
    assert folder.is_folder
    assert stat_path(root + b"/gone") is None
