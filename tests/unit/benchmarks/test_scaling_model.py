"""The figures of docs/scaling.md are those that the script makes, and they hold together."""

from __future__ import annotations

import pytest

from benchmarks.scaling_model import (
    DAY_S,
    GIVEN,
    PAGE,
    limits,
    page_with,
    reckon,
    tables,
    values,
)


def test_the_page_holds_what_the_script_makes() -> None:
    page = PAGE.read_text("utf-8")
    assert page_with(page, tables()) == page
    assert tables() in page


def test_every_number_that_goes_in_says_where_it_comes_from() -> None:
    for each in GIVEN.values():
        assert each.what
        assert each.source
        assert each.value > 0, each.what


def test_what_is_measured_comes_out_at_the_size_of_the_measurement() -> None:
    given = values()
    assert reckon(1_000_000, given).candidates_s == pytest.approx(given["large_s"])
    assert reckon(100_000, given).candidates_s == pytest.approx(given["small_s"])


def test_ten_times_the_windows_take_ten_times_as_much() -> None:
    given = values()
    small, large = reckon(10_000_000, given), reckon(100_000_000, given)
    for name in ("core_h", "machines", "disk_bytes", "vector_bytes", "driver_days", "hearing_usd"):
        assert getattr(large, name) == pytest.approx(10 * getattr(small, name))


def test_limits_are_where_what_they_say_is_reached() -> None:
    given = values()
    found = {what: n_windows for n_windows, what in limits(given)}
    [patience] = [n for what, n in found.items() if what.startswith("candidates")]
    assert reckon(round(patience), given).candidates_s == pytest.approx(given["patience_s"])
    [driver] = [n for what, n in found.items() if what.startswith("one driver")]
    assert reckon(round(driver), given).driver_days == pytest.approx(given["days"])
    assert driver * given["store_s"] == pytest.approx(given["days"] * DAY_S)
    assert list(found.values()) == sorted(found.values())
