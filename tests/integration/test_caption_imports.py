"""Labels of other programs become captions of stretches, and an import is taken back whole."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select

from audiosearch.config import load_config
from audiosearch.errors import QueryError
from audiosearch.exchange.documents import DocumentOptions
from audiosearch.library import Library
from audiosearch.library.exports import Exporter
from audiosearch.library.restore import restore
from audiosearch.model.bundle import load_bundle
from audiosearch.search.results import TextQuery
from audiosearch.store.backup import write_backup
from audiosearch.store.backup_lines import END, HEAD, VERSION
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries.files import set_missing
from audiosearch.store.queries.recordings import purge
from audiosearch.store.schema import (
    Caption,
    CaptionTarget,
    ImportedCaption,
    SoundFile,
    WaitingCaption,
)
from tests.search_library import LibraryBuilder, Models
from tests.sounds import tones, write_audio


@pytest.fixture(scope="module")
def models(toy_bundle: Path) -> Models:
    return Models.of(load_bundle(toy_bundle))


SOUNDS = {
    "night one.wav": tones([300, 500, 900, 200], seconds=2.0),
    "day.flac": tones([900, 400]),
}


def add_sounds(database: Database, models: Models, folder: Path, *names: str) -> None:
    builder = LibraryBuilder(database, models)
    for name in names:
        builder.add(name.encode(), SOUNDS[name], root=os.fsencode(folder))


@pytest.fixture
def own(models: Models, toy_bundle: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of two sounds in `in`."""
    folder = tmp_path / "in"
    folder.mkdir()
    config = load_config(overrides={"model.bundle": str(toy_bundle), "model.device": "cpu"})
    config = dataclasses.replace(config, data_dir=tmp_path / "data")
    with open_database(config.database) as database:
        for name, sound in SOUNDS.items():
            write_audio(folder / name, sound)
        add_sounds(database, models, folder, *SOUNDS)
        yield Library(config, database)


def given(own: Library, source: str | None = "import") -> list[tuple[str, str, float, float]]:
    """What stretches are said to be: caption, file, start and end."""
    return sorted(
        (place.typed or "", Path(os.fsdecode(place.path or b"")).name, place.start_s, place.end_s)
        for each in own.captions(source=source)
        for place in each.places
        if each.caption.n_targets
    )


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


CASES = {
    "night one.txt": ("0.500000\t1.500000\tA Dog\n2.0\t2.0\towl\n", "audacity"),
    "night one.Table.1.selections.txt": (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
        "\tAnnotation\n1\tSpectrogram 1\t1\t0.5\t1.5\t0.0\t8000.0\tA Dog\n"
        "2\tSpectrogram 1\t1\t2.0\t3.0\t0.0\t8000.0\towl\n",
        "raven",
    ),
    "night one.csv": ("start;label;end\n0,5;A Dog;1,5\n2,0;owl;3,0\n", "table"),
    "labels.csv": (
        "path,start_s,end_s,caption\nnight one.wav,0.5,1.5,A Dog\nnight one.wav,2,3,owl\n",
        "table",
    ),
    "regions.csv": ("", "reaper"),
    "night one.srt": (
        "1\n00:00:00,500 --> 00:00:01,500\nA Dog\n\n2\n00:00:02,000 --> 00:00:03,000\nowl\n",
        "subrip",
    ),
}
CASES["night one.tsv"] = (CASES["labels.csv"][0].replace(",", "\t"), "table")
del CASES["regions.csv"]


@pytest.mark.parametrize("name", CASES)
def test_stretches_get_the_captions_of_stretches(name: str, own: Library, tmp_path: Path):
    content, kind = CASES[name]
    file = put(tmp_path / "in", name, content)
    added = own.import_captions(file)
    assert (added.kind, added.n_new, added.n_given) == (kind, 2, 2)
    assert given(own) == [("A Dog", "night one.wav", 0.5, 1.5), ("owl", "night one.wav", 2.0, 3.0)]
    [hit] = own.engine.find(TextQuery(text="a dog", limit=1)).hits
    assert hit.path.endswith(b"night one.wav")
    assert hit.score == 1.0
    again = own.import_captions(file)
    assert (again.n_new, again.import_id) == (0, added.import_id)
    [kept] = own.imports()
    assert (kept.n_captions, kept.n_targets, kept.source) == (2, 2, str(file))
    assert added.import_id is not None
    gone = own.remove_import(added.import_id)
    assert (gone.n_captions, gone.n_targets) == (2, 2)
    assert given(own) == []
    assert own.captions(source="import") == []
    assert own.imports() == []
    assert verify(own.database, dims={}) == []
    with pytest.raises(QueryError, match="no import"):
        own.remove_import(added.import_id)


def test_what_is_given_is_asked_for_once(own: Library, tmp_path: Path):
    asked: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if re.search(r"FROM caption_target\b", statement) and "caption_id IN" in statement:
            asked.append(statement)

    try:
        added = own.import_captions(put(tmp_path / "in", "labels.csv", CASES["labels.csv"][0]))
        assert (added.n_given, len(asked)) == (2, 1)
        write_backup(own.config.database, tmp_path / "mine.jsonl")
        own.remove_import(added.import_id or 0)
        asked.clear()
        restore(own.database, tmp_path / "mine.jsonl")
        assert len(asked) == 1
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [row[0] for row in given(own)] == ["A Dog", "owl"]
    assert own.imports()[0].n_targets == 2


def test_a_cue_sheet_names_its_file(own: Library, tmp_path: Path):
    sheet = (
        'FILE "day.wav" WAVE\n  TRACK 01 AUDIO\n    TITLE "First"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Second"\n    INDEX 01 00:00:37\n'
    )
    own.import_captions(put(tmp_path / "in", "x.cue", sheet))
    found = given(own)  # of the .flac, which the sheet calls .wav
    assert [row[:2] for row in found] == [("First", "day.flac"), ("Second", "day.flac")]
    assert found[0][2:] == (0.0, pytest.approx(37 / 75))
    assert found[1][3] == pytest.approx(1.0)


def test_regions_are_for_the_sound_that_is_named(own: Library, tmp_path: Path):
    text = "#,Name,Start,End,Length\nR1,dog,0:00.500,0:01.500,0:01.000\nM1,owl,0:02.000,,\n"
    file = put(tmp_path, "regions.csv", text)
    with pytest.raises(QueryError, match="--for SOUND"):
        own.import_captions(file)
    sound = str(tmp_path / "in" / "night one.wav")
    own.import_captions(file, clip=sound)
    assert given(own) == [("dog", "night one.wav", 0.5, 1.5), ("owl", "night one.wav", 2.0, 3.0)]
    own.import_captions(file, clip=f"{sound}@3-")
    assert ("dog", "night one.wav", 3.5, 4.5) in given(own)
    stranger = write_audio(tmp_path / "new.wav", tones([300]))
    with pytest.raises(QueryError, match="not in the library"):
        own.import_captions(file, clip=str(stranger))


def test_two_sounds_of_the_name_are_told_apart_by_hand(
    own: Library, models: Models, tmp_path: Path
):
    folder = tmp_path / "in"
    sound = tones([100, 200])
    write_audio(folder / "day.wav", sound)
    LibraryBuilder(own.database, models).add(b"day.wav", sound, root=os.fsencode(folder))
    file = put(folder, "day.txt", "0.1\t0.2\tdog\n")
    with pytest.raises(QueryError, match="2 sounds"):
        own.import_captions(file)
    own.import_captions(put(folder, "day.wav.txt", "0.1\t0.2\tdog\n"))
    assert given(own) == [("dog", "day.wav", 0.1, 0.2)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.txt", "a dog barks\n0.5\t1.0\tdog\n", "line 2"),
        ("bad.txt", "a dog barks\n{}\n", "line 2"),
        ("bad.csv", "path,caption\nday.flac,x\nday.flac,x,y\n", "line 3"),
        ("night one.txt", "0.5\t1.0\tdog\n90\t91\tcat\n", "line 2"),
        ("night one.txt", "1\t1.5\tdog\n2\t2.5\tdog\n?\n", "line 3"),
        ("day.srt", "1\n00:00:00,500 --> 00:00:01,500\nA\n\nx\n", "line 5"),
        ("many.txt", "".join(f"sentence {n} is one\n" for n in range(5000)) + "1,2\n", "line 5001"),
    ],
)
def test_what_is_none_of_these_is_refused_and_nothing_kept(
    name: str, content: str, said: str, own: Library, tmp_path: Path
):
    with pytest.raises(QueryError, match=f"{name}: {said}"):
        own.import_captions(put(tmp_path / "in", name, content))
    assert own.captions(source="import") == []
    assert own.imports() == []


def test_only_what_an_import_alone_brought_goes_with_it(own: Library, tmp_path: Path):
    folder = tmp_path / "in"
    sound = str(folder / "night one.wav")
    own.add_caption("an owl hoots", clip=f"{sound}@0-1")
    head = "path,start_s,end_s,caption\n"
    row = "night one.wav,{},{},{}\n".format
    first = head + row(0, 1, "an owl hoots") + row(2, 3, "an owl hoots") + row(4, 5, "a fox")
    second = head + row(4, 5, "a fox") + row(5, 6, "a fox") + row(6, 7, "a hen")
    one = own.import_captions(put(folder, "1.csv", first)).import_id
    two = own.import_captions(put(folder, "2.csv", second)).import_id
    assert one is not None
    assert two is not None
    assert one != two
    own.add_caption("a hen", clip=f"{sound}@6-7")
    counts = {each.import_id: (each.n_captions, each.n_targets) for each in own.imports()}
    assert counts == {one: (1, 2), two: (1, 2)}
    own.remove_import(one)
    hen, owl = ("a hen", 6.0, 7.0), ("an owl hoots", 0.0, 1.0)
    assert [(a, c, d) for a, _, c, d in given(own, None)] == [
        ("a fox", 4.0, 5.0),
        ("a fox", 5.0, 6.0),
        hen,
        owl,
    ]
    own.remove_import(two)
    assert [(a, c, d) for a, _, c, d in given(own, None)] == [hen, owl]
    assert verify(own.database, dims={}) == []


def test_what_the_model_says_too_is_the_models_again(own: Library, tmp_path: Path):
    said = own.captions(source="auto")[0]
    file = put(tmp_path, "own.txt", f"{said.words}\nnobody says this\n")
    added = own.import_captions(file)
    assert {each.words for each in own.captions(source="import")} == {
        said.words,
        "nobody says this",
    }
    assert added.import_id is not None
    own.remove_import(added.import_id)
    assert own.captions(source="import") == []
    assert said.words in {each.words for each in own.captions(source="auto")}


def test_captions_removed_by_hand_are_of_no_import_any_more(own: Library, tmp_path: Path):
    said = own.captions(source="auto")[0].words
    own.import_captions(put(tmp_path, "own.txt", f"{said}\nnobody says this\n"))
    own.remove_captions([said])
    [kept] = own.imports()
    assert kept.n_captions == 1
    own.remove_captions(source="import")
    assert own.imports() == []
    assert verify(own.database, dims={}) == []


def test_what_was_imported_before_imports_were_kept_stays(own: Library, tmp_path: Path):
    """A library of an earlier release has such captions, of no import."""
    own.import_captions(put(tmp_path, "old.txt", "an old sentence\n"))
    with own.database.session() as session:
        session.connection().exec_driver_sql("DELETE FROM caption_import")
    added = own.import_captions(put(tmp_path, "new.txt", "an old sentence\na new one\n"))
    assert added.import_id is not None
    own.remove_import(added.import_id)
    assert [each.words for each in own.captions(source="import")] == ["an old sentence"]


def waits_for_a_sound(own: Library, tmp_path: Path, caption: str) -> None:
    """Take in a backup with a caption of a sound that is not here."""
    lines: list[dict[str, object]] = [
        {"kind": HEAD, "version": VERSION, "made_at": "2026-01-01T00:00:00+00:00"},
        {"kind": "caption", "audio_hash": "ab" * 32, "path": "/away/owl.wav", "start_s": 0.0}
        | {"end_s": 1.0, "caption": caption, "source": "import", "at": 1.0},
        {"kind": END, "lines": 1},
    ]
    file = put(tmp_path, "backup.jsonl", "".join(json.dumps(each) + "\n" for each in lines))
    assert restore(own.database, file).n_waiting == 1


def test_an_import_taken_back_spares_what_waits_for_its_sound(own: Library, tmp_path: Path):
    rows = "path,start_s,end_s,caption\nnight one.wav,0,1,An Owl\nnight one.wav,1,2,a fox\n"
    import_id = own.import_captions(put(tmp_path / "in", "1.csv", rows)).import_id
    assert import_id is not None
    waits_for_a_sound(own, tmp_path, "An Owl")
    gone = own.remove_import(import_id)
    assert (gone.n_captions, gone.n_targets) == (1, 2)  # the fox; both stretches
    with own.database.reading() as session:
        assert session.scalars(select(WaitingCaption.said)).all() == ["An Owl"]
    assert [each.words for each in own.captions(source="import")] == ["An Owl"]
    assert given(own, None) == []
    assert verify(own.database, dims={}) == []


HEADER = "path,start_s,end_s,caption\n"


def imported_twice(own: Library, folder: Path) -> tuple[int, int]:
    """Two imports that share a stretch, and a caption of another stretch."""
    one = "night one.wav,0,1,an owl\nday.flac,0,0.5,a wren\nday.flac,0.5,1,an owl\n"
    two = "day.flac,0,0.5,a wren\nnight one.wav,2,3,a wren\n"
    ids = [
        own.import_captions(put(folder, f"{number}.csv", HEADER + rows)).import_id
        for number, rows in enumerate((one, two))
    ]
    assert ids[0] is not None
    assert ids[1] is not None
    return ids[0], ids[1]


def counts(own: Library) -> dict[int, tuple[int, int]]:
    return {each.import_id: (each.n_captions, each.n_targets) for each in own.imports()}


def said(own: Library) -> list[tuple[str, float]]:
    """What people said, of sounds that are here and of others, by where it begins."""
    with own.database.reading() as session:
        rows = [
            *session.execute(select(CaptionTarget.said, CaptionTarget.start_s)),
            *session.execute(select(WaitingCaption.said, WaitingCaption.start_s)),
        ]
    return sorted((text, start_s) for text, start_s in rows)


def test_an_import_is_taken_back_while_its_sounds_are_away(
    own: Library, models: Models, tmp_path: Path
):
    one, two = imported_twice(own, tmp_path / "in")
    before = counts(own)
    assert before == {one: (2, 3), two: (1, 2)}
    with own.database.session() as session:
        files = session.scalars(select(SoundFile.id).where(SoundFile.path == b"day.flac")).all()
        set_missing(session, files)
        purge(session)
    assert counts(own) == before
    assert verify(own.database, dims={}) == []
    own.remove_import(one)
    assert said(own) == [("a wren", 0.0), ("a wren", 2.0)]
    add_sounds(own.database, models, tmp_path / "in", "day.flac")
    assert counts(own) == {two: (1, 2)}
    assert ("a wren", "day.flac", 0.0, 0.5) in given(own)
    assert own.remove_import(two).n_targets == 2
    assert said(own) == []
    assert verify(own.database, dims={}) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_imports_of_a_backup_are_taken_back_too(
    own: Library, models: Models, toy_bundle: Path, tmp_path: Path, when: str
):
    one, two = imported_twice(own, tmp_path / "in")
    own.remove_import(one)
    three, _ = imported_twice(own, tmp_path / "in")  # again, under a number of its own
    own.add_caption("a wren", clip=str(tmp_path / "in" / "night one.wav") + "@3-4")
    before, stretches = counts(own), said(own)
    write_backup(own.config.database, tmp_path / "mine.jsonl")
    config = dataclasses.replace(own.config, data_dir=tmp_path / "other")
    with open_database(config.database) as database:
        other = Library(config, database)

        if when == "after":
            add_sounds(database, models, tmp_path / "in", *SOUNDS)
        first = restore(database, tmp_path / "mine.jsonl")
        assert restore(database, tmp_path / "mine.jsonl").n_new == 0
        if when == "before":
            add_sounds(database, models, tmp_path / "in", *SOUNDS)
        assert first.n_lines["import"] == 2
        assert counts(other) == before
        assert [each.source for each in other.imports()] == [each.source for each in own.imports()]
        assert said(other) == stretches
        assert verify(database, dims={}) == []
        for library in (own, other):
            library.remove_import(two)
            library.remove_import(three)
        assert said(other) == said(own) == [("a wren", 3.0)]
        assert verify(database, dims={}) == []


def test_imports_of_two_libraries_keep_apart(own: Library, toy_bundle: Path, tmp_path: Path):
    imported_twice(own, tmp_path / "in")
    write_backup(own.config.database, tmp_path / "mine.jsonl")
    config = dataclasses.replace(own.config, data_dir=tmp_path / "other")
    with open_database(config.database) as database:
        other = Library(config, database)
        other.import_captions(put(tmp_path, "words.txt", "a heron\na wren\n"))
        restore(database, tmp_path / "mine.jsonl")
        numbers = {each.import_id: Path(each.source).name for each in other.imports()}
        assert sorted(numbers.values()) == ["0.csv", "1.csv", "words.txt"]
        assert numbers[1] == "words.txt"
        [number] = [each for each, name in numbers.items() if name == "0.csv"]
        other.remove_import(number)
        assert {each.words for each in other.captions()} >= {"a heron", "a wren"}
        assert ("an owl", 0.0) not in said(other)


def test_a_caption_removed_by_hand_waits_for_no_sound(own: Library, tmp_path: Path):
    words = own.captions(source="auto")[0].words
    waits_for_a_sound(own, tmp_path, words)
    own.add_caption("only mine")
    own.import_captions(put(tmp_path, "own.txt", f"{words}\n"))
    assert own.remove_captions([words, "only mine"]) == 2
    with own.database.reading() as session:
        assert session.scalars(select(WaitingCaption.id)).all() == []
        assert session.scalars(select(CaptionTarget.id)).all() == []
        assert session.scalars(select(ImportedCaption.caption_id)).all() == []
        kept = session.execute(select(Caption.text, Caption.source, Caption.said)).all()
    assert [tuple(each) for each in kept if each.text == words] == [(words, "auto", None)]
    assert "only mine" not in [each.text for each in kept]
    assert verify(own.database, dims={}) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("csv", "x.csv"), ("raven", "night one.txt"), ("reaper", "r.csv")]
)
def test_what_was_exported_is_taken_in(kind: str, name: str, own: Library, tmp_path: Path):
    sound = tmp_path / "in" / "night one.wav"
    rows = [
        {"path": str(sound), "start_s": 1.25, "end_s": 2.5, "caption": "a dog, far"},
        {"path": str(sound), "start_s": 3, "end_s": 4.5, "caption": 'an "owl"'},
    ]
    Exporter(own.database, own.config.index).write(
        kind, rows, tmp_path / name, options=DocumentOptions()
    )
    own.import_captions(tmp_path / name, clip=str(sound) if kind == "reaper" else None)
    assert [row[0] for row in given(own)] == ["a dog, far", 'an "owl"']
    assert [row[2:] for row in given(own)] == [(1.25, 2.5), (3.0, 4.5)]
