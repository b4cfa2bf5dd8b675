"""The server's index of vectors against comparing them all, with filters and without."""

from __future__ import annotations

import resource
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from audiosearch.config import StoreConfig
from audiosearch.search.results import TextQuery
from audiosearch.store.database import Database, open_database
from audiosearch.store.postgresql import nearest
from audiosearch.store.queries.windows import NewWindow, insert_windows
from audiosearch.store.vectors import VectorTable, to_blob, unit_rows
from tests.postgres_server import PostgresServer, made_server
from tests.search_library import LibraryBuilder, Models
from tests.stored_vectors import fill, vectors

N, DIM, K = 4000, 32, 200


@pytest.fixture
def indexed(url: str, tmp_path: Path) -> Database:
    """A library of which every size is large."""
    store = StoreConfig(url=url, exact_below=0)
    return open_database(tmp_path / "data" / "library.sqlite3", store=store)


def test_the_index_finds_what_is_nearest(
    indexed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    joints = vectors(N, DIM)
    with indexed as database:
        bundle_id = fill(database, joints)
        with database.session() as session:
            silent = NewWindow(
                recording_id=1,
                position=1,
                start_s=10.0,
                end_s=20.0,
                silent=True,
                embedding=to_blob(joints[0][:4]),
                joint=None,
                frames=np.zeros((1, 4), np.float32),
            )
            insert_windows(session, [silent], bundle_id=bundle_id)
        database.settle()
        database.settle()  # which has nothing left to do
        halves = joints.astype(np.float16).astype(np.float32)
        table = VectorTable(ids=np.arange(1, N + 1), matrix=unit_rows(halves))
        queries = vectors(20, DIM, seed=1)
        filters = {
            "all": None,
            "half": np.arange(1, N + 1, 2),
            "1 %": np.arange(50, N + 1, 100),
            "0.1 %": np.arange(700, N + 1, 1000),
        }
        for few in (True, False):  # compared one by one, and by the index
            monkeypatch.setattr(nearest, "is_few", lambda *_, few=few: few)
            for name, allowed in filters.items():
                shares = []
                with database.reading() as session:
                    for query in queries:
                        found = nearest.nearest_windows(
                            session,
                            query,
                            column="joint",
                            bundle_id=bundle_id,
                            limit=K,
                            n_windows=N,
                            allowed=allowed,
                        )
                        exact = table.top_k(query, K, allowed=allowed)[0].tolist()
                        assert len(found) == len(set(found)) == len(exact), name
                        shares.append(len(set(found) & set(exact)) / len(exact))
                assert np.mean(shares) >= 0.99, (name, few)
        with database.reading() as session:
            session.execute(text("SET LOCAL enable_sort = off"))
            plan = session.scalars(
                text(
                    'EXPLAIN SELECT id FROM "window" WHERE bundle_id = 1 AND silent = 0'
                    " AND joint IS NOT NULL ORDER BY CAST(joint AS halfvec(32))"
                    f" <=> CAST('{[0.5] * DIM}' AS halfvec(32)) LIMIT 200"
                )
            )
            assert any("nearest_joint_1_32" in line for line in plan)


def test_more_is_read_from_the_index_than_its_first_walk_gives(
    indexed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    joints = vectors(N, DIM)
    monkeypatch.setattr(nearest, "_LEAST_TRIED", 40)
    monkeypatch.setattr(nearest, "_MOST_TRIED", 40)
    with indexed as database:
        bundle_id = fill(database, joints)
        database.settle()
        table = VectorTable(ids=np.arange(1, N + 1), matrix=unit_rows(joints))
        shares = []
        with database.reading() as session:
            for query in vectors(20, DIM, seed=1):
                found = nearest.nearest_windows(
                    session,
                    query,
                    column="joint",
                    bundle_id=bundle_id,
                    limit=K,
                    n_windows=N,
                    allowed=None,
                )
                shares.append(len(set(found) & set(table.top_k(query, K)[0].tolist())) / K)
    assert np.mean(shares) >= 0.99


def test_an_index_of_other_settings_is_built_anew(indexed: Database) -> None:
    options = text("SELECT reloptions FROM pg_class WHERE relname = 'nearest_joint_1_32'")
    with indexed as database:
        fill(database, vectors(50, DIM))
        database.settle()
        with database.session() as session:
            today = session.scalar(options)
            session.execute(text("DROP INDEX nearest_joint_1_32"))
            session.execute(
                text(
                    'CREATE INDEX nearest_joint_1_32 ON "window" USING hnsw'
                    " (CAST(joint AS halfvec(32)) halfvec_cosine_ops)"
                    " WITH (m = 4, ef_construction = 8)"
                )
            )
            session.execute(text('CREATE INDEX nearest_embedding_1_4 ON "window" (embedding)'))
        database.settle()
        with database.reading() as session:
            assert session.scalar(options) == today
            names = session.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'i'"))
            assert "nearest_embedding_1_4" not in names.all()  # which no question uses


def test_a_server_with_little_shared_memory_builds_by_one_process(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container, whose /dev/shm has 64 MB: no file of the server may be larger than 40."""
    folder = Path(tempfile.mkdtemp(prefix="audiosearch-small-"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        small = made_server(server.programs, folder, "min_parallel_table_scan_size = 0\n")
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (40 * 2**20, before[1]))
            small.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        try:
            store = StoreConfig(url=small.url(), exact_below=0)
            with open_database(tmp_path / "library.sqlite3", store=store) as database:
                fill(database, vectors(200, DIM))
                with caplog.at_level("INFO", logger=nearest.__name__):
                    database.settle()
                assert "shared memory" in caplog.text
                with database.reading() as session:
                    assert session.scalar(
                        text(
                            "SELECT indisvalid FROM pg_index WHERE indexrelid ="
                            " 'nearest_joint_1_32'::regclass"
                        )
                    )
        finally:
            small.stop()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("n_allowed", "n_windows", "expected"),
    [
        (10_000, 10_000, True),
        (30_000, 100_000, True),
        (50_000, 100_000, False),
        (100_000, 1_000_000, True),
        (150_000, 1_000_000, False),
        (1_000_000, 100_000_000, True),
    ],
)
def test_what_is_few_grows_with_the_library(n_allowed: int, n_windows: int, expected: bool) -> None:
    assert nearest.is_few(n_allowed, n_windows) is expected


def test_more_rows_are_read_of_more_windows() -> None:
    rows = [nearest.rows_beyond(n) for n in (10, 100_000, 1_000_000, 10_000_000)]
    assert rows[:2] == [1800, 1800]
    for fewer, more in pairwise(rows[1:]):
        assert 4.0 * fewer <= more <= 4.5 * fewer


@pytest.mark.parametrize(
    ("given", "cached", "n_windows", "expected"),
    [
        ("64MB", "4GB", 1000, "64MB"),
        ("64MB", "4GB", 1_000_000, "1633MB"),
        ("64MB", "4GB", 100_000_000, "2GB"),
        ("64MB", "100MB", 1_000_000, "512MB"),
        ("3GB", "4GB", 1_000_000, "1633MB"),
        ("3GB", "4GB", 100_000_000, "3GB"),
        ("64MB", "400GB", 100_000_000, "163270MB"),
    ],
)
def test_an_index_is_built_in_memory(
    database: Database, given: str, cached: str, n_windows: int, expected: str
) -> None:
    """In what it needs, in half of what settings say is there, or in what they give."""
    with database.session() as session:
        session.execute(text(f"SET LOCAL maintenance_work_mem = '{given}'"))
        session.execute(text(f"SET LOCAL effective_cache_size = '{cached}'"))
        nearest.allow_memory(session, nearest.build_memory_mb(n_windows, 256))
        assert session.scalar(text("SHOW maintenance_work_mem")) == expected


def test_answers_by_the_index_are_those_of_comparing_all(
    indexed: Database, url: str, models: Models, tmp_path: Path
) -> None:
    with indexed as database:
        builder = LibraryBuilder(database, models)
        builder.fill(12)
        database.settle()
        settings = {"exhaustive_below": 0, "candidates": 8}
        query = TextQuery(text="a dog barks", min_score=0.0)
        hits = builder.engine(**settings).find(query).hits
    exactly = StoreConfig(url=url, exact_below=1000)
    with open_database(tmp_path / "data" / "library.sqlite3", store=exactly) as database:
        others = LibraryBuilder(database, models).engine(**settings).find(query).hits
    assert [hit.window_id for hit in hits] == [hit.window_id for hit in others]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in others], abs=1e-5)
