"""Questions go first, and indexing never starves."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audiosearch.indexing import batching
from audiosearch.indexing.batching import GivingWay
from audiosearch.store.lock import QuestionMark


def test_all_threads_wait_for_the_question_in_hand(monkeypatch):
    monkeypatch.setattr(batching, "_LOOK_S", 0.001)
    asked, answered = threading.Event(), threading.Event()
    asked.set()
    way = GivingWay(asked.is_set, stop=threading.Event())
    seen: list[str] = []
    time.sleep(0.01)

    def work():
        way.pause()
        seen.append("worked" if answered.is_set() else "too early")

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    workers[0].join(0.1)
    assert all(worker.is_alive() for worker in workers)
    answered.set()
    asked.clear()
    for worker in workers:
        worker.join(5)
    assert seen == ["worked"] * 3


@pytest.fixture
def clock(monkeypatch):
    """What time it is, in a list; an event to stop by, waiting for which takes a hundredth."""
    now, stop = [0.0], threading.Event()
    monkeypatch.setattr(batching.time, "monotonic", lambda: now[0])

    def look(seconds):
        now[0] += seconds
        return False

    monkeypatch.setattr(stop, "wait", look)
    return now, stop


@pytest.mark.parametrize("piece_s", [0.02, 0.4, 3.0])
def test_however_much_is_asked_a_share_of_the_time_is_left(clock, piece_s):
    now, stop = clock
    way = GivingWay(lambda: True, stop=stop)
    worked = 0.0
    while now[0] < 600:
        way.pause()
        now[0] += piece_s
        worked += piece_s
    assert batching.SHARE * 0.9 < worked / now[0] < 1


def test_each_of_some_questions_is_let_first(clock):
    now, stop = clock
    waited_for = [0.0]  # when the question in hand will have been answered
    way = GivingWay(lambda: now[0] < waited_for[0], stop=stop)
    for _ in range(100):
        now[0] += 0.05  # of work
        waited_for[0] = now[0] + 0.4
        way.pause()
        assert now[0] >= waited_for[0]


def test_a_question_right_after_another_finds_it_still_waiting(clock):
    now, stop = clock
    way = GivingWay(lambda: now[0] % 0.1 < 0.07 and now[0] < 0.65, stop=stop)
    now[0] += 0.02
    way.pause()
    assert 0.65 < now[0] < 0.75


def test_a_long_question_does_not_hold_it_up_for_ever(clock):
    now, stop = clock
    way = GivingWay(lambda: True, stop=stop)
    now[0] += 0.02
    way.pause()
    assert now[0] == pytest.approx(batching.MOST_S, abs=0.1)


def test_with_nobody_asking_nothing_waits(clock):
    now, stop = clock
    way = GivingWay(batching.nobody_asks, stop=stop)
    for _ in range(1000):
        now[0] += 0.02
        way.pause()
    assert now[0] == pytest.approx(20.0)


def test_to_be_stopped_ends_a_pause(monkeypatch):
    monkeypatch.setattr(batching, "_LOOK_S", 0.001)
    monkeypatch.setattr(batching, "MOST_S", 3600.0)
    stop = threading.Event()
    way = GivingWay(lambda: True, stop=stop)
    time.sleep(0.01)
    threading.Timer(0.05, stop.set).start()
    way.pause()
    assert stop.is_set()


def test_a_question_is_seen_by_others_until_it_is_let_go(tmp_path):
    asking, looking = QuestionMark(tmp_path), QuestionMark(tmp_path)
    assert not looking.is_held()
    asking.hold()
    assert looking.is_held()
    asking.let_go()
    asking.let_go()
    assert not looking.is_held()


@pytest.mark.skipif(sys.platform == "win32", reason="has no shared locks")
def test_two_who_ask_at_once_are_both_seen(tmp_path):
    assert not QuestionMark(tmp_path).is_held()
    one, other = QuestionMark(tmp_path), QuestionMark(tmp_path)
    one.hold()
    other.hold()
    one.let_go()
    assert QuestionMark(tmp_path).is_held()
    other.let_go()
    assert not QuestionMark(tmp_path).is_held()


def test_who_is_killed_asks_no_longer(tmp_path):
    assert not QuestionMark(tmp_path).is_held()
    code = (
        "import sys, time, pathlib; from audiosearch.store.lock import QuestionMark;"
        "mark = QuestionMark(pathlib.Path(sys.argv[1])); mark.hold(); print('held', flush=True);"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as asker:
        assert asker.stdout.readline().strip() == b"held"
        assert QuestionMark(tmp_path).is_held()
        asker.kill()
    assert not QuestionMark(tmp_path).is_held()


def test_a_question_writes_nothing(tmp_path):
    mark = QuestionMark(tmp_path)
    mark.hold()
    mark.let_go()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_can_be_written_nobody_gives_way(tmp_path, there):
    place = tmp_path / "data"
    if there:
        place.write_text("no folder")
    mark = QuestionMark(place)
    mark.hold()
    mark.let_go()
    assert not mark.is_held()
    assert place.exists() is there


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_where_nothing_can_be_locked_no_descriptor_stays_open(tmp_path, monkeypatch):
    def no_locks(_file, _how):
        raise OSError(errno.ENOLCK, "no locks available")

    mark = QuestionMark(tmp_path)
    assert not mark.is_held()  # which makes the file
    monkeypatch.setattr("fcntl.flock", no_locks)
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(20):
        mark.hold()
        assert not mark.is_held()
        mark.let_go()
    assert len(list(opened.iterdir())) == before
