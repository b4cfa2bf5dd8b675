"""What a new user meets first: settings, folders, captions, counts of one, a mistyped word."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from audiosearch.config import example_config
from tests.e2e.command import Command
from tests.sounds import noise, tones, write_audio

pytestmark = pytest.mark.slow


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder of two sounds."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "high-low.wav", tones([1500, 300]))
    write_audio(folder / "hiss.wav", noise(seconds=1.5))
    return folder


def named(command: Command, file: Path, *, how: str) -> list[str]:
    """Have the settings file named by the environment, or as the option that this gives."""
    if how == "option":
        return ["--config", str(file)]
    command.environ["AUDIOSEARCH_CONFIG"] = str(file)
    return []


@pytest.mark.parametrize("how", ["option", "environment"])
def test_config_init_writes_the_file_that_is_named(fresh: Command, tmp_path: Path, how: str):
    file = tmp_path / "my settings" / "audio.toml"
    option = named(fresh, file, how=how)
    lacking = fresh("status", *option)
    assert lacking.status == 2
    assert "no such configuration file" in lacking.err
    assert fresh("config", "path", *option).text == f"{file}\n"
    made = fresh("config", "init", *option)
    assert (made.status, made.text, made.err) == (0, f"{file}\n", "")
    assert file.read_text() == example_config()
    assert fresh("status", *option).status == 0
    again = fresh("config", "init", *option)
    assert again.status == 2
    assert "is there already" in again.err


def test_config_init_needs_no_settings_that_can_be_read(fresh: Command, tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text("[model\n")
    fresh.environ["AUDIOSEARCH_MODEL_DEVCIE"] = "cpu"
    assert fresh("config", "init", "--config", file, "--force").status == 0
    assert tomllib.loads(file.read_text()) == tomllib.loads(example_config())


def test_config_init_says_where_it_cannot_write(fresh: Command, tmp_path: Path):
    (tmp_path / "file").write_text("")
    refused = fresh("config", "init", "--config", tmp_path / "file" / "config.toml")
    assert refused.status == 2
    assert "cannot be written" in refused.err
    assert "Traceback" not in refused.err


def test_mistyped_words_name_what_is_meant(fresh: Command, tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text("[search]\nlimt = 3\n")
    wrong = fresh("status", "--config", file)
    assert wrong.status == 2
    assert wrong.err.startswith(f"audiosearch: {file}: unknown setting 'search.limt'; did you mean")
    assert "Did you mean 'status'?" in fresh("stauts").err
    assert "--json" in fresh("status", "--jsno").err
    fresh.environ["AUDIOSEARCH_WATCH_SETLE_S"] = "1"
    assert "did you mean AUDIOSEARCH_WATCH_SETTLE_S?" in fresh("status").err


def test_roots_list_counts_the_missing(fresh: Command, two: Path):
    for number in range(3):
        write_audio(two / f"gone-{number}.wav", tones([200 + 40 * number]))
    assert fresh("index", two).status == 0
    for number in range(3):
        (two / f"gone-{number}.wav").unlink()
    assert fresh("index", "--accept-missing").status == 0
    assert fresh("roots", "list", cwd=two.parent).text == "sounds  (5 files, 3 missing)\n"
    [row] = fresh("roots", "list", "--json").rows
    assert row == {"path": str(two), "files": 5, "missing": 3}
    assert row["missing"] is not True


def test_one_of_a_thing_is_singular(fresh: Command, tmp_path: Path):
    folder = tmp_path / "one"
    folder.mkdir()
    write_audio(folder / "only.wav", tones([500]))
    assert fresh("index", folder).err.startswith("1 file: ")
    assert fresh("index").err.startswith("1 file, nothing new to hear")
    assert fresh("roots", "list", cwd=tmp_path).text == "one  (1 file)\n"
    assert "1 window of 1 recording, " in fresh("status").text
    weak = fresh("find", "a telephone rings", "--min-score", "1")
    assert "no good match; 1 weak one left out" in weak.err
    added = fresh("captions", "add", "A hum", "--for", folder / "only.wav")
    assert added.err == "1 new caption, 0 known before, given to 1 stretch of sound\n"
    assert fresh("captions", "remove", "a hum").err == "1 caption removed\n"
    (folder / "notes.txt").write_text("so that the folder is not empty, as an unmounted one is")
    (folder / "only.wav").unlink()
    gone = fresh("index", "--accept-missing")
    assert "1 file no longer there; what is known of it is kept" in gone.err
    assert fresh("purge").err.startswith("1 missing file, 1 sound and ")


def test_captions_keep_the_words_as_typed_and_name_their_places(fresh: Command, two: Path):
    assert fresh("index", two).status == 0
    hiss, tone = two / "hiss.wav", two / "high-low.wav"
    typed = "Grandmother's Old Clock (attic), 1998!"
    assert fresh("captions", "add", typed, "--for", f"{hiss}@0.2-1").status == 0
    later = "grandmother's old clock: attic - 1998"
    assert fresh("captions", "add", later, "--for", tone).status == 0
    assert fresh("captions", "add", "A Dog Barks, twice.").status == 0
    dog, clock = sorted(
        fresh("captions", "list", "--source", "user", "--json").rows, key=lambda row: row["given"]
    )
    assert (dog["caption"], dog["places"]) == ("A Dog Barks, twice.", [])
    assert (clock["caption"], clock["given"]) == (later, 2)
    assert clock["normalised"] == "grandmother's old clock attic 1998"
    assert clock["places"] == [
        {"path": str(hiss), "start_s": 0.2, "end_s": 1.0, "caption": typed},
        {"path": str(tone), "start_s": 0.0, "end_s": 1.0, "caption": later},
    ]
    text = fresh("captions", "list", "--source", "user", cwd=two).text
    assert f"     2  {later}  (user)\n        hiss.wav  0:00.2-0:01  {typed}\n" in text
    assert "        high-low.wav  0:00-0:01\n" in text
    assert "     0  A Dog Barks, twice.  (user)\n" in text
    assert fresh("captions", "search", "clock", "--json").rows == [clock]
    # Typed once more for the same stretch: the words typed last are kept, the stretch is one still.
    assert fresh("captions", "add", later.upper(), "--for", f"{hiss}@0.2-1").status == 0
    [again] = fresh("captions", "search", "clock", "--json").rows
    assert [place["caption"] for place in again["places"]] == [later.upper(), later]
    hiss.unlink()
    assert fresh("index", "--accept-missing").status == 0
    [gone] = fresh("captions", "search", "clock", "--json").rows
    assert gone["places"][0]["path"] == str(hiss)  # missing, and not yet forgotten
    assert fresh("roots", "remove", two).status == 0
    [gone] = fresh("captions", "search", "clock", "--json").rows
    assert [place["path"] for place in gone["places"]] == [None, None]
    assert "(no file holds it now)  0:00.2-0:01" in fresh("captions", "search", "clock").text
    assert fresh("verify").status == 0


def test_imported_captions_keep_the_words_of_their_file(fresh: Command, two: Path):
    assert fresh("index", two).status == 0
    table = two / "captions.csv"
    table.write_text('caption,path,start_s,end_s\n"Steam,  & a  Whistle!",hiss.wav,0,1\n')
    assert fresh("captions", "import", table).status == 0
    [row] = fresh("captions", "list", "--source", "import", "--json").rows
    assert row["caption"] == "Steam, & a Whistle!"
    assert row["places"][0]["path"] == str(two / "hiss.wav")


def test_a_copy_in_a_folder_stands_for_a_caption_whose_first_file_is_gone(
    fresh: Command, two: Path
):
    (two / "z-copy.wav").write_bytes((two / "hiss.wav").read_bytes())
    assert fresh("index", two).status == 0
    assert fresh("captions", "add", "Steam", "--for", two / "hiss.wav").status == 0
    (two / "hiss.wav").unlink()
    assert fresh("index", "--accept-missing").status == 0
    [row] = fresh("captions", "search", "steam", "--json").rows
    assert row["places"][0]["path"] == str(two / "z-copy.wav")


def test_words_that_are_no_text_are_kept_harmless(fresh: Command, tmp_path: Path):
    said = fresh("captions", "add", b"caf\xe9 \x1b[31mred")
    assert said.status == 0, said.err
    assert fresh("captions", "list", "--source", "user").text == (
        "     0  caf\N{REPLACEMENT CHARACTER} \\x1b[31mred  (user)\n"
    )
    assert fresh("captions", "remove", os.fsencode("café red")).status == 2
