"""The files that are known of a place: those of it, in order, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.files import FileStat
from audiosearch.store.queries.places import path_inside
from audiosearch.store.schema import SoundFile

# Names around the separator, which is b"/": b"." is before it, b"0" after.
names = st.lists(st.sampled_from([b"a", b"a.", b"a0", b"b", b"\xff", b"."]), min_size=1, max_size=3)
paths = st.sets(names.map(b"/".join), max_size=12)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with open_database(tmp_path_factory.mktemp("known") / "library.sqlite3") as database:
        with database.session() as session:
            roots.add_roots(session, [b"/one", b"/other"])
        yield database


@given(known=paths, gone=paths, under=names.map(b"/".join))
def test_of_a_place_all_is_known_and_nothing_else(
    database: Database, known: set[bytes], gone: set[bytes], under: bytes
) -> None:
    with database.session() as session:
        session.execute(delete(SoundFile))
        one, other = (root.root_id for root in roots.list_roots(session))
        everything = sorted(known | gone)
        for root_id in (one, other):
            files.add_files(session, root_id, [FileStat(path, 1, 1, 1) for path in everything])
        rows = {row.path: row.file_id for row in files.known_files(session, one)}
        files.set_missing(session, [rows[path] for path in gone])
        assert list(rows) == everything
        inside = [row.path for row in files.known_files(session, one, under=under)]
        assert inside == [path for path in everything if path_inside(path, under) is not None]
        assert files.count_there(session, one) == len(known - gone)
        assert files.count_there(session, other) == len(everything)
        there = any(path_inside(path, under) is not None for path in known - gone)
        assert files.any_there(session, one, under=under) == there
