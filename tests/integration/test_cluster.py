"""Indexing by several workers: the rows of one machine, whoever dies on the way."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from audiosearch.cluster.handout import MOST_LOOKS
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError
from audiosearch.indexing.reader import Readers
from audiosearch.indexing.types import NoProgress
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries.failed import failed_files
from tests.cluster_fakes import BATCH, Cluster, found_bundle
from tests.indexing_fakes import (
    DIMS,
    FRAME_DIM,
    FakeModels,
    WaveReader,
    run_index,
    states,
    write_wav,
)
from tests.library_rows import library_frames, library_rows

# Windows of the sound that has a copy: where half of it is stored and another run goes on, its copy
# may be opened first, which does not build on what another file gave.
COPIED = 6


def rows(database: Database) -> dict[str, list[Any]]:
    return library_rows(database.path)


def fill(folder: Path) -> Path:
    """Short and long sounds, a copy, one that is silent, and two that are none."""
    for number in range(8):
        write_wav(folder / f"{number}.wav", seconds=0.4 + number, seed=number)
    shutil.copy(folder / "3.wav", folder / "3 copy.wav")
    write_wav(folder / "silent.wav", seconds=2.0)
    quiet = (folder / "silent.wav").read_bytes()
    (folder / "silent.wav").write_bytes(quiet[:44] + bytes(len(quiet) - 44))
    (folder / "empty.wav").write_bytes(b"")
    (folder / "none.wav").write_bytes(b"no sound at all")
    return folder


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return fill(tmp_path / "sounds")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """What one machine makes of them."""
    place = tmp_path_factory.mktemp("plain")
    with open_database(place / "data" / "library.sqlite3") as database:
        run_index(database, fill(place / "sounds"), open_reader=WaveReader)
        yield database


def n_windows(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(text("SELECT count(*) FROM window")) or 0


class Told(NoProgress):
    """What the user was told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.done: list[int] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def advance(self, *, n_files: int, **_more: float) -> None:
        self.done.append(n_files)


def test_the_rows_are_those_of_one_machine(
    database: Database, plain: Database, sounds: Path
) -> None:
    cluster = Cluster()
    told = Told()
    report = cluster.index(database, sounds, progress=told)
    assert rows(database) == rows(plain)
    for ours, theirs in zip(
        library_frames(database, dim=FRAME_DIM), library_frames(plain, dim=FRAME_DIM), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
    assert report.n_failed == 2
    assert report.n_encoded + report.n_recognised == 10
    assert report.n_windows == n_windows(database)
    assert report.sound_s == pytest.approx(sum(0.4 + n for n in range(8)) + 2.0)
    assert told.done[-1] == 12
    assert {"open", "decode", "encode", "store"} <= report.stages_s.keys()
    assert {slot.spot.node_id for slot in cluster.engine.slots} == {"a", "b"}
    assert cluster.engine.closed
    assert max(cluster.models.encoder.batches) <= BATCH
    again = Cluster()
    assert again.index(database).n_windows == 0
    assert again.engine.slots == []  # nothing to read: no worker is started


def test_a_worker_asks_once_a_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are what an engine costs; some to spare for a worker that waits in vain."""
    n_files = 40
    for number in range(n_files):
        write_wav(tmp_path / "many" / f"{number}.wav", seed=number)
    cluster = Cluster(nodes=["a"])
    calls: Counter[str] = Counter()
    call = cluster.engine.call

    def counted(worker: Any, method: str, *arguments: object) -> Any:
        calls[method] += 1
        return call(worker, method, *arguments)

    monkeypatch.setattr(cluster.engine, "call", counted)
    assert cluster.index(database, tmp_path / "many").n_encoded == n_files
    assert calls["exchange"] <= 1.5 * n_files
    assert calls["batch"] <= n_files / BATCH + 5


def test_a_session_ends_while_its_readers_start(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, ends = Readers.__enter__, []

    def ended_meanwhile(readers: Readers) -> Readers:
        if not ends:
            [slot] = cluster.engine.slots
            ends.append(threading.Thread(target=slot.worker.end))
            ends[0].start()
            assert readers._stopped_outside.wait(5.0)
            ends[0].join(0.3)  # it waits, or goes wrong at once
            stop.set()
        return start(readers)

    cluster = Cluster(nodes=["a"])
    monkeypatch.setattr(Readers, "__enter__", ended_meanwhile)
    stop = threading.Event()
    assert cluster.index(database, sounds, stop=stop).interrupted
    ends[0].join(5.0)
    assert not ends[0].is_alive()


def test_captions_can_be_left_out(database: Database, sounds: Path) -> None:
    Cluster().index(database, sounds, captions=False)
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM caption")) == 0
    run_index(database, open_reader=WaveReader)
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM caption")) > 0


def said(database: Database) -> list[tuple[object, ...]]:
    """What is said of each window."""
    with database.reading() as session:
        found = session.execute(
            text(
                "SELECT w.recording_id, w.position, c.text, s.cross_entropy FROM window w"
                " JOIN window_caption s ON s.window_id = w.id JOIN caption c ON c.id = s.caption_id"
                " ORDER BY 1, 2, 3"
            )
        ).all()
    return [tuple(row) for row in found]


def test_captions_that_were_left_out_are_written_by_workers(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    Cluster().index(database, sounds, captions=False)
    shutil.copytree(database.path.parent, tmp_path / "other")
    with open_database(tmp_path / "other" / database.path.name) as other:
        run_index(other, open_reader=WaveReader, batch_windows=BATCH)
        here = said(other)
    models = FakeModels()
    cluster = Cluster(models=models)
    n_deaths = [0]

    def die_once() -> None:
        if not n_deaths[0]:
            n_deaths[0] += 1
            next(s for s in cluster.engine.slots if s.calls).die()

    models.captioner.on_batch = die_once
    told = Told()
    report = cluster.index(database, progress=told)
    assert said(database) == here
    assert report.n_captioned == len(here) > 2 * BATCH
    assert report.n_windows == 0  # nothing is heard again
    assert any("what it was doing is done once more" in each for each in told.warnings)
    assert Cluster().index(database).n_captioned == 0


def test_captions_that_kill_whoever_writes_them_end_the_run(
    database: Database, sounds: Path
) -> None:
    Cluster().index(database, sounds, captions=False)
    models = FakeModels()
    cluster = Cluster(models=models, nodes=["a"])
    models.captioner.on_batch = lambda: cluster.engine.slots[0].die()  # noqa: PLW0108 - hired later
    with pytest.raises(AudiosearchError, match="workers died over the same piece of work"):
        cluster.index(database)
    assert cluster.engine.closed
    assert Cluster().index(database).n_captioned > 0  # nothing is lost


@pytest.mark.parametrize("batch", range(1, 8))
def test_a_worker_that_dies_costs_its_batch(
    database: Database, plain: Database, sounds: Path, batch: int
) -> None:
    """While it encodes its first, second ... batch."""
    models = FakeModels()
    cluster = Cluster(models=models, nodes=["a"])

    def die() -> None:
        if len(models.encoder.batches) == batch:
            cluster.engine.slots[0].die()

    models.encoder.on_batch = die
    told = Told()
    cluster.index(database, sounds, progress=told)
    assert cluster.engine.slots[0].n_deaths == 1
    assert rows(database) == rows(plain)
    repeated = models.encoder.n_windows - n_windows(database)
    assert 0 <= repeated <= BATCH
    assert [each for each in told.warnings if "its files are read once more" in each]


def test_workers_that_die_again_and_again(
    database: Database, plain: Database, sounds: Path
) -> None:
    """Four times, every third batch is the end of a worker."""
    models = FakeModels()
    cluster = Cluster(models=models)
    deaths = []

    def die() -> None:
        if len(models.encoder.batches) % 3 == 0 and len(deaths) < 4:
            for slot in [each for each in cluster.engine.slots if is_at_work(each)][:1]:
                slot.die()
                deaths.append(slot)

    def is_at_work(slot: Any) -> bool:
        return any(not call.done() for call in slot.calls)

    models.encoder.on_batch = die
    cluster.index(database, sounds)
    assert deaths
    assert rows(database) == rows(plain)
    # The batch of whoever was killed, and that in which the killing happened.
    assert models.encoder.n_windows - n_windows(database) <= 2 * BATCH * len(deaths)


def test_a_file_that_kills_its_worker_fails_alone(
    database: Database, plain: Database, sounds: Path
) -> None:
    poison = os.fsencode(sounds / "5.wav")

    class Deadly(WaveReader):
        def open(self, path: bytes, *, sample_rate: int) -> Any:
            if path == poison:
                for slot in cluster.engine.slots:
                    slot.die()
            return super().open(path, sample_rate=sample_rate)

    cluster = Cluster(open_reader=Deadly, nodes=["a"])
    cluster.index(database, sounds)
    [failed] = [each for each in failed_files_of(database) if each.error_code == DecodeCode.CRASHED]
    assert failed.display.endswith("5.wav")
    assert "workers died over it" in failed.error_text
    expected = states(plain)
    assert states(database) == {
        name: "failed" if name.endswith("5.wav") else state for name, state in expected.items()
    }
    assert verify(database, dims=DIMS) == []


def failed_files_of(database: Database) -> list[Any]:
    with database.reading() as session:
        return failed_files(session)


def test_copies_of_a_sound_do_not_wait_for_a_dead_worker(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    write_wav(folder / "0.wav", seconds=9.0, seed=1)
    for number in range(1, 6):
        shutil.copy(folder / "0.wav", folder / f"{number}.wav")
    models = FakeModels()
    cluster = Cluster(models=models)

    def die() -> None:
        if len(models.encoder.batches) == 2:
            for slot in cluster.engine.slots:
                slot.die()

    models.encoder.on_batch = die
    report = cluster.index(database, folder)
    assert set(states(database).values()) == {"indexed"}
    assert (report.n_encoded, report.n_recognised) == (1, 5)
    assert models.encoder.n_windows - n_windows(database) <= 2 * BATCH


def test_a_machine_goes_and_another_comes(
    database: Database, plain: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.cluster.crew._LOOK_S", 0.0)
    models = FakeModels()
    cluster = Cluster(models=models, nodes=["a"])

    def change() -> None:
        if len(models.encoder.batches) == 2:
            cluster.engine.nodes[:] = ["b"]

    models.encoder.on_batch = change
    cluster.index(database, sounds)
    assert rows(database) == rows(plain)
    assert [slot.spot.node_id for slot in cluster.engine.slots] == ["a", "b"]


def test_nobody_is_left(database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosearch.cluster.crew._LOOK_S", 0.0)
    models = FakeModels()
    cluster = Cluster(models=models, nodes=["a"])
    models.encoder.on_batch = cluster.engine.nodes.clear
    with pytest.raises(AudiosearchError, match="its machine is gone"):
        cluster.index(database, sounds)
    assert cluster.engine.closed
    run_index(database, open_reader=WaveReader)
    assert "pending" not in states(database).values()


@pytest.mark.parametrize("all_blind", [False, True])
def test_a_machine_that_does_not_see_the_folder_is_left_out(
    database: Database,
    plain: Database,
    sounds: Path,
    monkeypatch: pytest.MonkeyPatch,
    all_blind: bool,
) -> None:
    """No file is blamed, or taken for missing."""
    asked: list[bytes] = []

    def seen(root: bytes) -> bool:
        asked.append(root)
        return not all_blind and len(asked) > 1  # whoever is asked first sees nothing at first

    monkeypatch.setattr("audiosearch.cluster.worker._seen", seen)
    told = Told()
    if all_blind:
        with pytest.raises(AudiosearchError, match="does not see"):
            Cluster().index(database, sounds, progress=told)
        assert set(states(database).values()) == {"pending"}
    else:
        Cluster().index(database, sounds, progress=told)
        assert rows(database) == rows(plain)
    assert any("left out until it does" in each for each in told.warnings)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_share_that_goes_away_in_mid_run(
    database: Database, plain: Database, sounds: Path, left: str
) -> None:
    """On all machines, the driver's too: no file is blamed or missing, and the next run goes on."""
    models = FakeModels()
    away = sounds.with_name("away")

    def unmount() -> None:
        if len(models.encoder.batches) == 2:
            sounds.rename(away)
            if left == "an empty folder":
                sounds.mkdir()

    models.encoder.on_batch = unmount
    told = Told()
    with contextlib.suppress(AudiosearchError):  # which is raised where nobody sees it any more
        Cluster(models=models).index(database, sounds, progress=told)
    assert [each for each in told.warnings if "does not see" in each or "went away" in each]
    assert "missing" not in states(database).values()
    assert "pending" in states(database).values()
    blamed = {each.display for each in failed_files_of(database)}
    assert blamed <= {"empty.wav", "none.wav"}  # which are no sound wherever they are
    if left == "an empty folder":
        sounds.rmdir()
    away.rename(sounds)
    models.encoder.on_batch = lambda: None
    Cluster(models=models).index(database)
    assert rows(database) == rows(plain)
    assert models.encoder.n_windows - n_windows(database) <= 2 * BATCH + COPIED


@pytest.mark.parametrize("skew_s", [-3 * 86400.0, 3 * 86400.0, -2e9, 4e9])
def test_clocks_that_differ(
    database: Database,
    plain: Database,
    sounds: Path,
    monkeypatch: pytest.MonkeyPatch,
    skew_s: float,
) -> None:
    """The driver's is off, files bear times of other machines, and it is set right in between."""
    real, real_ns = time.time, time.time_ns
    for number, file in enumerate(sorted(sounds.iterdir())):
        os.utime(file, (real() + (number % 3 - 1) * 86400.0,) * 2)
    models = FakeModels()
    cluster = Cluster(models=models)
    jumps = itertools.cycle([skew_s, 0.0, -skew_s / 2])

    def jump() -> None:
        shift_s = next(jumps)
        monkeypatch.setattr(time, "time", lambda: real() + shift_s)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + round(shift_s * 1e9))

    jump()
    models.encoder.on_batch = jump
    cluster.index(database, sounds)
    assert rows(database) == rows(plain)
    assert verify(database, dims=DIMS) == []
    jump()
    assert Cluster(models=models).index(database).n_windows == 0
    # A file that was written to is heard, whatever day it says it is of.
    write_wav(sounds / "0.wav", seconds=1.5, seed=99)
    os.utime(sounds / "0.wav", (real() - 400 * 86400.0,) * 2)
    assert Cluster(models=models).index(database).n_encoded == 1


@pytest.mark.parametrize("n_times", [1, MOST_LOOKS - 1, MOST_LOOKS])
def test_a_file_that_a_worker_cannot_read_and_the_driver_can(
    database: Database, plain: Database, sounds: Path, n_times: int
) -> None:
    left = [n_times]

    class Blind(WaveReader):
        def open(self, path: bytes, *, sample_rate: int) -> Any:
            if path.endswith(b"5.wav") and left[0]:
                left[0] -= 1
                raise DecodeError("no such file", code=DecodeCode.UNREADABLE, path=path)
            return super().open(path, sample_rate=sample_rate)

    Cluster(open_reader=Blind, nodes=["a"]).index(database, sounds)
    if n_times < MOST_LOOKS:
        assert rows(database) == rows(plain)
    else:
        found = states(database)
        assert [name for name, state in found.items() if state == "failed" and "5" in name]
        assert "missing" not in found.values()


def test_a_file_that_goes_while_it_waits_is_missing(database: Database, sounds: Path) -> None:
    class Gone(WaveReader):
        def open(self, path: bytes, *, sample_rate: int) -> Any:
            if path.endswith(b"5.wav"):
                (sounds / "5.wav").unlink(missing_ok=True)
            return super().open(path, sample_rate=sample_rate)

    report = Cluster(open_reader=Gone).index(database, sounds)
    assert report.n_missing == 1
    assert [n for n, state in states(database).items() if state == "missing"] == ["5.wav"]


def test_a_file_that_changed_when_its_worker_died(database: Database, tmp_path: Path) -> None:
    """What was heard of it is forgotten, and copies of what it was are heard for themselves."""
    folder = tmp_path / "changing"
    write_wav(folder / "0.wav", seconds=9.0, seed=1)
    shutil.copy(folder / "0.wav", folder / "1.wav")
    models = FakeModels()
    cluster = Cluster(models=models, nodes=["a"])

    def die() -> None:
        if len(models.encoder.batches) == 2:
            write_wav(folder / "0.wav", seconds=5.0, seed=2)
            cluster.engine.slots[0].die()

    models.encoder.on_batch = die
    cluster.index(database, folder)
    run_index(database, open_reader=WaveReader)  # a file that changed is seen again by the next run
    with database.reading() as session:
        found = session.execute(
            text(
                "SELECT f.path, e.n_windows FROM sound_file f"
                " JOIN encoding e ON e.recording_id = f.recording_id ORDER BY 1"
            )
        ).all()
    assert [tuple(row) for row in found] == [(b"0.wav", 9), (b"1.wav", 17)]


def test_a_run_that_is_stopped_goes_on_later(
    database: Database, plain: Database, sounds: Path
) -> None:
    models = FakeModels()
    stop = threading.Event()
    models.encoder.on_batch = lambda: stop.set() if len(models.encoder.batches) == 2 else None
    report = Cluster(models=models).index(database, sounds, stop=stop)
    assert report.interrupted
    assert 0 < n_windows(database) < n_windows(plain)
    assert models.encoder.n_windows == n_windows(database)  # batches in hand are not thrown away
    models.encoder.on_batch = lambda: None
    Cluster(models=models).index(database)
    assert rows(database) == rows(plain)
    assert models.encoder.n_windows - n_windows(plain) <= COPIED


def test_an_error_of_the_store_ends_the_run(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, n_commits = database.session, [0]

    def failing() -> Any:
        n_commits[0] += 1
        if n_commits[0] == 6:
            raise AudiosearchError("the disk is full")
        return real()

    cluster = Cluster()
    monkeypatch.setattr(database, "session", failing)
    with pytest.raises(AudiosearchError, match="the disk is full"):
        cluster.index(database, sounds)
    assert cluster.engine.closed
    run_index(database, open_reader=WaveReader)
    assert "pending" not in states(database).values()


def test_a_worker_of_another_version_is_left_out(database: Database, sounds: Path) -> None:
    with pytest.raises(AudiosearchError, match=r"it has audiosearch 9\.9\.9, not 1\.2\.3"):
        Cluster(version="9.9.9").index(database, sounds)
    assert set(states(database).values()) == {"pending"}


def test_a_model_that_a_machine_lacks_is_sent(
    database: Database,
    plain: Database,
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def only_sent(folder: Path) -> Any:
        assert folder == Path("/models") or (folder / "bundle.json").read_text() == "{}"
        return found_bundle(folder if folder == Path("/nowhere") else kept(folder))

    def kept(folder: Path) -> Path:
        return Path("/models") if folder != Path("/models") else Path("/lacks")

    cluster = Cluster(bundle=only_sent)
    cluster.index(
        database, sounds, model_files=lambda: {"bundle.json": b"{}", "deep/encoder.onnx": b"x"}
    )
    assert rows(database) == rows(plain)
    [folder] = tmp_path.glob("audiosearch-models-*")
    assert folder.stat().st_mode & 0o077 == 0
    [model] = folder.iterdir()
    assert (model / "deep" / "encoder.onnx").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../out", "/tmp/out"])
def test_a_model_whose_files_lead_out_of_its_folder_is_refused(
    database: Database, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def lacking(folder: Path) -> Any:
        return found_bundle(Path("/lacks"))

    with pytest.raises(AudiosearchError, match="a file of it is called"):
        Cluster(bundle=lacking).index(database, sounds, model_files=lambda: {name: b"x"})


def test_one_worker_takes_no_more_than_it_soon_reads(database: Database, tmp_path: Path) -> None:
    """So that at the end of a run, one is not left with much while others have nothing."""
    folder = tmp_path / "long"
    for number in range(16):
        write_wav(folder / f"{number}.wav", seconds=4.0, seed=number)
    waiting: list[int] = []

    class Held(WaveReader):
        def open(self, path: bytes, *, sample_rate: int) -> Any:
            for slot in cluster.engine.slots:
                session = slot.worker._session
                if session is not None:
                    waiting.append(len(session._waiting))
            return super().open(path, sample_rate=sample_rate)

    cluster = Cluster(open_reader=Held)
    cluster.index(database, folder)
    assert waiting
    assert max(waiting) <= 2 * BATCH
