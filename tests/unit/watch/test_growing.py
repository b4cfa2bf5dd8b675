"""How long files rest that were heard too early; the clock is a plain value here."""

from __future__ import annotations

from audiosearch.watch.debounce import LONGEST_S, Growing

FILE = b"/sounds/take.wav"


def test_a_file_that_was_never_heard_rests_as_any_other():
    growing = Growing(2.0)
    assert growing.touched(FILE, now=0.0) == 2.0
    assert growing.waits(now=0.0) == {}


def test_the_wait_doubles_with_each_hearing_that_came_too_early():
    growing, now, waits = Growing(2.0), 0.0, []
    for _ in range(9):
        growing.indexed([FILE], now=now)
        now += 1
        waits.append(growing.touched(FILE, now=now))
        assert growing.waits(now=now) == {FILE: waits[-1]}
        now += waits[-1]
    assert waits == [4, 8, 16, 32, 64, 128, 256, LONGEST_S, LONGEST_S]


def test_events_between_two_hearings_count_once():
    growing = Growing(2.0)
    growing.indexed([FILE], now=0.0)
    assert [growing.touched(FILE, now=float(now)) for now in range(1, 5)] == [4.0] * 4


def test_a_recorder_that_writes_every_half_minute_for_a_day_is_heard_a_few_times():
    growing, heard, due = Growing(2.0), 0, None
    for now in range(86_400):
        if now % 30 == 0:
            due = now + growing.touched(FILE, now=float(now))
        if due is not None and now >= due:
            heard, due = heard + 1, None
            growing.indexed([FILE], now=float(now))
    assert heard == 4  # after 2, 4, 8 and 16 seconds; 32 are not to be had
    assert due is not None


def test_a_file_that_is_left_alone_is_as_any_other_again():
    growing = Growing(2.0)
    growing.indexed([FILE], now=0.0)
    assert growing.touched(FILE, now=599.0) == 4.0
    assert growing.touched(FILE, now=599.0 + 600.0) == 2.0
    growing.indexed([FILE], now=2000.0)
    assert growing.waits(now=2600.0) == {}


def test_the_longest_wait_is_kept_by_those_that_write_seldom():
    growing, now = Growing(2.0), 0.0
    for _ in range(20):
        growing.indexed([FILE], now=now)
        now += 299.0
        wait = growing.touched(FILE, now=now)
        now += wait
    assert wait == LONGEST_S


def test_files_do_not_wait_for_each_other():
    growing = Growing(2.0)
    growing.indexed([b"/a", b"/b"], now=0.0)
    growing.indexed([b"/a"], now=10.0)
    assert growing.waits(now=10.0) == {b"/a": 8.0, b"/b": 4.0}
    assert growing.waits(now=605.0) == {b"/a": 8.0}


def test_settings_that_ask_for_more_are_heeded():
    growing = Growing(1000.0)
    growing.indexed([FILE], now=0.0)
    assert growing.touched(FILE, now=1900.0) == 1000.0
