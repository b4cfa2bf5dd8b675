"""Vector tables from a real database, and their cache beside it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.repair import repair
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions, encodings, generations, recordings
from audiosearch.store.queries.windows import insert_windows, new_window
from audiosearch.store.schema import CaptionSource, WindowRow
from audiosearch.store.sqlite import backup
from audiosearch.store.vector_cache import VectorKind, damaged_caches, grow_vectors, load_vectors
from audiosearch.store.vector_file import finish_vectors, open_vectors
from audiosearch.store.vectors import VectorTable, unit_rows

DIM = 6
FINGERPRINT = "a" * 64


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "library.sqlite3") as database:
        yield database


def vector(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


def add_windows(
    database: Database, seeds: Sequence[int], *, silent: bool = False, bundle: str = FINGERPRINT
) -> int:
    with database.session() as session:
        bundle_id = encodings.ensure_bundle(session, name="t", version="1", fingerprint=bundle)
        sound = recordings.NewRecording(
            audio_hash=bytes([seeds[0] % 256]) * 32,
            sample_rate=8000,
            channels=1,
            bit_depth=None,
            codec="x",
            container="x",
        )
        [recording_id] = recordings.ensure_recordings(session, [sound]).values()
        new = [
            new_window(
                recording_id=recording_id,
                position=position,
                start_s=position,
                end_s=position + 1,
                silent=silent,
                frames=np.ones((1, 2), np.float32),
                embedding=vector(seed),
                joint=vector(seed + 1000),
            )
            for position, seed in enumerate(seeds)
        ]
        insert_windows(session, new, bundle_id=bundle_id)
        return bundle_id


def load(
    database: Database,
    *,
    kind: VectorKind = VectorKind.EMBEDDING,
    cached: bool = True,
    in_parts: bool = False,
) -> VectorTable:
    with database.reading() as session:
        return load_vectors(
            session,
            bundle_id=1,
            fingerprint=FINGERPRINT,
            kind=kind,
            cache_dir=database.vectors_dir,
            cached_from=0 if cached else 10**9,
            in_parts=in_parts,
        )


def state(database: Database, kind: VectorKind = VectorKind.EMBEDDING) -> int:
    """What the kind's counter says now."""
    with database.reading() as session:
        return generations.read_generation(session, kind.counter)


def grow(
    session: Session, table: VectorTable, changed: int, kind: VectorKind = VectorKind.EMBEDDING
) -> VectorTable | None:
    return grow_vectors(session, table, changed=changed, bundle_id=1, kind=kind)


def cache_files(database: Database) -> list[str]:
    return sorted(path.name for path in database.vectors_dir.glob("*"))


def assert_same(left: VectorTable, right: VectorTable) -> None:
    np.testing.assert_array_equal(left.ids, right.ids)
    np.testing.assert_array_equal(left.matrix, right.matrix)


def test_the_cache_holds_what_the_database_holds(database: Database) -> None:
    add_windows(database, range(40))
    for kind, shift in ((VectorKind.EMBEDDING, 0), (VectorKind.JOINT, 1000)):
        table = load(database, kind=kind)
        expected = unit_rows(np.stack([vector(seed + shift) for seed in range(40)]))
        np.testing.assert_allclose(table.matrix, expected, atol=1e-3)
        assert_same(table, load(database, kind=kind, cached=False))
        assert_same(table, load(database, kind=kind))
    assert len(cache_files(database)) == 2


def test_new_windows_are_added_and_old_files_go(database: Database) -> None:
    add_windows(database, range(10))
    first = load(database)
    before = first.matrix.copy()
    add_windows(database, range(20, 25))
    second = load(database)
    assert (len(first), len(second)) == (10, 15)
    assert_same(second, load(database, cached=False))
    assert len(cache_files(database)) == 1
    np.testing.assert_array_equal(first.matrix, before)  # the old map still reads


def assert_alike(grown: VectorTable, whole: VectorTable) -> None:
    """A table in parts answers as one that was made in one go, to the last bit."""
    np.testing.assert_array_equal(grown.ids, whole.ids)
    np.testing.assert_array_equal(grown.owners, whole.owners)
    rows = np.random.default_rng(0).permutation(len(whole))
    np.testing.assert_array_equal(grown.take(rows), whole.matrix[rows])
    queries = np.stack([vector(seed) for seed in (3, 20, 999)])
    np.testing.assert_allclose(grown.similarities(queries), whole.similarities(queries), atol=1e-6)
    for query in queries:
        for k in (1, 7, len(whole)):
            for allowed in (None, whole.ids[::2], whole.ids[-3:]):
                ours, theirs = (x.top_k(query, k, allowed=allowed) for x in (grown, whole))
                np.testing.assert_array_equal(ours[0], theirs[0])
                np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)


@pytest.mark.parametrize("coarse_from", [1, 10**9])
def test_what_comes_is_added_to_an_older_file(
    database: Database, monkeypatch: pytest.MonkeyPatch, coarse_from: int
) -> None:
    monkeypatch.setattr("audiosearch.store.vector_file.COARSE_FROM", coarse_from)
    add_windows(database, range(60))
    load(database, in_parts=True)
    made = cache_files(database)
    add_windows(database, range(70, 80))
    grown = load(database, in_parts=True)
    assert grown.added is not None
    changed = state(database)
    add_windows(database, range(80, 83), silent=True)
    add_windows(database, range(90, 93))
    with database.reading() as session:
        further = grow(session, grown, changed)
    assert further is not None
    assert cache_files(database) == made  # nothing was written
    assert cache_problems(database) == []
    for table in (load(database, in_parts=True), further):
        assert_alike(table, load(database, cached=False))
    whole = load(database)  # in one piece
    assert whole.added is None
    assert_alike(further, whole)
    near, all_near = further.near(whole.matrix[:2]), whole.near(whole.matrix[:2])
    assert (near is None) == (all_near is None) == (coarse_from > 1)
    if near is not None and all_near is not None:
        np.testing.assert_array_equal(near, all_near)


def test_what_is_repaired_away_is_in_no_table(database: Database) -> None:
    add_windows(database, range(10))
    add_windows(database, range(20, 30))
    load(database)
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("DELETE FROM recording WHERE id = 1")  # its windows stay
    assert repair(database, dims={}).n_rows
    add_windows(database, range(40, 45))
    for in_parts in (True, False):
        assert_alike(load(database, in_parts=in_parts), load(database, cached=False))
    assert cache_problems(database) == []


def test_a_vector_of_another_size_is_told_of_and_mended(database: Database) -> None:
    add_windows(database, range(10))
    load(database)
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE window SET embedding = x'00' WHERE id = 3")
    assert "vectors" in {each.invariant for each in verify(database)}
    repair(database, dims={})
    assert "vectors" not in {each.invariant for each in verify(database)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows maps them")
def test_few_rows_are_read_by_themselves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.store.vector_file.COARSE_FROM", 1)
    add_windows(database, range(200))
    table, places = load(database), np.array([0, 3, 199])
    expected = load(database, cached=False).matrix[places]
    assert table.read_rows is not None
    np.testing.assert_array_equal(table.take(places), expected)
    np.testing.assert_array_equal(table.take(np.arange(200))[places], expected)  # mapped
    os.truncate(cache_path(database), 300)
    with pytest.raises(OSError, match="ends before its rows"):
        table.take(places)


def test_a_file_is_written_anew_once_much_was_added(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.store.vector_cache._MOST_ADDED", 5)
    add_windows(database, range(10))
    load(database, in_parts=True)
    made = cache_files(database)
    add_windows(database, range(20, 25))
    grown = load(database, in_parts=True)
    assert grown.added is not None
    assert cache_files(database) == made
    changed = state(database)
    add_windows(database, range(30, 31))
    with database.reading() as session:
        assert grow(session, grown, changed) is None
    table = load(database, in_parts=True)
    assert table.added is None
    assert_same(table, load(database, cached=False))
    assert cache_files(database) != made


@pytest.mark.parametrize("other", [range(40, 48), [*range(20, 60), 999, *range(61, 120)]])
def test_a_library_put_back_to_an_earlier_state_is_not_mixed_with_a_later_one(
    database: Database, tmp_path: Path, other: Sequence[int]
) -> None:
    """Though but one of a hundred rows be another."""
    add_windows(database, range(10))
    backup(database.path, tmp_path / "earlier")
    add_windows(database, range(20, 120))
    later, changed = load(database, in_parts=True), state(database)
    with (
        closing(sqlite3.connect(tmp_path / "earlier")) as earlier,
        closing(sqlite3.connect(database.path)) as present,
    ):
        earlier.backup(present)
    for added in (other, range(200, 205)):  # the first take the ids of those that are gone
        add_windows(database, added)
        expected = load(database, cached=False)
        assert_alike(load(database, in_parts=True), expected)
        assert cache_problems(database) == []
        with database.reading() as session:
            assert grow(session, later, changed) is None


def test_what_is_removed_is_no_longer_there(database: Database) -> None:
    add_windows(database, range(10))
    load(database)
    with database.session() as session:
        session.execute(delete(WindowRow).where(WindowRow.id.in_([3, 10])))
        generations.windows_removed(session)
    add_windows(database, range(30, 33))  # takes id 10 again
    table = load(database)
    assert table.ids.tolist() == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert_same(table, load(database, cached=False))


def test_silent_windows_and_other_bundles_are_left_out(database: Database) -> None:
    add_windows(database, range(4))
    add_windows(database, range(10, 13), silent=True)
    add_windows(database, range(20, 22), bundle="b" * 64)
    assert load(database).ids.tolist() == [1, 2, 3, 4]
    assert load(database, cached=False).ids.tolist() == [1, 2, 3, 4]


def test_windows_without_a_joint_vector_are_left_out(database: Database) -> None:
    add_windows(database, range(3))
    with database.session() as session:
        session.execute(update(WindowRow).where(WindowRow.id == 2).values(joint=None))
    assert load(database, kind=VectorKind.JOINT, cached=False).ids.tolist() == [1, 3]


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_cache_is_made_anew(database: Database, damage: str) -> None:
    add_windows(database, range(10))
    whole = load(database)
    expected = VectorTable(ids=whole.ids.copy(), matrix=whole.matrix.copy())
    (path,) = database.vectors_dir.glob("*.vectors")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes({"truncated": content[:-5], "empty": b"", "garbage": b"x" * 999}[damage])
    assert_same(load(database), expected)


LOAD = """
import sys
from pathlib import Path
from audiosearch.store.database import open_database
from audiosearch.store.vector_cache import VectorKind, load_vectors

with open_database(Path(sys.argv[1]), read_only=True) as database, database.reading() as session:
    load_vectors(session, bundle_id=1, fingerprint=sys.argv[2], kind=VectorKind.EMBEDDING,
                 cache_dir=database.vectors_dir, cached_from=0)
"""


def test_killed_while_a_cache_is_written(database: Database) -> None:
    add_windows(database, range(5))
    killed = subprocess.run(
        [sys.executable, "-c", LOAD, str(database.path), FINGERPRINT],
        env=os.environ | {"AUDIOSEARCH_FAULT": "vectors.replace"},
        check=False,
    )
    assert killed.returncode not in (0, 1)
    [left] = cache_files(database)
    assert left.endswith(".unfinished")
    assert_same(load(database), load(database, cached=False))
    assert any(name.endswith(".vectors") for name in cache_files(database))


def test_an_empty_library_has_an_empty_table(database: Database) -> None:
    assert len(load(database)) == 0
    assert len(load(database, cached=False)) == 0


def test_a_reader_keeps_its_own_state_of_the_library(database: Database) -> None:
    add_windows(database, range(10))
    with database.reading() as session:
        generations.read_generation(session, generations.WINDOWS)  # the snapshot begins
        add_windows(database, range(20, 25))
        assert len(load(database)) == 15
        older = load_vectors(
            session,
            bundle_id=1,
            fingerprint=FINGERPRINT,
            kind=VectorKind.EMBEDDING,
            cache_dir=database.vectors_dir,
            cached_from=0,
        )
        assert len(older) == 10
    assert len(load(database)) == 15


def test_a_folder_that_cannot_be_written_to_costs_only_time(
    database: Database, tmp_path: Path
) -> None:
    add_windows(database, range(10))
    database.vectors_dir.write_bytes(b"a file in the way")
    assert len(load(database)) == 10


def add_captions(database: Database, names: list[str], *, bundle: str | None = FINGERPRINT) -> None:
    """Captions, each with the vector of its length; with no bundle, without vectors."""
    with database.session() as session:
        ids = captions.ensure_captions(session, names, source=CaptionSource.USER)
        if bundle is not None:
            bundle_id = encodings.ensure_bundle(session, name="t", version="1", fingerprint=bundle)
            vectors = np.stack([vector(len(name)) for name in ids])
            captions.insert_caption_vectors(
                session, list(ids.values()), vectors, bundle_id=bundle_id
            )


def names(numbers: range) -> list[str]:
    return ["a" * (1 + number) for number in numbers]


def load_captions(database: Database, *, cached: bool = True) -> VectorTable:
    return load(database, kind=VectorKind.CAPTION, cached=cached)


def test_captions_are_cached_as_windows_are(database: Database) -> None:
    add_captions(database, names(range(20)))
    add_captions(database, ["of another bundle"], bundle="b" * 64)
    table = load_captions(database)
    expected = unit_rows(np.stack([vector(length) for length in range(1, 21)]))
    np.testing.assert_allclose(table.matrix, expected, atol=1e-3)
    assert_same(table, load_captions(database, cached=False))
    (made,) = cache_files(database)
    assert_same(table, load_captions(database))
    assert cache_files(database) == [made]


def test_windows_that_come_leave_the_cache_of_captions_alone(database: Database) -> None:
    add_captions(database, names(range(5)))
    load_captions(database)
    made = cache_files(database)
    add_windows(database, range(3))
    assert len(load_captions(database)) == 5
    assert cache_files(database) == made


def test_new_captions_come_into_the_cache_and_removed_ones_go(database: Database) -> None:
    add_captions(database, names(range(6)))
    load_captions(database)
    add_captions(database, names(range(6, 9)))
    assert load_captions(database).ids.tolist() == list(range(1, 10))
    with database.session() as session:
        captions.remove_captions(session, [2, 9])
    add_captions(database, ["said later"])  # takes id 9 again
    table = load_captions(database)
    assert table.ids.tolist() == [1, 3, 4, 5, 6, 7, 8, 9]
    assert_same(table, load_captions(database, cached=False))
    assert len(cache_files(database)) == 1


def test_a_caption_that_gets_its_vector_late_stands_in_its_place(database: Database) -> None:
    add_captions(database, ["early"], bundle=None)
    add_captions(database, names(range(4)))
    assert load_captions(database).ids.tolist() == [2, 3, 4, 5]
    with database.session() as session:
        captions.insert_caption_vectors(session, [1], vector(77)[None], bundle_id=1)
    table = load_captions(database)
    assert table.ids.tolist() == [1, 2, 3, 4, 5]
    assert_same(table, load_captions(database, cached=False))


def test_captions_are_added_to_an_older_file_where_none_came_late(database: Database) -> None:
    add_captions(database, ["early"], bundle=None)
    add_captions(database, names(range(5)))
    add_captions(database, ["later"], bundle=None)
    load(database, kind=VectorKind.CAPTION, in_parts=True)
    add_captions(database, names(range(5, 8)))
    grown = load(database, kind=VectorKind.CAPTION, in_parts=True)
    assert grown.added is not None
    assert_alike(grown, load_captions(database, cached=False))
    changed = state(database, VectorKind.CAPTION)
    for late in (7, 1):  # behind all that the file has, but amid what was added; amid the file
        with database.session() as session:
            captions.insert_caption_vectors(session, [late], vector(late)[None], bundle_id=1)
            assert grow(session, grown, changed, VectorKind.CAPTION) is None
        assert cache_problems(database) == []
        table = load(database, kind=VectorKind.CAPTION, in_parts=True)
        assert (table.added is None) == (late == 1)
        assert_alike(table, load_captions(database, cached=False))
    assert_same(table, load_captions(database))


def cache_problems(database: Database) -> list[str]:
    found = [each.detail for each in verify(database) if each.invariant == "vector-cache"]
    return [detail.rpartition(": ")[2] for detail in found]


def flip(path: Path, at: int) -> None:
    """Change one byte, and leave the file's time as it was, as a worn-out disk would."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cache_path(database: Database) -> Path:
    (path,) = database.vectors_dir.glob("*.vectors")
    return path


def test_any_byte_that_is_changed_is_noticed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    add_windows(database, range(20))
    expected = load(database, cached=False)
    load(database)
    size = cache_path(database).stat().st_size
    for at in range(0, size, 7):
        caplog.clear()
        flip(cache_path(database), at)
        assert_same(load(database), expected)
        version = 5 <= at < 8  # which makes it one of another version, that is passed over
        assert ("is made anew" in caplog.text) is not version, at
        cache_path(database)


def test_in_a_great_file_what_is_written_is_noticed_and_wear_by_a_full_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.store.vector_file.BLOCK", 64)
    add_windows(database, range(200))
    expected = load(database, cached=False)
    load(database)
    path = cache_path(database)
    assert list(damaged_caches(database.vectors_dir)) == []
    content = bytearray(path.read_bytes())
    content[56 + 3000] ^= 1
    path.write_bytes(content)  # in place, with a new time: looked through at once
    assert_same(load(database), expected)
    flip(cache_path(database), 56 + 3000)
    [(damaged, _)] = damaged_caches(database.vectors_dir)
    assert damaged == cache_path(database)
    assert cache_problems(database) == ["block 46 of 119 is not what was written"]
    repair(database, dims={})  # which drops what of this library no command would have made
    assert cache_problems(database) == []


def test_a_file_of_another_library_is_not_used(database: Database, tmp_path: Path) -> None:
    add_windows(database, range(10))
    load(database)
    with open_database(tmp_path / "other" / "library.sqlite3") as other:
        add_windows(other, range(50, 70))
        load(other)
        mine, theirs = cache_path(database), cache_path(other)
        mine.write_bytes(theirs.read_bytes())
        assert_same(load(database), load(database, cached=False))
        assert len(load(database)) == 10


def test_rows_that_the_database_has_not_are_noticed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is whole, and yet of another state."""
    add_windows(database, range(10))
    load(database)
    path = cache_path(database)
    file = open_vectors(path)
    assert file is not None
    foreign = file.table.ids + 100
    content = bytearray(path.read_bytes())
    with path.open("w+b") as out:
        out.write(content[: file.head.ids_at])
        finish_vectors(out, file.head, foreign, foreign)
    assert open_vectors(path, whole=True) is not None
    assert cache_problems(database) == ["its rows are not those of the database"]
    assert load(database).ids.tolist() == list(range(1, 11))
    assert "another library" in caplog.text


def test_a_copied_file_is_looked_through_once(database: Database, tmp_path: Path) -> None:
    add_windows(database, range(10))
    load(database)
    path = cache_path(database)
    os.utime(path, (1, 1))
    load(database)
    file = open_vectors(path)
    assert file is not None
    assert path.stat().st_mtime == file.head.written_s


def test_a_file_of_an_older_version_is_passed_over_in_silence(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    add_windows(database, range(10))
    load(database)
    path = cache_path(database)
    path.write_bytes(b"UASEV1\0\0" + bytes(300))
    assert len(load(database)) == 10
    assert caplog.text == ""
