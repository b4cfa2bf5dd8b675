"""A server whose library is taken away says so, makes none, and goes on once it is back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch.config import Config
from audiosearch.server.page_address import open_page
from audiosearch.server.server import AnswerServer
from tests.served_library import HttpAnswer, HttpClient

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def own(heard: Config, tmp_path: Path) -> Config:
    """A copy of the library, to be taken away."""
    data_dir = tmp_path / "own" / "data"
    shutil.copytree(heard.data_dir, data_dir, ignore=shutil.ignore_patterns("answers"))
    return replace(heard, data_dir=data_dir)


@pytest.fixture
def ask(own: Config) -> Iterator[HttpClient]:
    page = open_page(own)
    with AnswerServer(own, page=page):
        yield HttpClient(page.socket.port)


def replies(ask: HttpClient) -> dict[str, HttpAnswer]:
    """Reads of several kinds, questions, sound and writes."""
    return {
        "status": ask.get("/api/status"),
        "roots": ask.get("/api/roots"),
        "find": ask.get("/api/find", params={"q": "a low sound"}),
        "similar": ask.get("/api/similar", params={"recording": "1"}),
        "peaks": ask.get("/api/recordings/1/peaks"),
        "sound": ask.get(
            "/api/recordings/1/audio", params={"start": "0", "end": "1", "format": "wav"}
        ),
        "tag": ask.put("/api/recordings/1/tags/mine"),
        "collection": ask.put("/api/collections/some", content=b"{}", headers=JSON),
    }


@pytest.mark.parametrize("whole_folder", [True, False])
def test_it_is_gone_and_comes_back(own: Config, ask: HttpClient, whole_folder: bool) -> None:
    replies(ask)  # what is written counts in the answers from now on
    before = replies(ask)
    assert {name: reply.content for name, reply in before.items() if reply.status_code >= 300} == {}
    assert before["find"].json()["hits"]
    moved = own.data_dir if whole_folder else own.database
    away = own.data_dir.parent / "away"
    moved.rename(away)
    for _ in range(2):
        for name, reply in replies(ask).items():
            assert reply.status_code == 503, (name, reply.content)
            assert "the library is gone: No such file" in reply.json()["error"], name
            assert "put it back" in reply.json()["remedy"]
        assert ask.get("/api/events").content == b""  # they end at once
        assert not own.database.exists()
        assert own.data_dir.exists() != whole_folder
    assert ask.get("/").status_code == 200  # the page itself needs no library
    away.rename(moved)
    after = replies(ask)
    assert {name: reply.status_code for name, reply in after.items()} == {
        name: reply.status_code for name, reply in before.items()
    }
    assert after["find"].json()["hits"] == before["find"].json()["hits"]


def test_an_empty_file_in_its_place_is_not_made_a_library(own: Config, ask: HttpClient) -> None:
    own.database.unlink()
    own.database.touch()
    for name, reply in replies(ask).items():
        assert reply.status_code == 503, (name, reply.content)
        assert "the library is gone" in reply.json()["error"]
    assert own.database.stat().st_size == 0


def test_a_server_stops_though_its_library_is_gone(own: Config) -> None:
    with AnswerServer(own, page=open_page(own)):
        shutil.rmtree(own.data_dir)
    assert not own.data_dir.exists()
