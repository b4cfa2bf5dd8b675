"""When files were recorded, by names and metadata as recorders write them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.search.clock import (
    by_hour,
    clock_text,
    parse_between,
    parse_date,
    recorded_at,
)
from audiosearch.search.filters import ClockFilter, DateSpan

RATE = 48_000


def when(name: str, **fields: str) -> str | None:
    found = recorded_at(
        name, {key.replace("__", "."): (text,) for key, text in fields.items()}, sample_rate=RATE
    )
    return None if found is None else found.isoformat()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20260501_221000.WAV", "2026-05-01T22:10:00"),  # AudioMoth
        ("20260501_221000T.WAV", "2026-05-01T22:10:00"),  # AudioMoth, triggered
        ("S4A01234_20260501_221000.wav", "2026-05-01T22:10:00"),  # Song Meter 4
        ("SM3_20260501$221000.wac", "2026-05-01T22:10:00"),  # Song Meter 3
        ("2MU01234_20260501_221000.wav", "2026-05-01T22:10:00"),  # Song Meter Mini
        ("20160801T000000+1000_REC.wav", "2016-08-01T00:00:00+10:00"),  # Frontier Labs
        ("20160801T000000-0330_REC.wav", "2016-08-01T00:00:00-03:30"),
        ("B1_20190501_060000Z.wav", "2019-05-01T06:00:00+00:00"),
        ("2026-05-01 22-10-00.wav", "2026-05-01T22:10:00"),  # Anabat
        ("2026-05-01 22.10.00.m4a", "2026-05-01T22:10:00"),  # phones
        ("Recording 2026-05-01 at 22.10.00.m4a", "2026-05-01T22:10:00"),
        ("REC20260501221000.mp3", "2026-05-01T22:10:00"),
        ("5678.260501221000.wav", "2026-05-01T22:10:00"),  # SoundTrap
        ("2026-05-01T22:10:00.wav", "2026-05-01T22:10:00"),
        ("20260501_221000-0001.wav", "2026-05-01T22:10:00"),  # a counter, no offset
        ("20260501_221000_Zoom.wav", "2026-05-01T22:10:00"),
        ("20260501-221000Zebra.wav", "2026-05-01T22:10:00"),
        ("20260230_221000.wav", None),  # no such day
        ("20260501_251000.wav", None),
        ("12345678.wav", None),
        ("ZOOM0001.WAV", None),
        ("20260501.wav", None),
        ("120260501_2210001.wav", None),
        ("5CE3F0A8.WAV", None),
        ("", None),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    assert when(name) == expected


def test_metadata_comes_before_the_name() -> None:
    name = "20200101_000000.wav"
    assert when(name, guano__timestamp="2026-05-01T22:10:00+02:00") == "2026-05-01T22:10:00+02:00"
    assert when(name, guano__timestamp="2026-05-01 22:10:00") == "2026-05-01T22:10:00"
    assert when(name, wamd__timestamp="2014-04-02 22:59:14-05:00") == "2014-04-02T22:59:14-05:00"
    moth = "Recorded at 20:00:00 15/06/2026 (UTC{}) by AudioMoth 24E144036"
    assert when(name, comment=moth.format("")) == "2026-06-15T20:00:00+00:00"
    assert when(name, comment=moth.format("+5:30")) == "2026-06-15T20:00:00+05:30"
    assert when(name, comment="at the river") == "2020-01-01T00:00:00"


def test_broadcast_wave_counts_samples_since_midnight() -> None:
    at = {"bwf__date": "2026-05-01", "bwf__time": "22:10:00"}
    assert when("a.wav", **at) == "2026-05-01T22:10:00"
    samples = str(int(RATE * (22 * 3600 + 10 * 60 + 0.5)))
    assert when("a.wav", **at, bwf__time_reference=samples) == "2026-05-01T22:10:00.500000"
    assert when("a.wav", bwf__date="2026:05:01", bwf__time="22-10-00") == "2026-05-01T22:10:00"
    beyond = str(RATE * 90_000)  # no time of the day
    assert when("a.wav", **at, bwf__time_reference=beyond) == "2026-05-01T22:10:00"
    assert when("a.wav", bwf__date="2026-05-01") is None
    assert when("20260501_221000.wav", bwf__date="0000-00-00", bwf__time="00:00:00") is not None


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_and_metadata_have_an_answer(name: str, text: str) -> None:
    for key in ("guano__timestamp", "wamd__timestamp", "comment", "bwf__date"):
        when(name, **{key: text})
    when(name, bwf__date="2026-05-01", bwf__time=text, bwf__time_reference=text)


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),
    st.floats(0, 1e6),
)
def test_a_time_in_a_name_is_read_back(moment: datetime, offset_s: float) -> None:
    moment = moment.replace(microsecond=0)
    assert when(f"A_{moment:%Y%m%d_%H%M%S}.wav") == moment.isoformat()
    told = datetime.fromisoformat(clock_text(moment, offset_s))
    assert abs(told - moment - timedelta(seconds=offset_s)) <= timedelta(milliseconds=1)


NIGHT = ClockFilter(between_s=parse_between("22:00-05:00"))


@pytest.mark.parametrize(
    ("start", "lasts_s", "is_in"),
    [
        ("2026-05-01T21:59:50", 10, False),
        ("2026-05-01T21:59:50", 11, True),
        ("2026-05-01T22:00:00", 0, True),
        ("2026-05-02T04:59:59", 5, True),
        ("2026-05-02T05:00:00", 5, False),
        ("2026-05-02T12:00:00", 5, False),
        ("2026-05-02T12:00:00", 36_000, False),
        ("2026-05-02T12:00:00", 36_001, True),
        ("2026-05-02T06:00:00", 5 * 86_400, True),
    ],
)
def test_a_night_goes_over_midnight(start: str, lasts_s: float, is_in: bool) -> None:
    begin = datetime.fromisoformat(start)
    assert NIGHT.holds(begin, begin + timedelta(seconds=lasts_s)) == is_in


def test_days_and_hours_must_hold_together() -> None:
    first = ClockFilter(between_s=NIGHT.between_s, dates=(parse_date("2026-05-01"),))
    begin = datetime(2026, 5, 1, 23, 59)
    assert first.holds(begin, begin + timedelta(seconds=10))
    assert not first.holds(begin + timedelta(minutes=2), begin + timedelta(minutes=3))
    day = ClockFilter(dates=(parse_date("2026-05-01..2026-05-03"), parse_date("2026-06")))
    for text, is_in in (("2026-04-30", False), ("2026-05-03", True), ("2026-06-30", True)):
        noon = datetime.fromisoformat(text + "T12:00:00+02:00")
        assert day.holds(noon, noon) == is_in


def test_what_ends_at_midnight_is_not_of_the_next_day() -> None:
    begin, midnight = datetime(2026, 5, 1, 23, 59, 50), datetime(2026, 5, 2)
    next_day = (parse_date("2026-05-02"),)
    for wanted in (
        ClockFilter(dates=next_day),
        ClockFilter(dates=next_day, between_s=parse_between("22:00-24:00")),
        ClockFilter(dates=next_day, between_s=NIGHT.between_s),
    ):
        assert not wanted.holds(begin, midnight)
    assert ClockFilter(dates=next_day).holds(begin, midnight + timedelta(seconds=1))
    assert ClockFilter(dates=next_day).holds(midnight, midnight)


def test_spans_and_dates_are_read() -> None:
    assert parse_between("22-5") == (79_200, 18_000)
    assert parse_between("0:00-24:00") == (0, 86_400)
    assert parse_between("22:30 to 05:15") == (81_000, 18_900)
    assert parse_date("2028-02").last == "2028-02-29"
    for text in ("", "22:00", "22:00-22:00", "25:00-26:00", "22:60-23:00", "-", "22:00-5pm"):
        with pytest.raises(QueryError):
            parse_between(text)
    for text in ("", "2026-13-01", "2026-05-02..2026-05-01", "..", "2026-05-01..", "2026-13", "0"):
        with pytest.raises(QueryError):
            parse_date(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("today", "2026-05-13", "2026-05-13"),
        (" Yesterday ", "2026-05-12", "2026-05-12"),
        ("monday", "2026-05-11", "2026-05-11"),
        ("last wednesday", "2026-05-06", "2026-05-06"),  # before today, which is one
        ("2 days ago", "2026-05-11", "2026-05-11"),
        ("a week ago", "2026-05-06", "2026-05-06"),
        ("last week", "2026-05-06", "2026-05-13"),
        ("this week", "2026-05-11", "2026-05-13"),
        ("this month", "2026-05-01", "2026-05-13"),
        ("36h", "2026-05-12", "2026-05-13"),
        ("2w", "2026-04-29", "2026-05-13"),
        ("now", "2026-05-13", "2026-05-13"),
        ("monday..yesterday", "2026-05-11", "2026-05-12"),
        ("2026-04..today", "2026-04-01", "2026-05-13"),
        ("2026-04..2026-05", "2026-04-01", "2026-05-31"),
    ],
)
def test_dates_take_the_words_of_since(text: str, first: str, last: str) -> None:
    wednesday = datetime(2026, 5, 13, 14, 30)
    assert parse_date(text, now=wednesday) == DateSpan(first=first, last=last)


@given(
    st.text(max_size=20) | st.from_regex(r"(last |a |9{1,30}|\d+)[a-z]{0,8}( ago)?", fullmatch=True)
)
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        found = parse_date(text, now=datetime(2026, 5, 13))
    except QueryError:
        return
    assert found.first <= found.last


def test_a_night_is_in_one_piece() -> None:
    starts = [datetime(2026, 5, 1, hour) for hour in (22, 23, 23, 0, 4)]
    rows = by_hour(starts)
    assert rows[:7] == [(22, 1), (23, 2), (0, 1), (1, 0), (2, 0), (3, 0), (4, 1)]
    assert sorted(hour for hour, _ in rows) == list(range(24))
    assert by_hour([]) == [(hour, 0) for hour in range(24)]
