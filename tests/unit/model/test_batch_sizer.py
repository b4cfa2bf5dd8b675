"""Batches sized to a card's memory."""

from __future__ import annotations

import pytest

from audiosearch.model.runtime.batching import FIRST, MOST, BatchSizer, Need, rows_that_fit

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("before", "taken", "n_samples", "expected"),
    [
        (8 * GB, 400_000_000, 1000, 56),  # 100 MB a row, 5.6 GB of 8 to use
        (8 * GB, 400_000_000, 2000, 28),  # twice as long
        (8 * GB, 400_000_000, 10, MOST),
        (8 * GB, 4_000_000, 1000, MOST),
        (GB, 4 * GB, 1000, 1),  # not even one, by this account: the run itself will tell
        (8 * GB, 0, 1000, MOST),
        (8 * GB, -GB, 1000, MOST),  # another program gave memory back meanwhile
    ],
)
def test_rows_fit_into_the_share_of_what_is_free(
    before: int, taken: int, n_samples: int, expected: int
) -> None:
    need = Need(rows=4, n_samples=1000, before=before, after=before - taken)
    assert rows_that_fit(need, n_samples=n_samples) == expected


class Card:
    """So much memory, of which runs take their share and keep it."""

    def __init__(self, free: int, *, row: int) -> None:
        self.free, self.row, self.kept = free, row, 0

    def told(self) -> int:
        return self.free - self.kept

    def take(self, rows: int) -> int:
        self.kept = max(self.kept, rows * self.row)
        assert self.kept <= self.free
        return rows


@pytest.mark.parametrize("free", [2 * GB, 5 * GB, 80 * GB])
def test_the_first_run_is_small_and_teaches_the_rest(free: int) -> None:
    card = Card(free, row=100_000_000)
    room = BatchSizer(card.told)
    sizes = []
    for _ in range(4):
        rows = room.rows(320_000)
        sizes.append(room.run(lambda rows=rows: card.take(rows), rows=rows, n_samples=320_000))
    assert sizes[0] == FIRST
    assert len(set(sizes[1:])) == 1
    assert FIRST < sizes[1] <= MOST
    assert sizes[1] == min(MOST, int(0.7 * free / card.row))
    assert room.rows(640_000) <= -(-sizes[1] // 2) or sizes[1] == MOST


def test_a_refusal_halves_for_good() -> None:
    room = BatchSizer(lambda: None)
    assert room.rows(10) == MOST
    room.refused(MOST)
    assert room.rows(10) == MOST // 2
    room.refused(1)
    assert room.rows(10) == 1
    measured = BatchSizer(lambda: GB)
    measured.run(lambda: None, rows=FIRST, n_samples=10)
    assert measured.rows(10) == MOST
    measured.refused(7)
    assert measured.rows(10) == 3


def test_a_run_that_fails_is_not_measured() -> None:
    room = BatchSizer(lambda: GB)
    with pytest.raises(RuntimeError):
        room.run(_fail, rows=FIRST, n_samples=10)
    room.refused(FIRST)
    assert room.rows(10) == FIRST // 2


def _fail() -> None:
    raise RuntimeError("out of memory")


def test_a_driver_that_falls_silent_ends_the_measuring() -> None:
    told = iter([GB, GB, None])
    room = BatchSizer(lambda: next(told))
    assert room.rows(10) == FIRST
    assert room.run(lambda: 1, rows=FIRST, n_samples=10) == 1
    assert room.rows(10) == MOST
