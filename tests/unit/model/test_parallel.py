"""Runs side by side: results in order, errors, blocks."""

import threading
import time

import pytest

from audiosearch.model.runtime.parallel import (
    even_blocks,
    parallel_map,
    pause_if_wanted,
    pausing,
)


def test_results_come_in_order_from_several_threads() -> None:
    meet = threading.Barrier(3, timeout=30)  # passes only if three run at the same time

    def work(item: int) -> tuple[int, int]:
        meet.wait()
        return item, threading.get_ident()

    results = parallel_map(work, [4, 5, 6], workers=3)
    assert [item for item, _ in results] == [4, 5, 6]
    assert len({thread for _, thread in results}) == 3


@pytest.mark.parametrize(("n_items", "workers"), [(1, 4), (4, 1), (0, 2)])
def test_what_cannot_be_shared_starts_no_thread(n_items: int, workers: int) -> None:
    here = threading.get_ident()
    found = parallel_map(lambda _: threading.get_ident(), range(n_items), workers=workers)
    assert found == [here] * n_items


def test_work_inside_work_starts_no_more_threads() -> None:
    def work(_: int) -> set[int]:
        return {
            threading.get_ident(),
            *parallel_map(lambda _: threading.get_ident(), [1, 2], workers=2),
        }

    assert all(len(threads) == 1 for threads in parallel_map(work, [1, 2, 3], workers=2))


def test_an_error_ends_it() -> None:
    def work(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        parallel_map(work, [1, 0, 2], workers=2)


@pytest.mark.parametrize(
    ("n", "most", "workers", "sizes"),
    [
        (100, 32, 2, [25, 25, 25, 25]),
        (3, 16, 2, [1, 2]),
        (1, 16, 4, [1]),
        (0, 16, 2, []),
        (32, 16, 2, [16, 16]),
        (33, 16, 2, [8, 8, 8, 9]),
    ],
)
def test_blocks_are_even(n: int, most: int, workers: int, sizes: list[int]) -> None:
    blocks = even_blocks(range(n), most=most, workers=workers)
    assert [len(block) for block in blocks] == sizes
    assert [item for block in blocks for item in block] == list(range(n))


def test_whoever_is_to_pause_does_in_all_its_threads_and_nobody_else() -> None:
    paused: list[int] = []
    lock = threading.Lock()

    def pause() -> None:
        with lock:
            paused.append(threading.get_ident())

    def work(_item: int) -> None:
        time.sleep(0.01)  # so that each thread has some
        pause_if_wanted()

    with pausing(pause):
        parallel_map(work, range(6), workers=2)
        pause_if_wanted()
        other = threading.Thread(target=pause_if_wanted)
        other.start()
        other.join()
    pause_if_wanted()
    parallel_map(work, range(6), workers=2)
    assert len(paused) == 7
    assert len(set(paused)) == 3
    assert paused[-1] == threading.get_ident()
