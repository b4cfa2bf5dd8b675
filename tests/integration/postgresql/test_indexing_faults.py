"""Indexing into a library on a server while it fails: here, and by the workers of a cluster."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from audiosearch.config import StoreConfig
from audiosearch.errors import LibraryLocked, SchemaTooNew, StorageFull, StoreError
from audiosearch.indexing import writer as writer_module
from audiosearch.indexing.types import IndexReport
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from tests.cluster_fakes import BATCH, Cluster
from tests.e2e.command import Command
from tests.indexing_fakes import DIMS, FakeModels, WaveReader, run_index, states, write_wav
from tests.postgres_server import PostgresServer
from tests.sounds import noise, write_audio

AGAIN = "goes on where it stopped"
_ROWS = (
    "SELECT f.path, f.display, f.state, r.audio_hash FROM sound_file AS f"
    " LEFT JOIN recording AS r ON r.id = f.recording_id ORDER BY f.path",
    "SELECT r.audio_hash, e.n_windows FROM encoding AS e"
    " JOIN recording AS r ON r.id = e.recording_id ORDER BY 1",
    'SELECT r.audio_hash, w.position, w.start_s, w.end_s, c.text FROM "window" AS w'
    " JOIN recording AS r ON r.id = w.recording_id"
    " JOIN window_frames AS f ON f.window_id = w.id"
    " LEFT JOIN window_caption AS s ON s.window_id = w.id"
    " LEFT JOIN caption AS c ON c.id = s.caption_id ORDER BY 1, 2, 5",
)


def rows(database: Database) -> list[Any]:
    with database.reading() as session:
        return [[tuple(row) for row in session.execute(text(query))] for query in _ROWS]


def n_windows(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(text('SELECT count(*) FROM "window"')) or 0


def fill(folder: Path) -> Path:
    for number in range(5):
        write_wav(folder / f"{number}.wav", seconds=1.5 + number, seed=number)
    (folder / "none.wav").write_bytes(b"no sound at all")
    return folder


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return fill(tmp_path / "sounds")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a run into a file makes of them, where nothing fails."""
    place = tmp_path_factory.mktemp("plain")
    with open_database(place / "data" / "library.sqlite3") as database:
        run_index(database, fill(place / "sounds"), open_reader=WaveReader)
        return rows(database)


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Callable[..., Database]:
    def opened(**options: Any) -> Database:
        path = tmp_path / "data" / "library.sqlite3"
        return open_database(path, store=StoreConfig(url=url), **options)

    return opened


def alone(database: Database, folder: Path, models: FakeModels) -> IndexReport:
    return run_index(database, folder, models=models, open_reader=WaveReader, commit_s=0)


def by_workers(database: Database, folder: Path, models: FakeModels) -> IndexReport:
    return Cluster(models=models).index(database, folder)


@pytest.mark.parametrize("run", [alone, by_workers])
@pytest.mark.parametrize("point", ["encoding", "batch.windows", "batch.commit"])
@pytest.mark.parametrize("fault", ["restart", "cut"])
def test_a_server_that_fails_in_mid_batch_costs_that_batch(
    opened: Callable[..., Database],
    server: PostgresServer,
    name: str,
    sounds: Path,
    plain: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., IndexReport],
    point: str,
    fault: str,
) -> None:
    models, n_passages = FakeModels(), [0]

    def fail(passed: str = "encoding") -> None:
        if passed == point:
            n_passages[0] += 1
            if n_passages[0] == 3:
                server.restart() if fault == "restart" else server.cut_connections(name)

    models.encoder.on_batch = fail
    monkeypatch.setattr(writer_module, "failpoint", fail)
    with opened() as database, pytest.raises(StoreError, match=AGAIN):
        run(database, sounds, models)
    with opened() as database:
        assert verify(database, dims=DIMS) == []
        kept = n_windows(database)
        before = models.encoder.n_windows
        run(database, sounds, models)
        assert rows(database) == plain
        assert verify(database, dims=DIMS) == []
        # What was committed is not heard again; what was under way at two workers is, once.
        assert models.encoder.n_windows - before == n_windows(database) - kept
        assert before - kept <= 3 * BATCH
        assert run(database, sounds, models).n_windows == 0


def test_a_writer_that_lost_its_lock_in_mid_transaction_writes_nothing(
    opened: Callable[..., Database], server: PostgresServer, name: str, sounds: Path
) -> None:
    """Its connection with the lock alone is cut, and another driver begins to write at once."""
    models = FakeModels()
    holders = (
        "FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        f" WHERE l.locktype = 'advisory' AND d.datname = '{name}'"
    )
    with opened() as database:
        alone(database, sounds, models)
        before = rows(database)
        with pytest.raises(StoreError, match=AGAIN):
            _write_without_lock(database, server, holders)
        assert rows(database) == before
    with opened() as database:
        assert rows(database) == before


def _write_without_lock(database: Database, server: PostgresServer, holders: str) -> None:
    with database.session() as session:
        session.execute(text("UPDATE sound_file SET display = 'lost'"))
        server.execute(f"SELECT pg_terminate_backend(l.pid) {holders}")
        while server.execute(f"SELECT 1 {holders}"):  # it ends when it comes to it
            pass


@pytest.mark.parametrize("run", [alone, by_workers])
def test_a_second_driver_is_refused_and_harms_nothing(
    opened: Callable[..., Database],
    sounds: Path,
    plain: list[Any],
    run: Callable[..., IndexReport],
) -> None:
    models = FakeModels()
    refused: list[LibraryLocked] = []

    def second() -> None:
        if len(models.encoder.batches) == 2:
            with pytest.raises(LibraryLocked, match=r"audiosearch \d+@") as told:
                opened(turn_s=0.1)
            refused.append(told.value)

    models.encoder.on_batch = second
    with opened() as database:
        run(database, sounds, models)
        assert rows(database) == plain
    assert len(refused) == 1
    assert "wait until it has finished" in str(refused[0])


def test_a_library_that_a_later_version_migrates_meanwhile(
    opened: Callable[..., Database], server: PostgresServer, name: str, sounds: Path
) -> None:
    """Who reads holds no lock: a server of the older version runs on, and must not guess."""
    with opened() as database:
        alone(database, sounds, FakeModels())
    with opened(read_only=True) as reader:
        assert n_windows(reader) > 0
        server.execute("UPDATE alembic_version SET version_num = '9999'", database=name)
        with pytest.raises(SchemaTooNew, match="upgrade audiosearch"):
            n_windows(reader)
        with pytest.raises(SchemaTooNew, match="upgrade audiosearch"):
            opened(turn_s=0.1)


@pytest.fixture
def small_space(server: PostgresServer) -> Iterator[tuple[str, Path]]:
    """The URL of a database on a file system of 24 MB of its own, and where that is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk, on Linux")
    place = Path(tempfile.mkdtemp(prefix="audiosearch-space-"))
    owner = pwd.getpwnam("nobody")
    options = f"size=24m,uid={owner.pw_uid},gid={owner.pw_gid},mode=0700"
    mounting = ["mount", "-t", "tmpfs", "-o", options, "audiosearch-test", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        place.rmdir()
        pytest.skip("nothing can be mounted here")
    try:
        (place / "space").mkdir()
        os.chown(place / "space", owner.pw_uid, owner.pw_gid)
        server.execute(f"CREATE TABLESPACE small LOCATION '{place / 'space'}'")
        server.execute("CREATE DATABASE on_small TABLESPACE small")
        try:
            yield server.url("on_small"), place
        finally:
            server.execute("DROP DATABASE on_small WITH (FORCE)")
            server.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def fill_up(place: Path, *, leaving: int) -> Path:
    filler, room = place / "filler", os.statvfs(place)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - leaving))
    return filler


@pytest.mark.slow
def test_a_server_whose_disk_is_full(
    small_space: tuple[str, Path], tmp_path: Path, toy_bundle: Path
) -> None:
    url, place = small_space
    command = Command(
        data_dir=tmp_path / "data",
        bundle=str(toy_bundle),
        environ={"AUDIOSEARCH_STORE_URL": url, "AUDIOSEARCH_INDEX_BATCH_WINDOWS": "4"},
    )
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    write_audio(sounds / "first.wav", noise(seconds=20.0, seed=9))
    assert command("index", sounds).status == 0
    for number in range(3):  # more than the free places of pages that are there could take
        write_audio(sounds / f"long-{number}.wav", noise(seconds=400.0, seed=number))
    filler = fill_up(place, leaving=24_000)
    stopped = command("index")
    assert stopped.status == 2, stopped.err
    assert "the server's disk is full" in stopped.err
    assert AGAIN in " ".join(stopped.err.split())
    assert "Traceback" not in stopped.err
    assert command("verify").status == 0
    assert command("find", "a bell", "--json", "--min-score", "0").rows
    filler.unlink()
    assert command("index").status == 0
    assert command("verify").status == 0
    assert command("index", "--json").rows[0]["windows_encoded"] == 0
    assert command("status", "--json").rows[0]["files"]["indexed"] == 4


@pytest.mark.slow
def test_a_server_so_full_that_nobody_can_connect(
    server: PostgresServer, small_space: tuple[str, Path], tmp_path: Path, toy_bundle: Path
) -> None:
    """A server writes a file of its own for the first who connects after its catalogue changed."""
    url, place = small_space
    command = Command(
        data_dir=tmp_path / "data",
        bundle=str(toy_bundle),
        environ={"AUDIOSEARCH_STORE_URL": url},
    )
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    write_audio(sounds / "first.wav", noise(seconds=20.0, seed=9))
    assert command("index", sounds).status == 0
    server.execute("VACUUM FULL pg_class", database="on_small")
    filler = fill_up(place, leaving=0)
    for asked in (("index",), ("find", "a bell")):
        stopped = command(*asked)
        assert stopped.status == 2
        assert "the server's disk is full" in stopped.err
        assert "Traceback" not in stopped.err
    filler.unlink()
    assert command("verify").status == 0
    assert command("find", "a bell", "--json", "--min-score", "0").rows


def test_what_workers_heard_waits_for_room_on_the_server(
    small_space: tuple[str, Path], tmp_path: Path
) -> None:
    url, place = small_space
    sounds = fill(tmp_path / "sounds")
    path = tmp_path / "data" / "library.sqlite3"
    models = FakeModels()
    with open_database(path, store=StoreConfig(url=url)) as database:
        by_workers(database, sounds, models)
        for number in range(6):
            write_wav(sounds / "more" / f"{number}.wav", seconds=40.0, seed=100 + number)
        filler = fill_up(place, leaving=64_000)
        with pytest.raises(StorageFull, match="disk is full"):
            by_workers(database, sounds, models)
        kept, before = n_windows(database), models.encoder.n_windows
        assert verify(database, dims=DIMS) == []
        filler.unlink()
        by_workers(database, sounds, models)
        assert models.encoder.n_windows - before == n_windows(database) - kept
        assert before - kept <= 3 * BATCH
        assert "pending" not in states(database).values()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["batch.windows:2", "batch.commit:3", "transaction.done:6"])
def test_a_driver_that_is_killed_is_followed_by_another(
    url: str, tmp_path: Path, toy_bundle: Path, point: str
) -> None:
    """At once: its lock goes with its process, and nothing that was committed is heard again."""
    command = Command(
        data_dir=tmp_path / "data",
        bundle=str(toy_bundle),
        environ={
            "AUDIOSEARCH_STORE_URL": url,
            "AUDIOSEARCH_INDEX_BATCH_WINDOWS": "2",
            "AUDIOSEARCH_INDEX_COMMIT_S": "0",
        },
    )
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for number in range(3):
        write_audio(sounds / f"{number}.wav", noise(seconds=25.0, seed=number))
    command.environ["AUDIOSEARCH_FAULT"] = point
    assert command("index", sounds).status == -signal.SIGKILL
    del command.environ["AUDIOSEARCH_FAULT"]
    assert command("verify").status == 0
    with open_database(
        tmp_path / "data" / "library.sqlite3", store=StoreConfig(url=url), read_only=True
    ) as database:
        kept = n_windows(database)
    again = command("index", sounds, "--json")
    assert again.status == 0, again.err
    assert again.rows[0]["windows_encoded"] == 3 * 4 - kept
    assert command("verify").status == 0
