"""The figures of docs/scaling.md are those that the script makes, and they hold together."""

from __future__ import annotations

import math

import pytest

from benchmarks.scaling_model import (
    GIVEN,
    MOST,
    PART,
    STORES,
    limits,
    postgresql,
    reached,
    reckon,
    sqlite,
    tables,
    values,
)


def test_the_page_holds_what_the_script_makes() -> None:
    assert PART.holds(tables())


def test_every_number_that_goes_in_says_where_it_comes_from() -> None:
    for each in GIVEN.values():
        assert each.what
        assert each.source
        assert each.value > 0, each.what


@pytest.mark.parametrize("size", ["small", "large"])
def test_what_is_measured_comes_out_at_the_size_of_the_measurement(size: str) -> None:
    given = values()
    n_windows = given[f"pg_{size}"]
    in_file, at_server = sqlite(n_windows, given), postgresql(n_windows, given)
    assert in_file.words_s == pytest.approx(given[f"words_s_{size}"])
    assert at_server.nearest_s == pytest.approx(given[f"pg_near_s_{size}"])
    assert at_server.words_s == pytest.approx(given[f"pg_words_s_{size}"])
    assert 3600 * at_server.build_core_h == pytest.approx(given[f"pg_build_s_{size}"])
    searched = sqlite(given[f"searched_{size}"], given)
    assert searched.nearest_s == pytest.approx(given[f"{size}_s"])


def test_ten_times_the_windows_take_ten_times_as_much() -> None:
    given = values()
    small, large = reckon(10_000_000, given), reckon(100_000_000, given)
    for name in ("core_h", "machines", "network_share", "hearing_usd"):
        assert getattr(large, name) == pytest.approx(10 * getattr(small, name))
    for of in STORES.values():
        few, many = of(10_000_000, given), of(100_000_000, given)
        for name in ("disk_bytes", "disk_usd", "memory_bytes", "driver_days", "driver_share"):
            assert getattr(many, name) == pytest.approx(10 * getattr(few, name))


def test_an_index_grows_by_the_same_factor_with_every_tenfold() -> None:
    given = values()
    first, second, third = (postgresql(n, given) for n in (1_000_000, 10_000_000, 100_000_000))
    factor = second.nearest_s / first.nearest_s
    assert 1.0 < factor < 10.0
    assert third.nearest_s / second.nearest_s == pytest.approx(factor)
    assert third.build_core_h > 10 * second.build_core_h > 100 * first.build_core_h


def test_limits_are_where_what_they_say_is_reached() -> None:
    given = values()
    found = {(store, what): at for at, store, what in limits(given)}
    [patience] = [at for (_, what), at in found.items() if what.startswith("candidates")]
    assert sqlite(patience, given).nearest_s == pytest.approx(given["patience_s"])
    for name, of in STORES.items():
        [driver] = [
            at for (store, what), at in found.items() if store == name and "one driver" in what
        ]
        assert of(driver, given).driver_days == pytest.approx(given["days"])
    [built] = [at for (_, what), at in found.items() if what.startswith("building")]
    assert postgresql(built, given).build_core_h == pytest.approx(
        24 * given["days"] * given["cores"]
    )
    assert list(found.values()) == sorted(found.values())
    assert max(found.values()) < MOST


def test_what_is_never_reached_is_no_limit() -> None:
    assert reached(lambda _: 1.0, 2.0) == math.inf
    assert reached(lambda n: n, 1e6) == pytest.approx(1e6)
