"""The same sounds give the same rows and the same answers as when `kept.json` was recorded."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.snapshot.recorder import KEPT, differences, record

WITHIN = 1e-3
"""Vectors are stored in half precision, so last bits of a processor's float32 may weigh so much.

What is recorded on one machine is the same to the last digit: after a change that must change
nothing, `python -m tests.snapshot.recorder` prints nothing.
"""


def test_rows_and_answers_are_those_recorded(tmp_path: Path):
    found = record(tmp_path)
    assert list(differences(json.loads(KEPT.read_text()), found, within=WITHIN)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("answers", "find rain is falling -n 2 --exhaustive", "rows", 0, "lift"), 1.3),
        (("answers", "find a dog barks", "status"), 0),
        (("database", "window", 3, "embedding", "some", 1), 1.0),
        (("database", "window_caption", 0, "caption_id"), 1),
        (("database", "caption", 0, "text"), "a dog barks"),
        (("database", "window", 3), None),
    ],
)
def test_a_difference_is_named(place: tuple[str | int, ...], value: object):
    kept = json.loads(KEPT.read_text())
    changed = copy.deepcopy(kept)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    [line] = differences(kept, changed, within=WITHIN)
    assert line.startswith("/" + "/".join(map(str, place)))


def test_a_row_or_field_more_or_less_is_named():
    kept = json.loads(KEPT.read_text())
    changed = copy.deepcopy(kept)
    del changed["database"]["window"][-1]
    changed["answers"]["files"]["rows"][0]["colour"] = "red"
    assert list(differences(kept, changed, within=WITHIN)) == [
        "/answers/files/rows/0/colour: only now",
        "/database/window: 20 before, 19 now",
    ]
