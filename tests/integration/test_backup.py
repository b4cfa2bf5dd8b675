"""Backups of what a person wrote: nothing lost, nothing half restored, none too late."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from audiosearch.errors import QueryError, StoreError
from audiosearch.library.annotations import Annotations
from audiosearch.library.restore import Restored, restore
from audiosearch.model.tokenizer import normalise
from audiosearch.store.backup import KEPT, back_up_before, write_backup
from audiosearch.store.backup_lines import VERSION
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.repair import repair
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions
from audiosearch.store.schema import CaptionSource
from tests.damage import damage
from tests.indexing_fakes import WaveReader, run_index, write_wav
from tests.old_library import make_older

N_SOUNDS = 50
N_EACH = 1000  # tags, notes and items of collections


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds of two seconds, one of them with a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("backup") / "sounds"
    for number in range(N_SOUNDS):
        write_wav(folder / f"{number:02d}.wav", seconds=2, seed=number)
    os.rename(bytes(folder / "00.wav"), bytes(folder) + b"/caf\xe9.wav")  # noqa: PTH104
    return folder


@pytest.fixture(scope="module")
def full(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a thousand tags, a thousand notes and a thousand items of collections."""
    path = tmp_path_factory.mktemp("full") / "library.sqlite3"
    with open_database(path) as database:
        run_index(database, folder, open_reader=WaveReader)
        own = Annotations(database)
        files = sorted(os.fsdecode(each) for each in folder.iterdir())
        stretches = [
            f"{files[number % N_SOUNDS]}@{start:.2f}-{start + 0.08:.2f}"
            for number in range(N_EACH)
            for start in [number // N_SOUNDS * 0.09]
        ]
        for number in range(N_EACH):
            own.note([stretches[number]], f"note {number}\nübrigens “{number}”")
        for number in range(100):
            own.tag(stretches[number::100], f"Tag Nº {number}")
        for number in range(7):
            own.collect(f"Collection {number}", stretches[number::7], create=True)
        own.rate(files[:20], 3)
        own.favourite(files[10:30])
        own.create_collection("Empty one")
        own.save_search("doors", ["find", "a door", "--in", "/x", ""])
        with database.session() as session:
            words = ["The Postman, at last!", "words for nothing"]
            ids = captions.add_captions(
                session, [normalise(each) for each in words], source=CaptionSource.IMPORT
            )
            captions.keep_typed(session, {ids[normalise(each)]: each for each in words})
            targets = [
                captions.Target(ids[normalise(words[0])], recording, 0.25, 1.5, typed=words[0])
                for recording in (1, 7)
            ]
            captions.add_targets(session, targets)
        assert verify(database) == []
    return path


@pytest.fixture
def backup(full: Path, tmp_path: Path) -> Path:
    file = tmp_path / "backup.jsonl"
    assert write_backup(full, file) > 3 * N_EACH
    return file


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "fresh" / "library.sqlite3") as database:
        yield database


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def again(database: Database, tmp_path: Path) -> list[dict[str, Any]]:
    """What a backup of a library holds now, but for when it was made."""
    file = tmp_path / "again.jsonl"
    write_backup(database.path, file)
    return lines(file)[1:]


def test_a_thousand_of_each_come_back_whole_before_the_sounds_are_indexed(
    backup: Path, fresh: Database, folder: Path, tmp_path: Path
) -> None:
    done = restore(fresh, backup)
    expected = lines(backup)[1:]
    assert done.n_lines["tag"] == done.n_lines["note"] == done.n_lines["item"] == N_EACH
    assert (done.n_new, done.n_newer) == (len(expected) - 1, 0)
    assert done.n_waiting == N_SOUNDS
    assert again(fresh, tmp_path) == expected  # kept, also before there is any sound
    run_index(fresh, folder, open_reader=WaveReader)
    assert again(fresh, tmp_path) == expected
    assert verify(fresh) == []
    assert len(Annotations(fresh).listed(tag="tag nº 99")) == N_EACH // 100
    with fresh.reading() as session:
        given = session.execute(text("SELECT start_s, end_s, said FROM caption_target")).all()
        assert [tuple(row) for row in given] == 2 * [(0.25, 1.5, "The Postman, at last!")]
        assert session.scalar(text("SELECT count(*) FROM recording_tag")) == 100


def test_it_is_the_same_after_the_sounds_are_indexed_and_changes_nothing_twice(
    backup: Path, fresh: Database, folder: Path, tmp_path: Path
) -> None:
    run_index(fresh, folder, open_reader=WaveReader)
    assert restore(fresh, backup).n_waiting == 0
    assert again(fresh, tmp_path) == lines(backup)[1:]
    second = restore(fresh, backup)
    assert (second.n_new, second.n_newer) == (0, 0)
    assert again(fresh, tmp_path) == lines(backup)[1:]
    assert verify(fresh) == []


def test_what_is_newer_stays_and_what_is_more_is_kept(
    full: Path, backup: Path, fresh: Database, folder: Path
) -> None:
    run_index(fresh, folder, open_reader=WaveReader)
    own, file = Annotations(fresh), str(folder / "05.wav")
    own.rate([file], 5)
    own.note([f"{file}@0-0.08"], "a newer note")
    own.tag([f"{file}@0-0.08"], "one more")
    own.save_search("Doors", ["find", "another"])
    done = restore(fresh, backup)
    assert done.n_newer == 3
    [row] = [row for row in own.listed([file]) if row.end_s == 0.08]
    assert (row.note, row.tags) == ("a newer note", ("one more", "Tag Nº 4"))
    assert own.search("doors").arguments == ("find", "another")
    assert [row.rating for row in own.listed([file], least_stars=1)] == [5]


IMPORT = {"kind": "import", "number": 1, "file": "/x.csv", "format": "table", "at": 1.0}
SENTENCE = {"kind": "caption", "audio_hash": None, "caption": "x", "source": "import", "at": 1.0}


@pytest.mark.parametrize(
    ("spoil", "line", "why"),
    [
        (lambda rows: [*rows[:1], IMPORT | {"digest": "00"}, *rows[2:]], 2, "64 digits"),
        (lambda rows: [*rows[:1], IMPORT | {"digest": None}, *rows[2:]], 2, "64 digits"),
        (lambda rows: [*rows[:1], IMPORT | {"number": 0}, *rows[2:]], 2, "no number of an import"),
        (lambda rows: [*rows[:1], SENTENCE | {"imports": "1"}, *rows[2:]], 2, "are numbers"),
        (lambda rows: [*rows[:1], SENTENCE | {"imports": [True]}, *rows[2:]], 2, "of an import"),
        (lambda rows: rows[:-1], 6, "cut short"),
        (lambda rows: rows[:3] + rows[4:], 5, "lines should come before this"),
        (lambda rows: [*rows, rows[1]], 7, "something follows"),
        (lambda rows: [rows[1], *rows], 1, "no backup of audiosearch"),
        (lambda rows: [rows[0] | {"version": VERSION + 1}, *rows[1:]], 1, "later version"),
        (lambda rows: [rows[0], rows[1] | {"user": "anna "}, *rows[2:]], 2, "no name of a user"),
        (lambda rows: [rows[0], rows[1] | {"user": "a\0"}, *rows[2:]], 2, "no name of a user"),
        (lambda rows: [rows[0] | {"version": True}, *rows[1:]], 1, "no version"),
        (lambda rows: [*rows[:2], rows[2] | {"stars": 6}, *rows[3:]], 3, "stars are 1 to 5"),
        (lambda rows: [*rows[:2], rows[2] | {"stars": 4.5}, *rows[3:]], 3, "stars"),
        (lambda rows: [*rows[:2], rows[2] | {"kind": "spell"}, *rows[3:]], 3, "no known kind"),
        (lambda rows: [*rows[:2], rows[2] | {"audio_hash": "00"}, *rows[3:]], 3, "64 digits"),
        (lambda rows: [*rows[:2], rows[2] | {"audio_hash": 5}, *rows[3:]], 3, "audio_hash"),
        (lambda rows: [*rows[:2], rows[2] | {"end_s": 0.0}, *rows[3:]], 3, "no part of a sound"),
        (lambda rows: [*rows[:2], rows[2] | {"start_s": "1"}, *rows[3:]], 3, "no number"),
        (lambda rows: [*rows[:1], rows[1] | {"tag": " "}, *rows[2:]], 2, "no text"),
        (lambda rows: [*rows[:1], rows[1] | {"tag": "x" * 2**20}, *rows[2:]], 2, "longer than"),
        (lambda rows: [*rows[:4], rows[4] | {"arguments": []}, *rows[5:]], 5, "arguments"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_restored(
    fresh: Database,
    folder: Path,
    tmp_path: Path,
    spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    line: int,
    why: str,
) -> None:
    with open_database(tmp_path / "small" / "library.sqlite3") as small:
        run_index(small, folder, open_reader=WaveReader)
        own = Annotations(small)
        own.tag([str(folder / "01.wav")], "door")
        own.rate([str(folder / "02.wav")], 2)
        own.note([str(folder / "02.wav")], "a note")
        own.save_search("s", ["find", "x"])
        file = tmp_path / "small.jsonl"
        assert write_backup(small.path, file) == 4
    rows = spoil(lines(file))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = again(fresh, tmp_path)
    with pytest.raises(QueryError, match=rf"line {line}: .*{why}"):
        restore(fresh, file)
    assert again(fresh, tmp_path) == before


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0", b"\xff\xfe", b"[" * 100_000, b"{}\n", b"RIFF....WAVE", b"1" * 5000]
)
def test_what_is_no_backup_is_refused(fresh: Database, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "no.jsonl"
    file.write_bytes(content)
    with pytest.raises(QueryError, match="line 1: "):
        restore(fresh, file)


def test_by_path_for_files_that_were_edited(fresh: Database, tmp_path: Path) -> None:
    folder = tmp_path / "edited"
    write_wav(folder / "a.wav", seconds=2, seed=1)
    run_index(fresh, folder, open_reader=WaveReader)
    own = Annotations(fresh)
    own.tag([str(folder / "a.wav")], "mine")
    own.tag([f"{folder / 'a.wav'}@1-2"], "end")
    file = tmp_path / "b.jsonl"
    write_backup(fresh.path, file)
    write_wav(folder / "a.wav", seconds=1.5, seed=2)
    with open_database(tmp_path / "new" / "library.sqlite3") as new:
        run_index(new, folder, open_reader=WaveReader)
        assert restore(new, file).n_waiting == 1
        assert not any(row.here for row in Annotations(new).listed())
        assert restore(new, file, by_path=True).n_waiting == 0
        rows = [row for row in Annotations(new).listed() if row.here]
        assert [(row.tags, row.end_s) for row in rows] == [(("end", "mine"), None)]
        # A line that a person wrote knows its sound by the path alone.
        end = {"kind": "end", "lines": 1}
        row = {"kind": "note", "path": str(folder / "a.wav"), "note": "by hand", "at": 1}
        head = lines(file)[0]
        file.write_text("".join(json.dumps(each) + "\n" for each in (head, row, end)))
        restore(new, file)
        assert [row.note for row in Annotations(new).listed(noted=True)] == ["by hand"]
        row["path"] = str(folder / "b.wav")
        file.write_text("".join(json.dumps(each) + "\n" for each in (head, row, end)))
        with pytest.raises(QueryError, match="line 2: no file of the library"):
            restore(new, file)


def test_a_backup_that_fails_leaves_the_old_one(full: Path, backup: Path, tmp_path: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(StoreError, match="cannot be written"):
        write_backup(full, tmp_path / "none" / "backup.jsonl")
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(full)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA ignore_check_constraints = ON")
        target.execute("UPDATE annotation SET rating = 'x' WHERE rating IS NOT NULL")
        target.commit()
    with pytest.raises(StoreError, match="damaged"):
        write_backup(copy, backup)
    assert backup.read_bytes() == before
    assert list(tmp_path.glob("*.unfinished")) == []


def automatic(database: Path) -> list[Path]:
    return sorted((database.parent / "backups").glob("*"))


def test_one_is_made_before_a_repair_and_the_last_ten_are_kept(
    fresh: Database, folder: Path, backup: Path, tmp_path: Path
) -> None:
    run_index(fresh, folder, open_reader=WaveReader)
    damage(fresh, "DELETE FROM file_text")
    repair(fresh, dims={})
    assert automatic(fresh.path) == []  # nothing was written: nothing to lose
    restore(fresh, backup)
    damage(fresh, "UPDATE annotation SET rating = 'x' WHERE rating = 3")
    repair(fresh, dims={})
    [made] = automatic(fresh.path)
    assert made.name.endswith("-before-repair.jsonl")
    kinds = [row["kind"] for row in lines(made)]
    assert (kinds.count("tag"), kinds.count("rating")) == (N_EACH, 0)  # what is damaged is left out
    for _ in range(KEPT + 3):
        back_up_before(fresh.path, what="repair")
    assert len(automatic(fresh.path)) == KEPT
    assert isinstance(restore(fresh, automatic(fresh.path)[-1]), Restored)


@pytest.mark.parametrize("revision", ["0003", "0004", "0005"])
def test_one_is_made_before_a_migration(
    fresh: Database, folder: Path, tmp_path: Path, revision: str
) -> None:
    run_index(fresh, folder, open_reader=WaveReader)
    with fresh.session() as session:
        ids = captions.add_captions(session, ["my own words"], source=CaptionSource.USER)
        captions.add_targets(session, [captions.Target(*ids.values(), 3, 0.5, 1.0)])
    fresh.close()
    filled = {"recording.metadata_json": "'{}'"}
    make_older(fresh.path, revision=revision, scripts=tmp_path / "scripts", filled=filled)
    with open_database(fresh.path) as opened:
        assert verify(opened) == []
    [made] = automatic(fresh.path)
    assert made.name.endswith("-before-migration.jsonl")
    found = [(row["caption"], row.get("end_s")) for row in lines(made)[1:-1]]
    assert found == [("my own words", None), ("my own words", 1.0)]
    with open_database(tmp_path / "other" / "library.sqlite3") as other:
        assert restore(other, made).n_new == 2
