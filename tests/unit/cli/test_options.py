"""Times and dates as people write them."""

import contextlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.cli.quantities import parse_duration, parse_since
from audiosearch.errors import QueryError


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


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "-3h", "h"])
def test_since_refuses_the_rest(text):
    with pytest.raises(QueryError, match="neither a date nor an age"):
        parse_since(text, now=0.0)
