"""Paths as links: on terminals only, with nothing in them that a terminal would obey."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.cli.links import file_url

pty = pytest.importorskip("pty", reason="no such terminals on this system")

SCRIPT = (
    "import os, sys; from audiosearch.cli.links import linked_path;"
    "from audiosearch.cli.terminal import say;"
    "path = os.fsencode(sys.argv[1]);"
    "say(linked_path(path, links=len(sys.argv) < 3))"
)
LINK = re.compile(r"\x1b\]8;;([^\x1b\x07]*)\x1b\\(.*?)\x1b\]8;;\x1b\\", re.DOTALL)


@given(st.binary(min_size=1, max_size=40).filter(lambda path: b"\0" not in path))
def test_an_address_is_plain_text_and_names_the_path_byte_for_byte(path: bytes) -> None:
    url = file_url(b"/" + path)
    assert url.isascii()
    assert url.isprintable()
    parts = urllib.parse.urlsplit(url)
    assert (parts.scheme, parts.query, parts.fragment) == ("file", "", "")
    assert urllib.parse.unquote(parts.netloc) == os.uname().nodename
    assert urllib.parse.unquote_to_bytes(parts.path) == b"/" + path


def on_a_terminal(arguments: Sequence[str | bytes], **environ: str) -> str:
    """What Python, called so, writes on a terminal of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=theirs,
        env={**kept, "TERM": "xterm", **environ},
    ) as child:
        os.close(theirs)
        found = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
    assert child.returncode == 0, found
    return found.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


def test_a_terminal_gets_a_link() -> None:
    [(url, text)] = LINK.findall(on_a_terminal(["-c", SCRIPT, "/sounds/a b%.wav"]))
    assert url.endswith("/sounds/a%20b%25.wav")
    assert text == "/sounds/a b%.wav"


@pytest.mark.parametrize(
    "name", [b"\x1b]8;;http://x\x1b\\y", b"a\x07b", b"\xff\n", "\x9b31m".encode()]
)
def test_a_terminal_obeys_nothing_in_a_name(name: bytes) -> None:
    written = on_a_terminal(["-c", SCRIPT, b"/s/" + name])
    [(url, text)] = LINK.findall(written)
    assert urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(url).path) == b"/s/" + name
    assert text.isprintable()
    assert LINK.sub("", written) == "\n"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_link_where_none_is_wanted(environ: dict[str, str]) -> None:
    assert on_a_terminal(["-c", SCRIPT, "/a.wav"], **environ) == "/a.wav\n"


def test_no_link_where_it_is_refused_or_nobody_would_open_it() -> None:
    assert on_a_terminal(["-c", SCRIPT, "/a.wav", "no"]) == "/a.wav\n"
    long = "/" + "/".join(["x" * 200] * 11)
    assert on_a_terminal(["-c", SCRIPT, long]) == long + "\n"


def test_no_link_in_a_pipe() -> None:
    assert subprocess.check_output([sys.executable, "-c", SCRIPT, "/a.wav"]) == b"/a.wav\n"
