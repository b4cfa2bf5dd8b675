"""Work in pieces on several workers: done once each, in order, whoever dies."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audiosearch.cluster.pieces import DEADLY, Piece, PieceFunction, in_pieces
from audiosearch.errors import AudiosearchError, BundleError
from audiosearch.store.database import Database
from tests.cluster_fakes import BATCH, Cluster, crew_on
from tests.indexing_fakes import FakeModels, WaveReader, run_index, write_wav


class Asking:
    """Gives pieces to the workers of a cluster."""

    def __init__(self, cluster: Cluster, warned: list[str] | None) -> None:
        self.crew = crew_on(cluster.engine)
        self.warned = [] if warned is None else warned

    def results_of(
        self,
        function: PieceFunction[int],
        given: Iterator[int],
        *,
        common: object = None,
        roots: Sequence[bytes] = (),
        stop: threading.Event | None = None,
    ) -> Iterator[int]:
        pieces = (Piece(function, each) for each in given)
        return in_pieces(
            self.crew, pieces, common=common, roots=roots, warn=self.warned.append, stop=stop
        )


@contextmanager
def crew_of(cluster: Cluster, warned: list[str] | None = None) -> Iterator[Asking]:
    asking = Asking(cluster, warned)
    yield asking
    asking.crew.close()


def plus(_model: Any, common: int, given: int) -> int:
    return common + given


def test_results_come_in_the_order_of_the_pieces() -> None:
    first = threading.Event()

    def slow(_model: Any, common: int, given: int) -> int:
        if given == 0:
            first.wait(10)  # until the others are done
        if given == 2:
            first.set()
        return common + given

    asked: list[int] = []

    def given() -> Iterator[int]:
        for number in range(40):
            asked.append(number)
            yield number

    cluster = Cluster()
    with crew_of(cluster) as crew:
        results = crew.results_of(slow, given(), common=100)
        assert next(results) == 100
        assert len(asked) <= 6  # as they are needed
        assert list(results) == list(range(101, 140))
        # The same crew goes on with other work.
        assert list(crew.results_of(plus, iter([1, 2]), common=1)) == [2, 3]
        assert list(crew.results_of(plus, iter([]), common=1)) == []
        assert len(cluster.engine.slots) == 2
    assert cluster.engine.closed


def test_no_piece_no_engine() -> None:
    cluster = Cluster()
    with crew_of(cluster) as crew:
        assert list(crew.results_of(plus, iter([]), common=1)) == []
    assert cluster.engine.slots == []
    assert not cluster.engine.closed


def test_a_piece_whose_worker_dies_is_done_by_another() -> None:
    died: list[int] = []

    def deadly(_model: Any, _common: None, given: int) -> int:
        if given in (3, 5) and given not in died:
            died.append(given)
            for slot in cluster.engine.slots:
                slot.die()
        return given

    cluster, warned = Cluster(nodes=["a"]), list[str]()
    with crew_of(cluster, warned) as crew:
        assert list(crew.results_of(deadly, iter(range(8)))) == list(range(8))
    assert died == [3, 5]
    assert [each for each in warned if "what it was doing is done once more" in each]


def test_a_piece_that_is_the_death_of_several_is_told_of() -> None:
    def deadly(_model: Any, _common: None, given: int) -> int:
        if given == 2:
            cluster.engine.slots[0].die()
        return given

    cluster = Cluster(nodes=["a"])
    results = list[int]()
    with (
        crew_of(cluster) as crew,
        pytest.raises(AudiosearchError, match=f"{DEADLY} workers died over the same piece of work"),
    ):
        results.extend(crew.results_of(deadly, iter(range(5))))
    assert cluster.engine.slots[0].n_deaths == DEADLY


def test_what_no_worker_can_do_ends_with_its_remedy() -> None:
    def unfit(_model: Any, _common: None, _given: int) -> int:
        raise BundleError("does not score", remedy="take another")

    warned: list[str] = []
    with (
        crew_of(Cluster(), warned) as crew,
        pytest.raises(BundleError, match=r"does not score.*take another"),
    ):
        list(crew.results_of(unfit, iter(range(5))))
    assert sorted(warned) == [f"{name} is left out: does not score (take another)" for name in "ab"]


def test_a_folder_that_nobody_sees_is_named(tmp_path: Path) -> None:
    away = tmp_path / "away"
    with (
        crew_of(Cluster()) as crew,
        pytest.raises(AudiosearchError, match=r"does not see .*away.*same path"),
    ):
        list(crew.results_of(plus, iter([1]), common=1, roots=[os.fsencode(away)]))


def test_a_stop_ends_it_also_while_nobody_is_there() -> None:
    stop = threading.Event()

    def stopping(_model: Any, _common: None, given: int) -> int:
        if given == 2:
            stop.set()
        return given

    with crew_of(Cluster(nodes=["a"])) as crew:
        assert set(crew.results_of(stopping, iter(range(50)), stop=stop)) <= {0, 1, 2}
        stop.clear()
        timer = threading.Timer(0.05, stop.set)
        timer.start()
        away = [b"/there/is/no/such/folder"]
        crew.crew._lonely_s = 1e9
        assert list(crew.results_of(stopping, iter(range(2)), roots=away, stop=stop)) == []
        timer.join()


def test_captions_need_neither_folders_nor_an_encoder(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    for number in range(3):
        write_wav(folder / f"{number}.wav", seconds=4.0, seed=number)
    run_index(database, folder, captions=False, open_reader=WaveReader)
    folder.rename(tmp_path / "away")
    models = FakeModels()
    report = Cluster(models=models).index(database)
    assert report.n_captioned > BATCH
    assert models.encoder.n_windows == 0
    (tmp_path / "away").rename(folder)
    write_wav(folder / "new.wav", seconds=4.0, seed=9)
    run_index(database, folder, captions=False, open_reader=WaveReader)
    write_wav(folder / "newer.wav", seconds=4.0, seed=10)
    both = Cluster().index(database)  # first what is new, then what was left out
    assert (both.n_encoded, both.n_captioned > 0) == (1, True)
