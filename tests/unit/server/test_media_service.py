"""Decoding processes that many share: never more than so many, best the one that has the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from audiosearch.audio.sandbox.client import WorkerLimits
from audiosearch.server.media import service
from audiosearch.server.media.service import DecoderPool


class Fake:
    """A worker that starts no process."""

    def __init__(self, _limits: WorkerLimits) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[DecoderPool]:
    monkeypatch.setattr(service, "Worker", Fake)
    pool = DecoderPool(WorkerLimits(), size=2, idle_s=0.05)
    yield pool
    pool.close()


def test_the_one_that_goes_on_is_preferred(pool: DecoderPool) -> None:
    with pool.borrowed("a0", next_key="a1") as first, pool.borrowed("b0", next_key="b1") as second:
        assert first is not second
    with pool.borrowed("a1", next_key="a2") as again:
        assert again is first
    with pool.borrowed("b1") as again:
        assert again is second
    assert pool.n_workers <= 2


def test_no_more_than_so_many_and_all_are_served(pool: DecoderPool) -> None:
    lent, most, lock = set(), 0, threading.Lock()

    def work(number: int) -> None:
        nonlocal most
        for step in range(20):
            with pool.borrowed((number, step), next_key=(number, step + 1)) as worker:
                with lock:
                    assert worker not in lent  # never two at once
                    lent.add(worker)
                    most = max(most, len(lent))
                with lock:
                    lent.discard(worker)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 2


def test_what_is_idle_ends(pool: DecoderPool) -> None:
    with pool.borrowed("a") as worker:
        assert isinstance(worker, Fake)
    assert worker.closed.wait(10.0)
    with pool.borrowed("a") as other:
        assert other is not worker


def test_one_that_was_being_started_when_the_pool_closed_is_not_lent(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Fake] = []

    def start(limits: WorkerLimits) -> Fake:
        pool.close()
        started.append(Fake(limits))
        return started[0]

    monkeypatch.setattr(service, "Worker", start)
    with pytest.raises(RuntimeError, match="stopping"), pool.borrowed("a"):
        pass
    assert started[0].closed.is_set()
    assert pool.n_workers == 0


def test_a_pool_that_closes_ends_all_and_lends_nothing(pool: DecoderPool) -> None:
    with pool.borrowed("a") as worker:
        assert isinstance(worker, Fake)
        with pool.borrowed("b") as other:
            assert isinstance(other, Fake)
        waiting = threading.Thread(target=pool.close)
        waiting.start()
        waiting.join()
        assert other.closed.is_set()
        assert worker.closed.is_set()  # in the middle of its work
    with pytest.raises(RuntimeError, match="stopping"), pool.borrowed("a"):
        pass
