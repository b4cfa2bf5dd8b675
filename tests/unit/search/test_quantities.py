"""Times and dates as people write them."""

import contextlib
import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.search.quantities import (
    parse_bit_depths,
    parse_channels,
    parse_duration,
    parse_levels,
    parse_rates,
    parse_since,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1:30", 90), ("1:02:03", 3723)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_query_error(text):
    with contextlib.suppress(QueryError):
        assert parse_duration(text) >= 0


def test_since_takes_dates_and_ages():
    now = 1_000_000.0
    assert parse_since("36h", now=now) == now - 36 * 3600
    assert parse_since("2w", now=now) == now - 14 * 86_400
    assert parse_since("2026-05-01", now=now) == datetime(2026, 5, 1).timestamp()
    assert parse_since("2026-05-01T12:30", now=now) == datetime(2026, 5, 1, 12, 30).timestamp()


NOW = datetime(2026, 3, 31, 14, 20, 30)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", datetime(2026, 3, 31)),
        (" Yesterday ", datetime(2026, 3, 30)),
        ("now", NOW),
        ("monday", datetime(2026, 3, 30)),
        ("tuesday", datetime(2026, 3, 24)),  # not today
        ("last Wednesday", datetime(2026, 3, 25)),
        ("this week", datetime(2026, 3, 30)),
        ("this month", datetime(2026, 3, 1)),
        ("this year", datetime(2026, 1, 1)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("2  days", NOW - timedelta(days=2)),
        ("a week ago", NOW - timedelta(days=7)),
        ("an hour ago", NOW - timedelta(hours=1)),
        ("1.5 hours ago", NOW - timedelta(minutes=90)),
        ("10 minutes ago", NOW - timedelta(minutes=10)),
        ("last week", NOW - timedelta(days=7)),
        ("last month", datetime(2026, 2, 28, 14, 20, 30)),
        ("4 months ago", datetime(2025, 11, 30, 14, 20, 30)),
        ("2 years ago", datetime(2024, 3, 31, 14, 20, 30)),
        ("2W", NOW - timedelta(days=14)),
        ("2026-02", datetime(2026, 2, 1)),
        ("2025", datetime(2025, 1, 1)),
        ("2026-03-01 12:30", datetime(2026, 3, 1, 12, 30)),
    ],
)
def test_since_takes_words(text, expected):
    assert parse_since(text, now=NOW.timestamp()) == expected.timestamp()


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,30} ?(days|months|years|w)( ago)?"))
def test_any_text_is_a_moment_or_a_query_error(text):
    with contextlib.suppress(QueryError):
        assert parse_since(text, now=NOW.timestamp()) < math.inf


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "0.5 months ago", "9999999 years ago", "13 2026", "2026-13-01", "-3h", "h"],
)
def test_since_refuses_the_rest(text):
    with pytest.raises(QueryError, match="neither a date nor an age"):
        parse_since(text, now=0.0)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_rates, "48000", (48_000, 48_000)),
        (parse_rates, "44.1k", (44_100, 44_100)),
        (parse_rates, "44.1 kHz:", (44_100, None)),
        (parse_rates, ":22050Hz", (None, 22_050)),
        (parse_rates, "8k:16K", (8000, 16_000)),
        (parse_channels, "Stereo", (2, 2)),
        (parse_channels, "5.1", (6, 6)),
        (parse_channels, "mono:5.1", (1, 6)),
        (parse_bit_depths, ":16", (None, 16)),
        (parse_levels, "-30:-16.5", (-30, -16.5)),
        (parse_levels, "-0.1:", (-0.1, None)),
        (parse_levels, " : -40 ", (None, -40)),
    ],
)
def test_limits(parse, text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_rates, text) for text in ("", ":", "x", "16k:8k", "1:2:3", "nan", "inf:", "k")),
        *((parse_channels, text) for text in ("2.5", "two", "stereo:mono", "")),
        *((parse_bit_depths, text) for text in ("16.5", "24bit")),
        *((parse_levels, text) for text in ("-23", "", ":", "-16:-30", "a:b", "nan:0")),
    ],
)
def test_what_are_no_limits_is_refused_with_an_example(parse, text):
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert repr(text) in refused.value.reason
    assert "write" in str(refused.value.remedy)


@given(st.sampled_from([parse_rates, parse_channels, parse_bit_depths, parse_levels]), st.text())
def test_any_text_is_limits_or_a_query_error(parse, text):
    with contextlib.suppress(QueryError):
        assert len(parse(text)) == 2
