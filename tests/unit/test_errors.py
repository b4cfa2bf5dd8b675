"""Errors say what, where and what to do; paths of any bytes become one printable line."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import DecodeCode, DecodeError, OutOfResources, display_path


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


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, "Too many open files"),
        RuntimeError("can't start new thread"),
        ImportError("libsqlite3.so.0: failed to map segment from shared object"),
        ImportError("x.so: cannot allocate memory in static TLS block"),
    ],
)
def test_what_the_system_has_none_of_is_said_in_a_line(error: Exception) -> None:
    found = OutOfResources.of(error)
    assert found is not None
    assert found.remedy is not None


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'x'"), OSError(errno.EACCES, "no"), RuntimeError("x")]
)
def test_other_errors_are_no_want_of_anything(error: Exception) -> None:
    assert OutOfResources.of(error) is None
