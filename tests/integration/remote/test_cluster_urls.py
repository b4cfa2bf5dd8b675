"""Workers that fetch sounds from a store by themselves; see `tests.cluster_fakes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiosearch._urls import UrlPath
from audiosearch.audio.sandbox.client import Worker
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError
from audiosearch.store.database import Database
from audiosearch.store.integrity.verify import verify
from tests.cluster_fakes import Cluster
from tests.indexing_fakes import DIMS, FakeModels, run_index, states, write_wav
from tests.remote_stores import FlakyStore, flaky_store, raises

FIELD = UrlPath("flaky://box/field")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlakyStore]:
    """Five sounds of three windows each."""
    with flaky_store() as found:
        for number in range(5):
            write_wav(tmp_path / "made.wav", seconds=2, seed=number)
            found.pipe(f"flaky://box/field/{number}.wav", (tmp_path / "made.wav").read_bytes())
        yield found


def test_workers_fetch_for_themselves(database: Database, store: FlakyStore) -> None:
    report = Cluster(open_reader=Worker).index(database, FIELD)
    assert (report.n_encoded, report.n_failed, report.offline) == (5, 0, ())
    assert set(states(database).values()) == {"indexed"}
    assert verify(database, dims=DIMS) == []
    models = FakeModels()
    assert run_index(database, models=models).n_unchanged == 5  # the plain command goes on
    assert models.encoder.n_windows == 0


@pytest.mark.parametrize("n_times", [1, 50])
def test_a_store_that_one_machine_does_not_reach(
    database: Database, store: FlakyStore, n_times: int
) -> None:
    """Others read what it gave up; where nobody can, it waits and is no failure."""
    left = [n_times]

    class Cut(Worker):
        def open(self, path: bytes, *, sample_rate: int, mixed: bool = True) -> Any:
            if path.endswith(b"3.wav") and left[0]:
                left[0] -= 1
                raise DecodeError("cut off", code=DecodeCode.AWAY, path=path)
            return super().open(path, sample_rate=sample_rate, mixed=mixed)

    report = Cluster(open_reader=Cut).index(database, FIELD)
    assert report.n_failed == report.n_missing == 0
    found = dict(states(database))
    assert found.pop("3.wav") == ("indexed" if n_times == 1 else "pending")
    assert set(found.values()) == {"indexed"}


def test_a_machine_that_may_not_list_the_store_is_left_out(
    database: Database, store: FlakyStore
) -> None:
    def refuse(what: str, path: str) -> None:
        if store.n_asked.count("ls /box/field") > 1:  # the driver's was the first
            raise PermissionError

    store.trouble.append(refuse)
    with pytest.raises(AudiosearchError, match="does not see flaky://box/field"):
        Cluster(open_reader=Worker).index(database, FIELD)
    assert set(states(database).values()) == {"pending"}


def test_a_store_that_goes_in_mid_run(database: Database, store: FlakyStore) -> None:
    models = FakeModels()

    def cut() -> None:
        store.trouble[:] = [raises(ConnectionError("cut"))]

    models.encoder.on_batch = cut
    report = Cluster(models=models, open_reader=Worker, nodes=["a"]).index(database, FIELD)
    assert report.n_failed == report.n_missing == 0
    assert report.offline == (b"flaky://box/field",)
    assert "pending" in states(database).values()
    store.trouble.clear()
