"""What is written to stdout."""

import io
import json
import sys

import pytest

from audiosearch.cli.output import (
    clock,
    clock_span,
    duration,
    path_fields,
    print_json,
    print_paths,
    quoted,
    size,
)
from audiosearch.cli.terminal import say, write_data


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"),
        (3.5, "0:03.5"),
        (59.96, "1:00"),
        (75.25, "1:15"),
        (3599.99, "1:00:00"),
        (3723, "1:02:03"),
    ],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("start_s", "end_s", "shown"),
    [
        (292.1, 292.74, "4:52.1-4:52.7"),
        (60.0, 61.0, "1:00-1:01"),
        (3723.25, 3724, "1:02:03.2-1:02:04"),
        (67.5, 77.5, "1:07-1:17"),
        (0.5, 10.5, "0:00.5-0:10.5"),
    ],
)
def test_a_stretch_is_never_shown_as_nothing(start_s: float, end_s: float, shown: str):
    assert clock_span(start_s, end_s) == shown


def test_amounts():
    assert duration(35) == "35.0 s"
    assert duration(90) == "1.5 min"
    assert duration(16_560) == "4.6 h"
    assert size(999) == "999 B"
    assert size(12_345_678) == "12.3 MB"


def test_json_is_one_line_of_the_same_values(capsys):
    print_json({"path": "a\nb.wav", "score": 0.123456789, "caption": None})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"path": "a\nb.wav", "score": 0.123457, "caption": None}


def test_data_is_utf8_whatever_stdout_is_and_names_come_byte_for_byte(monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252"))
    say("before")
    write_data("ä→\udcff.wav\r\n\x1b[0m")
    say("after")
    sys.stdout.flush()
    lines = out.getvalue().replace(b"\r\n", b"\n")
    assert lines == "before\nä→".encode() + b"\xff.wav\n\x1b[0mafter\n"


def test_paths_that_are_no_utf8_travel_as_base64():
    assert path_fields("ä.wav".encode()) == {"path": "ä.wav"}
    fields = path_fields(b"\xff.wav")
    assert fields == {"path": r"\xff.wav", "path_b64": "/y53YXY="}


def test_paths_byte_for_byte_and_once(capfdbinary):
    print_paths([b"\xff.wav", b"a\nb.wav", b"\xff.wav"], print0=True)
    assert capfdbinary.readouterr().out == b"\xff.wav\0a\nb.wav\0"


def test_a_name_is_shown_as_it_is_kept():
    assert quoted("door") == "'door'"
    assert quoted(" two\nlines  of\tit ") == "'two lines of it'"
    assert quoted("it's \x1b[31m") == '"it\'s \\x1b[31m"'
