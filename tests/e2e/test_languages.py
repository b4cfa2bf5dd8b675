"""Queries in other languages, asked of the real command and the bundled model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import audiosearch
from audiosearch.training.synth.synthesis import RATE, bell, hiss
from tests.e2e.command import Command
from tests.sounds import write_audio

BUNDLE = str(Path(__file__).parents[2] / "models" / "starter")


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A bell, a hiss, and hisses that are named otherwise."""
    folder = tmp_path_factory.mktemp("languages")
    sounds = folder / "takes"
    sounds.mkdir()
    for seed, (name, make) in enumerate(
        {
            "one.wav": bell,
            "two.wav": hiss,
            "Hundegebell.wav": hiss,
            "dog barking.wav": hiss,
            "Müllerin.wav": hiss,
        }.items()
    ):
        sound = make(np.random.default_rng(seed))
        write_audio(sounds / name, 0.5 * np.asarray(sound / np.abs(sound).max()), rate=RATE)
    command = Command(data_dir=folder / "data", bundle=BUNDLE)
    assert command("index", sounds).status == 0
    return command


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("eine Glocke läutet", "read as German: a bell rings"),
        ("une cloche sonne", "read as French: a bell rings"),
        ("suena una campana", "read as Spanish: a bell rings"),
        ("una campana suona", "read as Italian: a bell rings"),
        ("um sino toca", "read as Portuguese: a bell rings"),
    ],
)
def test_a_query_says_what_it_was_read_as(takes: Command, text: str, remark: str):
    answer = takes("find", text, "--json")
    assert remark in answer.err
    first = answer.rows[0]
    assert Path(first["path"]).name == "one.wav"
    assert first["translated"] == "a bell rings"
    assert first["language"] in ("de", "fr", "es", "it", "pt")


def test_an_english_query_says_nothing_of_it(takes: Command):
    answer = takes("find", "a bell rings", "--json")
    assert "read as" not in answer.err
    assert "translated" not in answer.rows[0]


def test_the_words_count_for_names_as_they_were_typed_and_as_they_were_read(takes: Command):
    rows = takes("find", "Hundegebell", "--json").rows
    named = {Path(row["path"]).name for row in rows if row["matched"]}
    assert named == {"Hundegebell.wav", "dog barking.wav"}
    assert {Path(row["path"]).name for row in rows} == named


@pytest.mark.parametrize(
    "query",
    [
        ("Rauschen ohne Glocken",),
        ("hiss", "-Glocken"),
        ("hiss", "--without", "Glockenläuten"),
    ],
)
def test_what_must_not_be_heard_may_be_said_in_another_language(
    takes: Command, query: tuple[str, ...]
):
    answer = takes("find", "--min-score", "0.1", "--json", "-n", "9", *query)
    assert "without 'bell" in answer.err
    assert "one.wav" not in {Path(row["path"]).name for row in answer.rows}


@pytest.mark.parametrize("text", ["собака лает", "een hond blaft"])
def test_an_unknown_language_is_said(takes: Command, text: str):
    answer = takes("find", text)
    assert (
        "queries are understood in English, German, French, Spanish, Italian and Portuguese"
        in answer.err
    )


def test_a_name_of_the_library_is_no_unknown_language(takes: Command):
    answer = takes("find", "Müllerin")
    assert "understood in" not in answer.err
    assert answer.status == 0


def test_python_says_it_too(takes: Command):
    with audiosearch.open(takes.data_dir) as library:
        read, english = library.find("ein Hund bellt"), library.find("a dog barks")
        unknown = library.find("собака лает")
    assert (read.language, read.translated) == ("de", "a dog barks")
    assert (english.language, english.translated) == (None, None)
    assert (unknown.language, unknown.translated) == ("und", None)


def test_an_english_query_loads_no_other_language(takes: Command):
    code = (
        "import sys, audiosearch\n"
        f"with audiosearch.open({str(takes.data_dir)!r}) as library:\n"
        "    library.find('a bell rings without thunder')\n"
        "    print(*(x for x in sys.modules if x.startswith('audiosearch.search.')))\n"
        "    library.find('eine Glocke')\n"
        "    print(*(x for x in sys.modules if x.startswith('audiosearch.search.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    english, german = (set(line.split()) for line in done.stdout.splitlines())
    lists = {f"audiosearch.search.{each}" for each in ("foreign", "languages", "word_list")}
    assert english & lists == set()
    assert lists <= german
