"""What is written of a sound finds it, by the real command and the bundled model.

Bells and hiss only: what is found by a word here is found by what is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from audiosearch.training.synth.synthesis import RATE, bell, hiss
from tests.e2e.command import Answer, Command
from tests.sounds import write_audio

LEAST = 0.56  # of the bundled model: what is below is not shown
BUNDLE = str(Path(__file__).parents[2] / "models" / "starter")

BELLS = ("bell-a.wav", "kookaburra_morning.flac", "b1.wav", "b2.wav", "b3.wav")
NOISES = {
    "TASCAM_0031.wav": {},
    "TASCAM_0032.wav": {},
    "WATRTap_Kitchen Sink_ABC_LIB1.wav": {},
    "DOORWood_Cupboard Door Close_ABC_LIB1.wav": {},
    "cat-purring.wav": {},
    "trips/belgrade/x1.wav": {},
    "dog_bark2.wav": {},
    "train-pass.wav": {},
    "kookaburra_hiss.wav": {},
    "雨の音_屋根.wav": {},
    "เสียงรถไฟ.wav": {},
    "서울역에서.wav": {},
    "Brücke am Fluss.wav": {},
    "n1.flac": {"title": "Hvalfjörður", "genre": "Fjords"},
    "n2.flac": {"title": "Night train", "comment": "recorded with a Nagra"},
    "bell ringing.wav": {},  # is none
}


def peal(seed: int) -> np.ndarray:
    return 0.7 * normalised(bell(np.random.default_rng(seed)))


def rush(seed: int) -> np.ndarray:
    return 0.3 * normalised(hiss(np.random.default_rng(seed)))


def normalised(sound: np.ndarray) -> np.ndarray:
    return np.asarray(sound / np.abs(sound).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "takes"
    for seed, name in enumerate(BELLS):
        put(folder / name, peal(seed))
    for seed, (name, tags) in enumerate(NOISES.items()):
        put(folder / name, rush(100 + seed), tags)
    return folder


def put(path: Path, sound: np.ndarray, tags: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, sound, rate=RATE, tags=tags or {})


@pytest.fixture(scope="module")
def command(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command with a library of `folder`, which tests do not change."""
    command = Command(data_dir=tmp_path_factory.mktemp("data"), bundle=BUNDLE)
    answer = command("index", folder)
    assert answer.status == 0, answer.err
    return command


def names(command: Command, *query: str) -> list[str]:
    return names_in(command("find", *query, "--json"))


def names_in(answer: Answer) -> list[str]:
    """Of the hits; weak matches are none."""
    return [Path(row["path"]).name for row in answer.rows if not row.get("weak")]


@pytest.mark.parametrize(
    ("query", "name", "field"),
    [
        ("TASCAM_0031", "TASCAM_0031.wav", "name"),
        ("WATRTap", "WATRTap_Kitchen Sink_ABC_LIB1.wav", "name"),
        ("watrtap kitchen", "WATRTap_Kitchen Sink_ABC_LIB1.wav", "name"),
        (
            "DOORWood_Cupboard Door Close",
            "DOORWood_Cupboard Door Close_ABC_LIB1.wav",
            "name",
        ),
        ("door wood", "DOORWood_Cupboard Door Close_ABC_LIB1.wav", "name"),
        ("cat-purring", "cat-purring.wav", "name"),
        ("bark", "dog_bark2.wav", "name"),
        ("belgrade", "x1.wav", "folder"),
        ("hvalfjörður", "n1.flac", "title"),
        ("HVALFJORÐUR", "n1.flac", "title"),
        ("Nagra", "n2.flac", "description"),  # what FFmpeg makes of a comment in FLAC
        ("night train", "n2.flac", "title"),
        ("雨", "雨の音_屋根.wav", "name"),
        ("屋根", "雨の音_屋根.wav", "name"),
        ("雨の音", "雨の音_屋根.wav", "name"),
        ("รถไฟ", "เสียงรถไฟ.wav", "name"),
        ("서울역", "서울역에서.wav", "name"),
    ],
)
def test_words_lead_to_the_file_that_has_them(
    command: Command, query: str, name: str, field: str
) -> None:
    first = command("find", query, "--json").rows[0]
    assert Path(first["path"]).name == name
    assert field in [match["field"] for match in first["matched"]]
    assert first["score"] >= LEAST


def test_a_file_that_lacks_one_of_the_words_is_no_match(command: Command) -> None:
    assert names(command, "TASCAM_0031") == ["TASCAM_0031.wav"]


def test_an_unknown_word_finds_all_files_that_hold_it_and_no_other(command: Command) -> None:
    found = names(command, "kookaburra")
    assert sorted(found) == ["kookaburra_hiss.wav", "kookaburra_morning.flac"]


def test_what_is_heard_and_what_is_written_count_together(command: Command) -> None:
    found = names(command, "a bell kookaburra")
    assert found[0] == "kookaburra_morning.flac"
    assert set(found[1:]) <= set(BELLS)
    assert len(found) > 1


def test_a_misnamed_file_is_shown_but_not_before_the_sound(command: Command) -> None:
    found = names(command, "a bell ringing", "-n", "20")
    assert "bell ringing.wav" in found
    before = found[: found.index("bell ringing.wav")]
    assert before
    assert set(before) <= set(BELLS)


def test_a_name_that_tells_the_truth_is_a_gain(command: Command) -> None:
    rows = command("find", "bell", "--json").rows
    assert Path(rows[0]["path"]).name == "bell-a.wav"
    assert rows[0]["score"] > rows[1]["score"]


def test_the_text_that_matched_is_shown(command: Command) -> None:
    answer = command("find", "hvalfjörður")
    assert "title: hvalfjörður" in answer.text
    assert "does not know 'hvalfjörður'" in answer.err


def test_words_that_nothing_knows_find_nothing(command: Command) -> None:
    answer = command("find", "Ouagadougou")
    assert (answer.status, answer.out) == (1, b"")
    assert "searched for it\n" in answer.err
    assert "no file name, tag or metadata" in answer.err
    assert "searched for them\n" in command("find", "Ouagadougou", "Bobo-Dioulasso").err


@pytest.mark.parametrize(
    ("typed", "meant", "name"),
    [
        ("trian", "train", "train-pass.wav"),
        ("kokaburra", "kookaburra", "kookaburra_morning.flac"),
        ("hvalfjorðr", "hvalfjorður", "n1.flac"),
        ("bruecke", "brucke", "Brücke am Fluss.wav"),  # near by its stem
        ("wtaer", "water", "WATRTap_Kitchen Sink_ABC_LIB1.wav"),  # no form of WTA
    ],
)
def test_a_mistyped_word_is_searched_as_it_was_meant(
    command: Command, typed: str, meant: str, name: str
) -> None:
    answer = command("find", typed, "--json")
    assert f"did you mean {meant!r}" in answer.err
    assert "the model does not know" not in answer.err
    assert name in names_in(answer)


def test_what_has_the_words_and_cannot_be_heard_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    put(folder / "bell.wav", peal(1))
    put(folder / "Roomtone_Villa.wav", np.zeros(RATE))
    (folder / "Kakapo.wav").write_bytes(b"RIFF, or not")
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", folder).status == 0
    for query, name in (("roomtone", "Roomtone_Villa.wav"), ("kakapo", "Kakapo.wav")):
        answer = command("find", query)
        assert (answer.status, answer.out) == (1, b"")
        assert f"{name} has these words, but no sound that is heard" in answer.err
        assert "no file name" not in answer.err
    answer = command("find", "roomtone", "--name", "*.mp3")
    assert "Roomtone" not in answer.err
    assert "no file that passes the filters has these words" in answer.err


@pytest.mark.parametrize("query", ["bell hvalfjörður", "recording of hvalfjörður"])
def test_a_name_beside_words_that_are_not_heard_is_told(command: Command, query: str) -> None:
    answer = command("find", query, "--json")
    assert "n1.flac" not in names_in(answer)
    told = "1 sound with 'hvalfjörður', but little else of it: audiosearch find 'hvalfjörður'"
    assert told in answer.err
    assert "little else" not in command("find", "hvalfjörður").err
    assert "little else" not in command("find", "a bell kookaburra").err


def test_another_copys_path_is_shown_where_it_matches(tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    put(folder / "a" / "plain.wav", rush(7))
    (folder / "b").mkdir()
    shutil.copy(folder / "a" / "plain.wav", folder / "b" / "Reykjanes.wav")
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", folder).status == 0
    assert names(command, "reykjanes") == ["Reykjanes.wav"]
    assert names(command, "plain wav") == ["plain.wav"]
    # Filters hold for the file whose name matches.
    assert names(command, "reykjanes", "--in", str(folder / "a")) == []


def test_a_word_of_a_caption_without_a_sound_is_no_mistake(folder: Path, tmp_path: Path) -> None:
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", folder).status == 0
    assert command("captions", "add", "a xylorimba solo").status == 0
    assert "did you mean" not in command("find", "xylorimba").err
    assert "did you mean" not in command("find", "xylorimbas").err  # the same, but for its ending
    assert "did you mean 'xylorimba'" in command("find", "xylorinba").err


def test_a_persons_caption_is_shown_and_counts(folder: Path, tmp_path: Path) -> None:
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", folder).status == 0
    wanted = str(folder / "TASCAM_0032.wav")
    assert command("captions", "add", "Geysir Strokkur, close", "--for", wanted).status == 0
    [row] = command("find", "strokkur geysir", "--json").rows
    assert row["path"] == wanted
    assert row["matched"] == [{"field": "caption", "words": ["strokkur", "geysir"]}]
    assert "geysir strokkur" in row["caption"].lower()
    answer = command("find", "geyser strokur", "--json")
    assert "did you mean 'strokkur'" in answer.err
    assert [row["path"] for row in answer.rows] == [wanted]


def test_a_caption_in_any_letters_holds_the_very_words(folder: Path, tmp_path: Path) -> None:
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", folder).status == 0
    wanted = str(folder / "TASCAM_0032.wav")
    assert command("captions", "add", "Großer Öresund", "--for", wanted).status == 0
    for query in ("Großer Öresund", "GROSSER ORESUND", "oresund"):
        row, *others = command("find", query, "--json").rows
        assert (row["path"], row["score"]) == (wanted, 1.0)
        assert all(other["weak"] for other in others)


def test_files_of_a_folder_that_is_away_are_marked(folder: Path, tmp_path: Path) -> None:
    away = tmp_path / "drive"
    put(away / "Skaftafell.wav", rush(8))
    command = Command(data_dir=tmp_path / "data", bundle=BUNDLE)
    assert command("index", away).status == 0
    [there] = command("find", "skaftafell", "--json").rows
    away.rename(tmp_path / "elsewhere")
    [row] = command("find", "skaftafell", "--json").rows
    assert (there["offline"], row["offline"]) == (False, True)
    assert "(offline)" in command("find", "skaftafell").text
