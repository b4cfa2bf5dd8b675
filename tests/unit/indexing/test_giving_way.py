"""Questions go first, and indexing never starves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from audiosearch.indexing import batching
from audiosearch.indexing.batching import GivingWay
from audiosearch.store.lock import QuestionMark


@pytest.fixture
def clock(monkeypatch):
    """Time that passes while somebody looks or works, and no other."""

    class Clock(threading.Event):
        now = 0.0

        def wait(self, timeout=None):
            self.now += timeout or 0.0
            return self.is_set()

    clock = Clock()
    monkeypatch.setattr(batching.time, "monotonic", lambda: clock.now)
    return clock


def test_work_waits_for_the_question_in_hand_and_helpers_with_it():
    asked, answered = threading.Event(), threading.Event()
    asked.set()
    way = GivingWay(asked.is_set)
    seen: list[str] = []

    def work():
        way.turn()
        seen.append("worked" if answered.is_set() else "too early")

    worker = threading.Thread(target=work)
    worker.start()
    while way._going.is_set():
        time.sleep(0.001)
    helper = threading.Thread(target=lambda: (way.wait(), seen.append("helped")))
    helper.start()
    helper.join(0.1)
    assert helper.is_alive()
    answered.set()
    asked.clear()
    worker.join(5)
    helper.join(5)
    assert sorted(seen) == ["helped", "worked"]


def test_however_much_is_asked_a_share_of_the_time_is_left(clock):
    way = GivingWay(lambda: True, stop=clock)
    worked = 0.0
    for piece_s in (0.4, 1.0, 0.01, 0.02, 3.0, 0.0, 0.4, 0.03) * 20:
        way.turn()
        clock.now += piece_s
        worked += piece_s
    assert batching.SHARE * 0.8 < worked / clock.now < 1


@pytest.mark.parametrize("piece_s", [0.001, 0.02, 0.1])
def test_small_pieces_take_no_more_than_their_share(clock, piece_s):
    way = GivingWay(lambda: True, stop=clock)
    worked = 0.0
    while clock.now < 300:
        way.turn()
        clock.now += piece_s
        worked += piece_s
    assert worked / clock.now == pytest.approx(batching.SHARE, abs=0.07)


def test_a_question_after_the_other_is_one(clock):
    """Who types asks again before long; work does not begin in between."""
    way = GivingWay(lambda: clock.now % 0.1 < 0.07 and clock.now < 0.65, stop=clock)
    way.turn()
    assert 0.65 < clock.now < 0.75


def test_pieces_are_small_while_questions_come_and_whole_otherwise(clock):
    asked = threading.Event()
    way = GivingWay(asked.is_set, stop=clock)
    work = list(range(10))
    assert list(way.pieces(work)) == [work]
    asked.set()
    pieces = []
    for piece in way.pieces(work):
        pieces.append(piece)
        asked.clear()
    assert pieces == [work[:4], work[4:8], work[8:]]
    assert list(way.pieces(work)) == pieces
    clock.now += batching.BUSY_S + 1
    assert list(way.pieces(work)) == [work]
    assert list(way.pieces([])) == []


def test_with_nobody_asking_nothing_waits(clock):
    way = GivingWay(stop=clock)
    for _ in range(1000):
        way.turn()
        way.wait()
    assert clock.now == 0


def test_to_be_stopped_ends_a_pause():
    stop = threading.Event()
    way = GivingWay(lambda: True, stop=stop)
    threading.Timer(0.05, stop.set).start()
    way.turn()
    assert stop.is_set()
    way.wait()


def test_a_question_is_seen_by_others_until_it_is_let_go(tmp_path):
    asking, looking = QuestionMark(tmp_path), QuestionMark(tmp_path)
    assert not looking.is_held()
    asking.hold()
    assert looking.is_held()
    asking.let_go()
    asking.let_go()
    assert not looking.is_held()


def test_two_who_ask_at_once_do_not_wait_for_each_other(tmp_path):
    one, other = QuestionMark(tmp_path), QuestionMark(tmp_path)
    one.hold()
    other.hold()
    other.let_go()
    assert QuestionMark(tmp_path).is_held()
    one.let_go()
    assert not QuestionMark(tmp_path).is_held()


def test_who_is_killed_asks_no_longer(tmp_path):
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
