"""Who may talk to a server, where it listens, and what it leaves behind."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch import __version__
from audiosearch.config import Config
from audiosearch.errors import LibraryLocked
from audiosearch.search.results import TextQuery
from audiosearch.server import http_server
from audiosearch.server.address import (
    LONGEST_PATH,
    NoAnswer,
    address_file,
    announce,
    connect,
    read_address,
)
from audiosearch.server.client import Server
from audiosearch.server.codec import from_json, to_json
from audiosearch.server.library_cache import Answer, LibraryCache
from audiosearch.server.messages import (
    ANSWER_PATH,
    LIBRARY_HEADER,
    PROOF_SCHEME,
    PROTOCOL,
    VERSION_HEADER,
    FindQuestion,
    Refusal,
    Settings,
    library_line,
    version_line,
)
from audiosearch.server.query_client import open_client
from audiosearch.server.routes import commands
from audiosearch.server.server import AnswerServer

QUERY = TextQuery(text="a dog barks", min_score=0.0)

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


def _who(config: Config) -> str:
    with open_client(config) as answering:
        assert answering.find(QUERY).result.hits
        return answering.who


def _answered(config: Config, **changes: str) -> tuple[int, bytes]:
    """Status and body of a command's request, of which some headers are others."""
    server = Server.reach(config.data_dir)
    question = FindQuestion(settings=Settings.of(config), query=QUERY)
    try:
        headers = {VERSION_HEADER: version_line(__version__)}
        headers |= {LIBRARY_HEADER: library_line(config.data_dir)}
        headers |= {"Content-Type": "application/json"}
        connection = server._connection
        connection.request("POST", ANSWER_PATH, to_json(question), headers | changes)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        server.hang_up()


@unix_only
def test_only_the_owner_can_reach_it(config: Config, server: AnswerServer) -> None:
    address = read_address(config.data_dir)
    assert address.path
    assert address.token == ""
    assert stat.S_IMODE(os.lstat(address.path).st_mode) == 0o600
    assert stat.S_IMODE(Path(address.path).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(address_file(config.data_dir).stat().st_mode) == 0o600


def test_nothing_is_left_behind(config: Config) -> None:
    server = AnswerServer(config)
    server.start()
    assert "by the daemon" in _who(config)
    server.stop()
    assert list(address_file(config.data_dir).parent.iterdir()) == []
    server.stop()
    assert _who(config) == "answered without the daemon: no daemon is running"


def test_a_second_one_is_refused(config: Config, server: AnswerServer) -> None:
    with pytest.raises(LibraryLocked, match=str(os.getpid())):
        AnswerServer(config).start()
    assert "by the daemon" in _who(config)


def test_one_that_was_killed_is_no_hindrance(config: Config) -> None:
    with AnswerServer(config):
        left = read_address(config.data_dir)
    announce(config.data_dir, left)  # as after kill -9: told of, and not there
    assert "(process" in _who(config)
    assert "has gone" in _who(config)
    with AnswerServer(config):
        assert "by the daemon" in _who(config)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder with a path that is short enough for sockets, which `tmp_path` need not be."""
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@unix_only
def test_a_long_path_gets_a_socket_elsewhere(
    config: Config, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    far = config.data_dir / ("d" * LONGEST_PATH)
    far.mkdir()
    for each in config.data_dir.iterdir():
        if each.is_file():
            each.rename(far / each.name)
    moved = replace(config, data_dir=far)
    with AnswerServer(moved) as server:
        assert server.state().address.startswith(str(runtime / "audiosearch"))
        assert stat.S_IMODE((runtime / "audiosearch").stat().st_mode) == 0o700
        assert "by the daemon" in _who(moved)
    assert list((runtime / "audiosearch").iterdir()) == []


@unix_only
def test_a_folder_that_others_may_enter_is_closed(config: Config) -> None:
    folder = address_file(config.data_dir).parent
    folder.mkdir()
    folder.chmod(0o777)
    with AnswerServer(config):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({VERSION_HEADER: version_line("0.0.0")}, "another version"),
        ({VERSION_HEADER: f"{PROTOCOL + 1}/{__version__}"}, "another version"),
        ({LIBRARY_HEADER: library_line(Path("/elsewhere"))}, "another library"),
    ],
)
def test_strangers_are_told_why_not(
    config: Config, server: AnswerServer, changes: dict[str, str], why: str
) -> None:
    status, body = _answered(config, **changes)
    assert status == 409
    assert why in from_json(body, [Refusal]).reason


def test_another_version_is_named(
    config: Config, server: AnswerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.server.client.__version__", "99")
    assert "another version" in _who(config)


@pytest.mark.parametrize(
    "noise", [b"", b"GET / HTTP/1.1\r\n\r\n", b'["Nobody"', b"\0" * 4096, b"\r\n" * 100]
)
def test_noise_does_no_harm(config: Config, server: AnswerServer, noise: bytes) -> None:
    with closing(connect(read_address(config.data_dir), timeout_s=5)) as connection:
        connection.sendall(noise)
    assert "by the daemon" in _who(config)


@pytest.mark.parametrize("body", [b"", b"{}", b'["FindQuestion",{}]', b"[" * 100_000])
def test_what_is_no_question_is_refused(
    config: Config, server: AnswerServer, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.to_json", lambda _: body)
    status, answer = _answered(config)
    assert status == 400
    assert "does not understand" in from_json(answer, [Refusal]).reason


def test_too_many_at_once_answer_by_themselves(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.server.server.MOST_CLIENTS", 1)
    with AnswerServer(config), open_client(config) as first:
        assert first.find(QUERY).result.hits
        assert "without the daemon" in _who(config)
        assert "by the daemon" in first.who


def test_one_that_says_nothing_is_given_up(
    config: Config, server: AnswerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.server.client.HELLO_S", 0.2)
    monkeypatch.setattr(http_server._BoundedProtocol, "data_received", lambda *_: None)
    assert "says nothing" in _who(config)


def test_a_busy_one_is_not_waited_for(
    config: Config, server: AnswerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BEAT_S", 0.05)
    monkeypatch.setattr("audiosearch.server.client.TURN_S", 0.1)
    release = threading.Event()
    answered = LibraryCache.find

    def slow(cache: LibraryCache, question: FindQuestion) -> Answer:
        release.wait(60)
        return answered(cache, question)

    monkeypatch.setattr(LibraryCache, "find", slow)
    told: list[str] = []
    first = threading.Thread(target=lambda: told.append(_who(config)))
    first.start()
    while not server.state().model_loaded and server.idle() > 0:
        pass  # the first question is being worked on
    assert "busy with other questions" in _who(config)
    release.set()
    first.join()
    # Work that has begun is waited for as long as there are signs of life.
    assert told == [f"answered by the daemon (process {os.getpid()})"]


class TestPort:
    """Where there are no Unix sockets: a port of the loopback interface, and a token."""

    def test_it_answers(self, config: Config) -> None:
        with AnswerServer(config, unix=False) as server:
            assert server.state().address.startswith("127.0.0.1:")
            assert "by the daemon" in _who(config)
            if hasattr(os, "geteuid"):
                assert stat.S_IMODE(address_file(config.data_dir).stat().st_mode) == 0o600
        assert not address_file(config.data_dir).exists()

    def test_who_does_not_know_the_token_is_not_answered(self, config: Config) -> None:
        with AnswerServer(config, unix=False):
            status, body = _answered(config)
            assert (status, b"owner" in body) == (401, True)
            status, _ = _answered(config, Authorization=f"{PROOF_SCHEME} {'0' * 64}")
            assert status == 401

    def test_a_server_that_does_not_know_the_token_is_not_believed(self, config: Config) -> None:
        with AnswerServer(config, unix=False):
            known = read_address(config.data_dir)
            announce(config.data_dir, replace(known, token="0" * 64))
            with pytest.raises(NoAnswer, match="no daemon of this library"):
                Server.reach(config.data_dir)
            announce(config.data_dir, known)
