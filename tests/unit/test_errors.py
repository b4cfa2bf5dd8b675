"""Errors say what, where and what to do; paths of any bytes become one printable line."""

import os

from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import DecodeCode, DecodeError, display_path


def test_an_error_names_file_and_remedy():
    error = DecodeError("cut short", code=DecodeCode.DAMAGED, path="a.wav", remedy="copy it again")
    assert str(error) == "a.wav: cut short (copy it again)"
    assert error.code == "damaged"


def test_display_keeps_plain_names_and_escapes_the_rest():
    assert display_path("Bäche/a b.wav".encode()) == "Bäche/a b.wav"
    assert display_path(b"a\xff\n.wav") == r"a\xff\n.wav"


@given(st.binary(max_size=300))
def test_display_of_any_bytes_is_one_line_that_encodes(path):
    shown = display_path(path)
    shown.encode("utf-8")  # raises where it cannot
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown.isprintable()


@given(st.binary(max_size=100).filter(lambda name: b"\0" not in name))
def test_errors_take_paths_of_any_bytes(path):
    assert str(DecodeError("x", code=DecodeCode.EMPTY, path=os.fsdecode(path))).endswith(": x")
