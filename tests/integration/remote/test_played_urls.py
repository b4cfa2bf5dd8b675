"""What the page plays and draws of sounds at a URL, from a real server of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch._urls import UrlPath
from audiosearch.library import open_library
from audiosearch.server.page_address import open_page
from audiosearch.server.server import AnswerServer
from tests.remote_stores import FlakyStore, flaky_store, forget_stores, raises
from tests.served_library import HttpClient, heard_library
from tests.sounds import tones, write_audio

FIELD = UrlPath("flaky://box/field")
NAME = "low high.flac"


@pytest.fixture
def store() -> Iterator[FlakyStore]:
    with flaky_store() as found:
        yield found


@pytest.fixture
def asked(store: FlakyStore, tmp_path: Path, toy_bundle: Path) -> Iterator[tuple[HttpClient, str]]:
    """A client, and where a sound of two seconds at a URL is asked for."""
    sound = write_audio(tmp_path / NAME, tones([300, 900]))
    store.pipe(f"flaky://box/field/{NAME}", sound.read_bytes())
    config = heard_library(tmp_path, toy_bundle, FIELD)
    with open_library(config) as library:
        file = library.info(f"{FIELD}/{NAME}").file
    assert file is not None
    page = open_page(config)
    store.n_asked.clear()
    with AnswerServer(config, page=page):
        yield HttpClient(page.socket.port), f"/api/recordings/{file.recording_id}"


ASKED = (
    "/audio",
    "/audio?format=wav&start=0.5&end=1",
    "/audio?download=1&start=0.5&end=1",
    "/peaks?width=20",
    "/spectrogram?start=0&end=1&width=32&height=16",
)


def test_it_is_fetched_once_and_played(
    store: FlakyStore, asked: tuple[HttpClient, str], tmp_path: Path
) -> None:
    client, sound = asked
    assert client.ask("GET", sound).json()["path"] == f"{FIELD}/{NAME}"
    assert client.ask("GET", sound).json()["offline"] is False
    assert store.n_asked == []  # nothing was to be heard yet
    for path in ("/audio", "/audio?format=wav&start=0.5&end=1", *ASKED[3:]):
        answer = client.ask("GET", sound + path)
        assert answer.status_code == 200, answer.text
        assert answer.content
    assert client.ask("GET", f"{sound}/audio").content == (tmp_path / NAME).read_bytes()
    assert sum(each.startswith("open") for each in store.n_asked) == 1
    assert client.ask("GET", sound + ASKED[2]).content.startswith((b"RIFF", b"RF64"))
    copies = [each for each in (tmp_path / "data" / "fetched").rglob("*") if each.is_file()]
    assert [copy.name for copy in copies] == [NAME]
    if os.name == "posix":
        assert all(each.stat().st_mode & 0o077 == 0 for each in (*copies, copies[0].parent))


@pytest.mark.parametrize(
    ("error", "said"),
    [(ConnectionError("cut"), "cannot be reached: cut"), (PermissionError(), "refused")],
)
def test_a_store_that_is_away_is_said_before_anything_is_promised(
    store: FlakyStore, asked: tuple[HttpClient, str], error: Exception, said: str
) -> None:
    client, sound = asked
    store.trouble.append(raises(error))
    for path in ASKED:
        forget_stores()
        answer = client.ask("GET", sound + path)
        assert answer.status_code == 404
        assert said in answer.json()["error"]
        assert f"{FIELD}/{NAME}" in answer.json()["error"]


def test_another_sound_is_not_played_in_its_place(
    store: FlakyStore, asked: tuple[HttpClient, str], tmp_path: Path
) -> None:
    client, sound = asked
    other = write_audio(tmp_path / "other.flac", tones([900, 300]))
    store.pipe(f"flaky://box/field/{NAME}", other.read_bytes())
    answer = client.ask("GET", f"{sound}/audio")
    assert answer.status_code == 404
    assert "has changed since the library heard it" in answer.json()["error"]
