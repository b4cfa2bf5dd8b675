"""Tags, ratings, notes, collections, saved searches, backups and duplicates by the real command."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import noise, tones, write_audio


@pytest.fixture
def library(fresh: Command, tmp_path: Path) -> Command:
    """A library of three sounds, one of them with a name that is no UTF-8, and a copy."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "low.wav", tones([300, 1500]))
    write_audio(folder / "long.wav", tones([200, 400, 800, 1600], seconds=6.0))
    odd = bytes(write_audio(folder / "odd.wav", tones([900, 100])))
    os.rename(odd, odd.replace(b"odd.wav", b"od\xff d.wav"))  # noqa: PTH104  # bytes
    shutil.copy(folder / "low.wav", folder / "copy of low.wav")
    assert fresh("index", folder).status == 0
    return fresh


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sounds"


def test_what_find_prints_goes_into_a_collection(library: Command, folder: Path):
    found = library("find", "a bell", "--min-score", "0", "-0")
    assert found.out.count(b"\0") == 3
    assert library("collection", "create", "trailer").status == 0
    added = library("collection", "add", "trailer", "-0", given=found.out)
    assert (added.status, added.err) == (0, "3 sounds added to 'trailer'\n")
    again = library("collection", "add", "trailer", "-0", "--json", given=found.out)
    assert again.rows == [{"sounds": 3, "changed": 0, "problems": 0}]
    assert library("collection", "show", "trailer", "-0").out == found.out
    assert set(library("files", "--collection", "Trailer", "-0").out.split(b"\0")) >= set(
        found.out.split(b"\0")
    )
    [row] = library("collection", "list", "--json").rows
    assert (row["name"], row["sounds"]) == ("trailer", 3)
    assert library("collection", "remove", "trailer", "-0", given=found.out).status == 0
    assert library("collection", "show", "trailer").status == 1
    assert library("collection", "rename", "trailer", "teaser").status == 0
    assert library("collection", "delete", "teaser").status == 0
    missing = library("find", "a bell", "--collection", "teaser")
    assert missing.status == 2
    assert "there is no collection 'teaser'" in missing.err
    for asked in (("find", "a bell"), ("files",)):  # a tag is none of our making: nothing has it
        unknown = library(*asked, "--tag", "teaser")
        assert unknown.status == 1
        assert "no sound here has the tag 'teaser'" in unknown.err


def test_a_stretch_ends_where_its_sound_does_and_that_is_said(
    library: Command, folder: Path, tmp_path: Path
):
    """One rule for all that takes stretches: cut and said; what begins after the end is refused."""
    clip, said = (
        f"{folder / 'long.wav'}@4-7777",
        "goes on past the end of its sound, and ends there",
    )
    after = f"{folder / 'long.wav'}@98-99"
    tagged = library("tag", "add", "squeak", clip, "--json")
    assert tagged.rows == [{"sounds": 1, "changed": 1, "problems": 0, "cut": 1}]
    assert said in tagged.err
    assert said in library("captions", "add", "a rising tone", "--for", clip).err
    [row] = library("annotations", "--json").rows
    assert (row["start_s"], row["end_s"]) == (4.0, 24.0)
    [row] = library("captions", "list", "--source", "user", "--json").rows
    assert (row["places"][0]["start_s"], row["places"][0]["end_s"]) == (4.0, 24.0)
    given = json.dumps({"path": str(folder / "long.wav"), "start_s": 4, "end_s": 7777}).encode()
    for kind in ("audacity", "csv", "jsonl", "aoef", "edl", "m3u8", "reaper", "raven"):
        told = library("export", kind, given=given)
        assert (told.status, said in told.err) == (0, True), kind
        assert b"7777" not in told.out, kind
    clips = library("export", "clips", "--to", tmp_path / "clips", given=given)
    assert (clips.status, said in clips.err) == (0, True)
    for args in (("tag", "add", "never", after), ("captions", "add", "never", "--for", after)):
        assert (library(*args).status, "ends before 98 s" in library(*args).err) == (2, True)
    given = given.replace(b'"start_s": 4', b'"start_s": 98')
    for kind in ("audacity", "csv", "aoef"):
        told = library("export", kind, given=given)
        assert (told.status, "ends before 98 s" in told.err) == (2, True)


def test_rows_of_json_bring_their_stretches(library: Command, folder: Path):
    row = {"path": str(folder / "long.wav"), "start_s": 1.5, "end_s": 3.0}
    given = json.dumps(row).encode()
    assert library("tag", "add", "a part", given=given).status == 0
    assert library("tag", "add", "all of it", "--whole", given=given).status == 0
    [part] = library("tag", "show", "a part", "--json").rows
    assert (part["start_s"], part["end_s"], part["tags"]) == (1.5, 3.0, ["a part"])
    [whole] = library("tag", "show", "all of it", "--json").rows
    assert (whole["start_s"], whole["end_s"]) == (0.0, None)
    broken = library("tag", "add", "x", given=b'{"path": 5}\n')
    assert broken.status == 2
    assert "line 1 of stdin" in broken.err
    empty = library("tag", "add", "x", given=b"")
    assert (empty.status, empty.err) == (1, "no sounds were given\n")


def test_a_tag_is_found_and_told_from_those_of_files(library: Command, folder: Path):
    assert library("tag", "add", "Creaky Door", folder / "long.wav").status == 0
    [hit] = library("find", "creaky door", "--json").rows
    assert hit["path"] == str(folder / "long.wav")
    assert {"field": "tag", "words": ["creaky", "door"]} in hit["matched"]
    assert library("note", "by the kookaburra", folder / "long.wav").status == 0
    [hit] = library("find", "kookaburra", "--json").rows
    assert {"field": "note", "words": ["kookaburra"]} in hit["matched"]
    [told] = library("info", folder / "long.wav", "--json").rows
    assert (told["tags"], told["tags_given"]) == ([], ["creaky door"])
    assert told["annotations"][0]["tags"] == ["Creaky Door"]
    assert told["note"] == "by the kookaburra"
    assert library("files", "--not-tag", "creaky door", "--json").rows != []
    assert library("note", "", folder / "long.wav").status == 0
    assert library("find", "kookaburra").status == 1


def test_ratings_and_favourites_filter(library: Command, folder: Path):
    low, long = folder / "low.wav", folder / "long.wav"
    assert library("rate", "5", low).status == 0
    assert library("rate", "2", long).status == 0
    assert library("favourite", f"{long}@1-2").status == 0
    both = {str(low), str(folder / "copy of low.wav")}  # one sound
    assert set(library("files", "--rating", "4:", "--paths").text.splitlines()) == both
    assert library("files", "--rating", "2", "--paths").text.splitlines() == [str(long)]
    assert library("files", "--favourite", "--paths").text.splitlines() == [str(long)]
    assert (
        set(library("files", "--not-favourite", "--name", "low", "--paths").text.splitlines())
        == both
    )
    hits = library("find", "a bell", "--rating", ":3", "--min-score", "0", "--paths").text
    assert hits.splitlines() == [str(long)]
    assert library("rate", "6", low).status == 2
    assert library("rate", "good", low).status == 2
    assert library("rate", "none", low).status == 0
    assert library("files", "--rating", "4:").status == 1


def test_of_several_the_good_ones_are_done_and_the_others_named(library: Command, folder: Path):
    done = library("tag", "add", "x", folder / "low.wav", folder / "none.wav")
    assert done.status == 2
    assert "none.wav: no such sound file" in done.err
    assert "1 sound tagged 'x'" in done.err
    stranger = write_audio(folder.parent / "stranger.wav", noise())
    refused = library("tag", "add", "x", stranger)
    assert refused.status == 2
    assert "not in the library" in refused.err
    assert "audiosearch index its folder" in refused.err


def test_saved_searches(library: Command, folder: Path):
    saved = library(
        "search",
        "save",
        "low ones",
        "a",
        "bell",
        "--in",
        "sounds",
        "--min-score",
        "0",
        cwd=folder.parent,
    )
    assert saved.status == 0, saved.err
    [row] = library("search", "list", "--json").rows
    assert row["arguments"] == ["find", "a", "bell", "--in", str(folder), "--min-score", "0"]
    asked = library("find", "a bell", "--in", folder, "--min-score", "0", "--json")
    assert library("search", "run", "LOW ones", "--json").rows == asked.rows
    assert len(library("search", "run", "low ones", "--json", "-n", "1").rows) == 1
    assert library("search", "save", "low ones", "files").status == 2
    assert library("search", "save", "--replace", "low ones", "files", "low").status == 0
    assert library("search", "run", "low ones").status == 0
    assert library("search", "save", "bad", "x", "--nonsense").status == 2
    assert library("search", "delete", "low ones").status == 0
    assert library("search", "run", "low ones").status == 2


def test_saved_searches_name_sounds_from_any_folder(library: Command, folder: Path):
    sound = min(folder.glob("*.wav"))
    like = f"{sound.name}@0-1"
    for name, asked in (
        ("one", ("find", "a bell", "--like", like)),
        ("two", ("find", "a bell", f"--like={like}")),
        ("three", ("similar", like)),
    ):
        assert library("search", "save", name, *asked, cwd=folder).status == 0
    saved = {row["name"]: row["arguments"] for row in library("search", "list", "--json").rows}
    assert saved["one"] == ["find", "a bell", "--like", f"{sound}@0-1"]
    assert saved["two"] == ["find", "a bell", f"--like={sound}@0-1"]
    assert saved["three"] == ["similar", f"{sound}@0-1"]
    for name in saved:
        assert library("search", "delete", name).status == 0


def test_saved_searches_keep_globs_and_are_replaced_wherever_that_is_said(
    library: Command, folder: Path
):
    asked = ("find", "a bell", "--in", "s*s", "--not-in=d?mp", "--min-score", "0")
    assert library("search", "save", "globs", *asked, cwd=folder.parent).status == 0
    [row] = library("search", "list", "--json").rows
    assert row["arguments"] == list(asked)
    found = library("search", "run", "globs", "--json", cwd=folder)
    assert found.rows, found.err
    assert library("search", "save", "globs", "a bell").status == 2
    again = library("search", "save", "globs", "a bell", "--min-score", "0", "-n2", "--replace")
    assert again.status == 0, again.err
    [row] = library("search", "list", "--json").rows
    assert row["arguments"] == ["find", "a bell", "--min-score", "0", "-n2"]
    assert len(library("search", "run", "globs", "--json").rows) == 2
    assert library("search", "save", "globs", "--replace").status == 2
    assert library("search", "delete", "globs").status == 0


def test_a_backup_goes_into_another_library(library: Command, folder: Path, tmp_path: Path):
    for arguments in (
        ("tag", "add", "mine", folder / "low.wav"),
        ("note", "a note", os.fsdecode(bytes(folder) + b"/od\xff d.wav")),
        ("captions", "add", "the postman comes", "--for", folder / "low.wav"),
    ):
        assert library(*arguments).status == 0
    file = tmp_path / "b.jsonl"
    assert library("backup", file).status == 0
    assert library("backup", file).status == 2  # never over another
    assert library("backup", file, "--force").status == 0
    other = Command(data_dir=tmp_path / "other", bundle=library.bundle)
    [row] = other("restore", file, "--json").rows
    assert (row["lines"], row["new"], row["sounds_waiting"]) == (4, 4, 2)
    assert other("index", folder).status == 0
    mine, theirs = library("annotations", "--json").rows, other("annotations", "--json").rows
    assert mine == theirs
    assert len(mine) == 2
    [hit] = other("find", "postman", "--json").rows
    assert hit["caption"] == "the postman comes"
    assert other("verify").status == 0
    file.write_bytes(file.read_bytes()[:-20])
    cut = other("restore", file)
    assert cut.status == 2
    assert f"{file}: line 6: no JSON, or cut short" in cut.err


def test_duplicates(library: Command, folder: Path):
    write_audio(folder / "again.flac", tones([200, 400, 800, 1600], seconds=6.0))
    write_audio(folder / "hiss 1.wav", noise(seed=1, seconds=2))
    write_audio(folder / "hiss 2.wav", noise(seed=2, seconds=2))
    assert library("index", folder).status == 0
    found = library("duplicates", "--json")
    assert found.status == 0
    names = [
        (row["kind"], [Path(file["path"]).name for file in row["files"]]) for row in found.rows
    ]
    assert sorted(names) == [
        ("identical", ["copy of low.wav", "low.wav"]),
        ("other-format", ["long.wav", "again.flac"]),
    ]
    [other] = [row for row in found.rows if row["kind"] == "other-format"]
    assert other["files"][1]["likeness"] > 0.99
    [only] = library("duplicates", "--identical", "--json").rows
    assert only["kind"] == "identical"
    assert "the same sound" in library("duplicates").text
    flac = library("duplicates", "--json", "--format", "flac")
    assert (flac.status, flac.rows) == (1, [])
    [low] = library("duplicates", "--json", "--name", "*low*", "--max-duration", "1h").rows
    assert [Path(file["path"]).name for file in low["files"]] == ["copy of low.wav", "low.wav"]
    (folder / "again.flac").unlink()  # not known yet to be gone
    gone = library("duplicates", "--json")
    assert [row["kind"] for row in gone.rows] == ["identical"]
    assert "again.flac: could not be read to be compared" in gone.err
