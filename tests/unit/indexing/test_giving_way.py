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


def test_a_piece_waits_for_the_question_in_hand_and_helpers_with_it():
    asked, answered = threading.Event(), threading.Event()
    asked.set()
    way = GivingWay(asked.is_set, stop=threading.Event())
    seen: list[str] = []

    def work():
        with way.piece():
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


def test_however_much_is_asked_a_share_of_the_time_is_left(monkeypatch):
    now = [0.0]
    stop = threading.Event()
    monkeypatch.setattr(batching.time, "monotonic", lambda: now[0])

    def look(_seconds):
        now[0] += 0.01
        return False

    monkeypatch.setattr(stop, "wait", look)
    way = GivingWay(lambda: True, stop=stop)
    worked = 0.0
    for piece_s in (0.4, 1.0, 0.1, 3.0, 0.0, 0.4) * 5:
        with way.piece():
            now[0] += piece_s
        worked += piece_s
    assert batching.SHARE * 0.8 < worked / now[0] < 1


def test_with_nobody_asking_nothing_waits():
    way = GivingWay(batching.nobody_asks, stop=threading.Event())
    begun = time.monotonic()
    for _ in range(1000):
        with way.piece():
            way.wait()
    assert time.monotonic() - begun < 5


def test_to_be_stopped_ends_a_pause():
    stop = threading.Event()
    way = GivingWay(lambda: True, stop=stop)
    way._worked_s = 3600.0
    threading.Timer(0.05, stop.set).start()
    with way.piece():
        assert stop.is_set()


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
