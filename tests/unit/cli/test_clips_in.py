"""Sounds on stdin: paths, stretches and rows of other commands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.clip import ClipRange
from audiosearch.cli.clips_in import clips_of
from audiosearch.errors import AudiosearchError


def test_lines_and_nul() -> None:
    assert list(clips_of(b"a.wav\nb c.wav@1-2\r\n\n", null=False)) == ["a.wav", "b c.wav@1-2"]
    assert list(clips_of(b"a\nb.wav\0c.wav\0", null=True)) == ["a\nb.wav", "c.wav"]
    [odd] = clips_of(b"caf\xe9.wav\n", null=False)
    assert odd == "caf\udce9.wav"
    assert list(clips_of(b"{x}.wav\n{1: 2}\n", null=False)) == ["{x}.wav", "{1: 2}"]


def test_rows_of_other_commands() -> None:
    rows = [
        {"rank": 1, "path": "/s/ä.wav", "start_s": 1.5, "end_s": 2, "score": 0.5},
        {"path": "/s/?.wav", "path_b64": "L3Mv6S53YXY="},
        {"path": "/s/b.wav", "start_s": 0, "end_s": None},
        {"path": "/s/c.wav", "start_s": 0, "end_s": 2, "weak": True},
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert list(clips_of(content, null=False)) == [
        ClipRange("/s/ä.wav".encode(), 1.5, 2.0),
        ClipRange(b"/s/\xe9.wav"),
        ClipRange(b"/s/b.wav"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"start_s": 1},
        {"path": 5},
        {"path": "a", "start_s": "x"},
        {"path": "a", "start_s": 2, "end_s": 1},
        {"path": "a", "start_s": -1},
        {"path": "a", "end_s": float("nan")},
        {"path": "a", "path_b64": "%"},
        {"path": None},
        {"path": "a", "start_s": [1]},
    ],
)
def test_a_row_that_is_none_is_named_by_its_line(row: dict[str, object]) -> None:
    with pytest.raises(AudiosearchError, match="line 2 of stdin"):
        list(clips_of(b"a.wav\n" + json.dumps(row).encode(), null=False))


@given(st.binary(max_size=200), st.booleans())
def test_anything_is_clips_or_refused(content: bytes, null: bool) -> None:
    try:
        found = list(clips_of(content, null=null))
    except AudiosearchError:
        return
    assert all(isinstance(each, (str, ClipRange)) for each in found)
