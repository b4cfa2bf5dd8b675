"""Why a sound fits words, by the model that comes along and sounds that it knows.

The sounds are made by numpy, so the kinds are those of them that the model tells apart best.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiosearch.training.synth import synthesis
from tests.e2e.command import Command
from tests.sounds import write_audio


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A bell in the rain without a clock, and a clock without a bell, described by people."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "sounds").mkdir()
    rng = np.random.default_rng(0)
    in_rain = 0.1 * synthesis.rain(rng, 6.0)
    synthesis.add(in_rain, synthesis.bell(rng, 5.0), 0.5)
    for name, sound in (("bell in rain", in_rain), ("clock", synthesis.clock(rng, 6.0))):
        samples = 0.5 * sound / np.abs(sound).max()
        write_audio(folder / "sounds" / f"{name}.wav", samples, rate=synthesis.RATE)
    command = Command(data_dir=folder / "data", bundle="")
    assert command("index", folder / "sounds").status == 0
    table = folder / "captions.csv"
    table.write_text("caption\na bell\na clock\nrain\n")
    assert command("captions", "import", table).status == 0
    return command


def lifts(rows: list[dict]) -> dict[tuple[str, str], float]:
    """By the name of the file and the word."""
    return {
        (Path(row["path"]).stem, word["word"]): word["lift"]
        for row in rows
        for word in row["words"]
        if row.get("source") != "model"
    }


def test_in_a_scene_with_a_bell_and_no_clock_bell_has_the_higher_lift(scenes: Command):
    folder = scenes.data_dir.parent / "sounds"
    answer = scenes("describe", folder, "--explain", "--json", "-n", "9")
    assert answer.status == 0, answer.err
    of = lifts(answer.rows)
    assert of["bell in rain", "bell"] > 0 > of["bell in rain", "clock"]
    assert of["clock", "clock"] > 0 > of["clock", "bell"]


def test_the_words_of_a_query_are_heard_where_they_sound(scenes: Command):
    found = {}
    for query in ("a bell and a clock", "a clock and a bell"):
        rows = scenes("find", query, "--explain", "--min-score", "0", "--json").rows
        found[query] = lifts(rows)
        assert {Path(row["path"]).stem for row in rows} == {"bell in rain", "clock"}
    # Each word where it comes first, so that the other one has no say in it.
    bell, clock = found["a bell and a clock"], found["a clock and a bell"]
    assert bell["bell in rain", "bell"] > 0 > clock["bell in rain", "clock"]
    assert clock["clock", "clock"] > 0 > bell["clock", "bell"]
