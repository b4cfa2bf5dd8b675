"""`FILE@START-END`."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosearch.audio.clip import ClipRange, parse_clip
from audiosearch.errors import QueryError


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("clip.wav", "a@b.wav", "take@3-5", "take"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path / "clip.wav"


@pytest.mark.parametrize(
    ("part", "start_s", "end_s"),
    [
        ("3.5-6", 3.5, 6.0),
        ("0-1", 0.0, 1.0),
        ("3.5-", 3.5, None),
        ("-6", 0.0, 6.0),
        (".5-.75", 0.5, 0.75),
        ("1:03.5-1:02:03", 63.5, 3723.0),
    ],
)
def test_parts(clip: Path, part: str, start_s: float, end_s: float | None) -> None:
    assert parse_clip(f"{clip}@{part}") == ClipRange(bytes(clip), start_s, end_s)


def test_a_file_alone_is_all_of_it(clip: Path) -> None:
    assert parse_clip("clip.wav") == ClipRange(b"clip.wav", 0.0, None)


def test_names_may_hold_the_sign(clip: Path) -> None:
    assert parse_clip("a@b.wav") == ClipRange(b"a@b.wav")
    assert parse_clip("a@b.wav@1-2") == ClipRange(b"a@b.wav", 1.0, 2.0)
    # A file of that very name comes before a part of another.
    assert parse_clip("take@3-5") == ClipRange(b"take@3-5")
    assert parse_clip("take@3-6") == ClipRange(b"take", 3.0, 6.0)


def test_names_that_are_no_text(clip: Path) -> None:
    name = b"\xff\xfe.wav"
    Path(os.fsdecode(name)).write_bytes(b"x")
    assert parse_clip(os.fsdecode(name) + "@1-2") == ClipRange(name, 1.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@1-2",
        "none.wav",
        "none.wav@1-2",
        "clip.wav@",
        "clip.wav@-",
        "clip.wav@x-y",
        "clip.wav@2-1",
        "clip.wav@1-1",
        "clip.wav@5",
        "clip.wav@1-2-3",
        "clip.wav@-1--2",
        "clip.wav@1e3-2e3",
        "clip.wav@0-" + "9" * 330,
        "clip.wav@" + "9" * 330 + "-",
        "clip.wav@0-1" + "0" * 11,
        ".",
        "a\0b",
        "x" * 100_000,
        "x" * 100_000 + "@1-2",
    ],
)
def test_what_is_none_is_refused(clip: Path, text: str) -> None:
    with pytest.raises(QueryError):
        parse_clip(text)


@given(text=st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_an_answer(clip: Path, text: str) -> None:
    for given_text in (text, f"clip.wav@{text}"):
        try:
            assert parse_clip(given_text).start_s >= 0
        except QueryError:
            continue
