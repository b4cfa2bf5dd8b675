"""`audiosearch serve` and the page of `audiosearch watch`, as real processes."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import FILES, PATIENCE_S, Watch


class Served:
    """`audiosearch serve` in a child process, from when its page is there."""

    def __init__(self, command: Command, *options: str) -> None:
        self.process = subprocess.Popen(
            [*command.program, "serve", "--port", "0", *options],
            env=command.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit status and what was said."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err


@contextmanager
def served(command: Command, *options: str) -> Iterator[Served]:
    it = Served(command, *options)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.kill()
            it.process.communicate()


def ask(url: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    where = urlsplit(url)
    assert where.hostname is not None
    with closing(HTTPConnection(where.hostname, where.port or 80, timeout=60)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()


def hits(url: str, query: str) -> list[dict[str, Any]]:
    response, body = ask(url, f"/api/find?q={quote(query)}&min-score=0")
    assert response.status == 200, body
    found: list[dict[str, Any]] = json.loads(body)["hits"]
    return found


def test_the_page_and_the_commands_are_answered_alike(own: Command) -> None:
    alone = own("find", "a low tone", "--min-score", "0", "--json")
    with served(own) as server:
        response, page = ask(server.url, "/")
        assert response.status == 200
        assert b"audiosearch" in page
        assert hits(server.url, "a low tone") == alone.rows
        beside = own("find", "a low tone", "--min-score", "0", "--json", "-v")
        assert f"by the daemon (process {server.process.pid})" in beside.err
        assert beside.rows == alone.rows
        assert server.end() == (0, "stopping; once more to stop at once\n")
    assert list((own.data_dir / "answers").iterdir()) == []


def test_ctrl_c_ends_it(own: Command) -> None:
    with served(own, "-q") as server:
        assert server.end(signal.SIGINT) == (130, "")


def test_what_keeps_it_from_serving_is_said(fresh: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = fresh("serve", "--port", str(port))
    assert answer.status == 2
    assert f"127.0.0.1:{port} is taken" in answer.err
    assert "or this library is served there already" in answer.err
    assert f"see http://127.0.0.1:{port}/" in answer.err
    unfit = replace(fresh, bundle=str(fresh.data_dir / "nowhere"))("serve", "--port", "0")
    assert (unfit.status, unfit.text) == (2, "")
    answer = fresh("serve", "--host", "nowhere.invalid")
    assert answer.status == 2
    assert "no address of this machine" in answer.err


def test_a_daemon_beside_it_says_what_is_in_its_way(own: Command) -> None:
    with served(own) as server:
        answer = own("watch")
        assert (answer.status, answer.text) == (2, "")
        assert f"(pid {server.process.pid})" in answer.err
        assert "audiosearch serve" in answer.err
        assert "enabled = true" in answer.err
        assert "start watch first" in answer.err
        assert server.end()[0] == 0


def test_another_address_needs_the_token_that_is_shown_once(own: Command) -> None:
    with served(own, "--host", "0.0.0.0") as server:
        response, _ = ask(server.url, "/api/status")
        assert response.status == 401
        _, said = server.end()
    assert "warning: others on the network" in said
    [token] = [line.split()[-1] for line in said.splitlines() if line.startswith("the token,")]
    [elsewhere] = [x.split()[-1] for x in said.splitlines() if x.startswith("on another machine:")]
    assert urlsplit(elsewhere).hostname not in (None, "127.0.0.1", "0.0.0.0", "localhost")
    assert urlsplit(elsewhere).port == urlsplit(server.url).port
    assert urlsplit(elsewhere).query == f"token={token}"
    kept = own.data_dir / "answers" / "page-token.sha256"
    assert token not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with served(own, "--host", "0.0.0.0") as server:  # the same token
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}")
        assert response.status == 200
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}x")
        assert response.status == 401
        response, _ = ask(server.url, f"/?token={token}")
        assert (response.status, response.headers["location"]) == (303, "/")
        cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        response, _ = ask(server.url, "/api/status", Cookie=cookie.partition(";")[0])
        assert response.status == 200
        _, said = server.end()
        assert token not in said
    with served(own, "--host", "0.0.0.0", "--new-token") as server:
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}")
        assert response.status == 401


def test_this_machine_can_be_asked_for_the_token_too(own: Command) -> None:
    with served(own, "--new-token") as server:  # for later
        response, _ = ask(server.url, "/api/status")
        assert response.status == 200
        _, said = server.end()
        assert "warning" not in said
    [token] = [line.split()[-1] for line in said.splitlines() if line.startswith("the token,")]
    own.environ["AUDIOSEARCH_SERVE_ACCESS"] = "token"
    with served(own) as server:
        response, _ = ask(server.url, "/api/status")
        assert response.status == 401
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}")
        assert response.status == 200


@contextmanager
def page_of_another(command: Command) -> Iterator[Served]:
    """That of another library, which takes whoever asks."""
    other = replace(command, data_dir=command.data_dir.with_name("another"), environ={})
    with served(other) as server:
        yield server


def test_a_token_is_renewed_while_the_page_is_given(own: Command) -> None:
    own.environ["AUDIOSEARCH_SERVE_ACCESS"] = "token"
    with served(own, "--new-token") as server:
        answer = own("serve", "--port", str(urlsplit(server.url).port), "--new-token")
        assert answer.status == 0, answer.err
        assert f"the page at {server.url} takes it from now on" in answer.err
        [token] = [x.split()[-1] for x in answer.err.splitlines() if x.startswith("the token,")]
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}")
        assert response.status == 200
        _, said = server.end()
    [before] = [x.split()[-1] for x in said.splitlines() if x.startswith("the token,")]
    assert before != token
    del own.environ["AUDIOSEARCH_SERVE_ACCESS"]
    with served(own) as server:  # one that is open to this machine
        answer = own("serve", "--port", str(urlsplit(server.url).port), "--new-token")
        assert answer.status == 0, answer.err
        assert f"the page at {server.url} asks this machine for none" in answer.err
        assert "no other" not in answer.err
    own.environ["AUDIOSEARCH_SERVE_ACCESS"] = "token"
    with page_of_another(own) as other:
        answer = own("serve", "--port", str(urlsplit(other.url).port), "--new-token")
    assert answer.status == 2
    assert "is taken by another program" in answer.err
    [last] = [x.split()[-1] for x in answer.err.splitlines() if x.startswith("the token,")]
    with served(own) as server:
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {last}")
        assert response.status == 200
        response, _ = ask(server.url, "/api/status", Authorization=f"Bearer {token}")
        assert response.status == 401


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_daemon_gives_the_page_too(quick: Command, sound_folder: Path) -> None:
    port = free_port()
    quick.environ.update(AUDIOSEARCH_SERVE_ENABLED="true", AUDIOSEARCH_SERVE_PORT=str(port))
    assert quick("roots", "add", sound_folder).status == 0
    watch = Watch(quick)
    try:
        watch.until_rows(
            [("high-low.flac", "indexed"), ("hiss.ogg", "indexed"), ("low-high.wav", "indexed")],
            FILES,
        )
        url = f"http://127.0.0.1:{port}/"
        assert (
            hits(url, "a low tone")
            == quick("find", "a low tone", "--min-score", "0", "--json").rows
        )
        _, body = ask(url, "/api/status")
        assert json.loads(body)["watch"]["pid"] == watch.process.pid
        with served(quick) as server:  # beside it: the page, while the daemon answers commands
            assert hits(server.url, "a low tone") == hits(url, "a low tone")
            assert server.end()[0] == 0
        assert "by the daemon" in quick("find", "a low tone", "-v").err
        assert watch.end()[0] == 0
    finally:
        watch.kill()


@pytest.mark.parametrize("setting", [{"HOST": "0.0.0.0"}, {"PORT": "taken"}])
def test_a_daemon_that_cannot_give_the_page_says_so(
    quick: Command, setting: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if "PORT" in setting else 0
        quick.environ.update(
            AUDIOSEARCH_SERVE_ENABLED="true",
            AUDIOSEARCH_SERVE_PORT=str(port),
            AUDIOSEARCH_SERVE_HOST=setting.get("HOST", "127.0.0.1"),
        )
        answer = quick("watch")
    assert answer.status == 2
    assert ("--new-token" if "HOST" in setting else "is taken") in answer.err
    assert not list((quick.data_dir / "answers").glob("*.socket"))
