"""Nobody but the owner is served, nothing foreign is read or written, and the server lives on."""

from __future__ import annotations

import hashlib
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from audiosearch.config import Config
from audiosearch.server import guard, http_server
from audiosearch.server.access_token import OPEN_FILES, AccessToken
from audiosearch.server.guard import CSP, GuardPolicy
from audiosearch.server.page_address import Page, open_page_socket
from audiosearch.server.server import AnswerServer
from tests.integration.server.bad_requests import HOST, KINDS, SOUND, request
from tests.served_library import HttpClient

CASES = [
    pytest.param(content, id=f"{kind}-{number}")
    for kind, contents in KINDS.items()
    for number, content in enumerate(contents)
]


def exchanged(port: int, content: bytes, *, timeout_s: float = 30.0) -> bytes:
    """All that a server says to some bytes, until it ends the connection."""
    content = content.replace(b"PORT", str(port).encode())
    parts = []
    with closing(socket.create_connection(("127.0.0.1", port), timeout=timeout_s)) as connection:
        try:
            connection.sendall(content)
            while part := connection.recv(1 << 16):
                parts.append(part)
        except ConnectionError:  # it has heard enough
            pass
    return b"".join(parts)


def statuses(reply: bytes) -> list[int]:
    """The statuses of all that was answered on one connection."""
    lines = [line for line in reply.split(b"\r\n") if b"HTTP/1.1 " in line]
    return [int(line.partition(b"HTTP/1.1 ")[2][:3]) for line in lines]


def written(config: Config) -> tuple[list[str], str]:
    """The files of a library, and the content of its database."""
    with closing(sqlite3.connect(f"{config.database.as_uri()}?mode=ro", uri=True)) as database:
        content = hashlib.sha256("".join(database.iterdump()).encode("utf-8", "replace"))
    transient = ("-wal", "-shm", ".lock", ".line", ".pid")
    files = (str(x) for x in config.data_dir.rglob("*") if not x.name.endswith(transient))
    return sorted(x for x in files if "/answers" not in x), content.hexdigest()


@pytest.fixture(scope="module")
def unharmed(
    heard: Config, asked: HttpClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Sees at the end that nothing was written, and that the server answers as before."""
    asked.get("/api/status")
    before, answer = written(heard), asked.get("/api/find?q=dog&min-score=0").json()["hits"]
    assert answer
    temporary = tmp_path_factory.mktemp("sent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        yield
    assert written(heard) == before
    assert list(temporary.iterdir()) == []
    assert asked.get("/api/find?q=dog&min-score=0").json()["hits"] == answer


def test_there_are_many_bad_requests_of_many_kinds() -> None:
    assert len(KINDS) >= 19  # and those of `test_a_token_is_asked_for`
    assert len({content for contents in KINDS.values() for content in contents}) >= 200


@pytest.mark.parametrize("content", CASES)
def test_what_is_bad_is_not_served(unharmed: None, asked: HttpClient, content: bytes) -> None:
    reply = exchanged(asked.port, content)
    assert all(400 <= status < 500 for status in statuses(reply)), reply
    assert reply.count(b"content-type: application/json\r\n") == len(statuses(reply))
    assert b"Traceback" not in reply
    assert b"root:" not in reply


def test_what_is_good_is_served(asked: HttpClient) -> None:
    """The same ways of asking, without what is bad about each."""
    good = [
        request(),
        request(host="LOCALHOST:PORT"),
        request(host="[::1]:PORT"),
        request("/api/find?q=dog", ("Origin", f"http://{HOST}")),
        request("/api/find?q=dog", ("Sec-Fetch-Site", "same-origin")),
        request("/", ("Sec-Fetch-Site", "none")),
        request(
            "/",
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
        ),
        request("/static/index.html"),
        request(method="HEAD"),
    ]
    for content in good:
        reply = exchanged(asked.port, content)
        assert statuses(reply) == [200], reply
        assert f"content-security-policy: {CSP}".encode() in reply
        assert b"x-content-type-options: nosniff" in reply
        assert b"access-control-allow-origin" not in reply.lower()
    assert "script-src 'self'" in CSP
    assert "unsafe" not in CSP


@pytest.fixture(scope="module")
def guarded(heard: Config) -> Iterator[tuple[int, str]]:
    """The port of a server that asks for a token, and the token."""
    token, text = AccessToken.made(heard.data_dir)
    page = Page(socket=open_page_socket(heard.serve), token=token)
    with AnswerServer(heard, page=page, for_commands=False):
        yield page.socket.port, text


def showing(token: str) -> list[bytes]:
    """Ways to show a token."""
    return [
        request("/api/status", ("Authorization", f"Bearer {token}")),
        request("/", ("Cookie", f"audiosearch-token={token}")),
        request("/api/status", ("Cookie", f"a=b; audiosearch-token={token}; c=d")),
    ]


@pytest.mark.parametrize("value", ["%ff%fe", "dog%C3", "%ED%A0%80", "a%c0%af"])
def test_parameters_that_are_no_utf_8_are_refused(asked: HttpClient, value: str) -> None:
    for name in ("q", "without"):
        reply = asked.get(f"/api/find?q=dog&{name}={value}")
        assert (reply.status_code, reply.json()["error"]) == (400, f"{name!r} is no valid UTF-8")
    assert asked.get("/api/find?q=%C3%BC%EF%BF%BD").status_code == 200  # odd, but what was asked


def test_a_token_is_asked_for(guarded: tuple[int, str]) -> None:
    port, token = guarded
    bad = [request(path) for path in ("/", "/api/status", "/static/index.html", "/openapi.json")]
    for wrong in ("", "x", token[:-1], token + "x", token.upper(), "é", "*", "null", "../token"):
        bad += showing(wrong)
        bad.append(request(f"/?token={wrong.encode('utf-8').hex() or '%00'}"))
    bad += [
        request("/api/status", ("Authorization", token)),
        request("/api/status", ("Authorization", f"Basic {token}")),
        request(f"/api/status?token={token}"),
        request(f"/?token={token}&token=x"),
        request(f"/?token={token}", method="HEAD"),
        request("/api/status", ("Cookie", f"token={token}")),
    ]
    for content in bad:
        assert statuses(exchanged(port, content)) == [401], content
    for content in showing(token):
        assert statuses(exchanged(port, content)) == [200]
    first = exchanged(port, request(f"/?token={token}"))
    assert statuses(first) == [303]
    assert b"HttpOnly" in first
    assert b"SameSite=strict" in first


def test_a_browser_is_asked_for_the_token(guarded: tuple[int, str]) -> None:
    port, token = guarded
    client, html = HttpClient(port), {"accept": "text/html,application/xhtml+xml"}
    asks = client.get("/?q=dog", headers=html)
    assert (asks.status_code, asks.headers["www-authenticate"]) == (401, "Bearer")
    assert (asks.headers["cache-control"], CSP in asks.headers["content-security-policy"]) == (
        "no-store",
        True,
    )
    # Its files, and what these import, are all that is given to whoever has no token.
    named, due = set(), set(re.findall(r"/static/[\w.]+", asks.text))
    while due:
        name = due.pop()
        given = client.get(name)
        assert given.status_code == 200
        named.add(name)
        due |= {f"/static/{x}" for x in re.findall(r'from "\./([\w.]+)"', given.text)} - named
    assert named == OPEN_FILES
    for path in ("/static/main.js", "/static/../openapi.json", "/static/dom.js/", "/api/tags"):
        assert client.get(path, headers=html).status_code == 401
    shown = {"authorization": f"Bearer {token}"}
    kept = client.post("/api/session", headers=shown)
    assert (kept.status_code, kept.json()) == (200, {"kept": True})
    cookie = kept.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=strict" in cookie) == (True, True)
    signed_in = {"cookie": cookie.partition(";")[0]}
    assert client.get("/api/tags", headers=signed_in).status_code == 200
    gone = client.delete("/api/session", headers=signed_in)
    assert "Max-Age=0" in gone.headers["set-cookie"]
    wrong = client.post("/api/session", headers={"authorization": "Bearer x"})
    assert (wrong.status_code, wrong.headers["set-cookie"]) == (401, None)
    other = {**shown, "origin": "http://evil.example"}
    assert client.post("/api/session", headers=other).status_code == 403


def test_a_name_that_leads_here_by_chance_is_not_ours() -> None:
    everywhere = GuardPolicy(port=80, hosts=frozenset(("mine",)), any_address=True)
    for host in ("mine", "MINE:80", "192.168.1.7", "192.168.1.7:80", "[fe80::1]"):
        assert everywhere.knows_host(host)
    for host in (
        *("evil.example", "192.168.1.7.evil.example", "mine:81", "", "[fe80::1", "mine:"),
        *("[mine]", "fe80::1", "mine:80:80", "x@mine", "mine/", "mine:000080"),
    ):
        assert not everywhere.knows_host(host)


def test_headers_must_come_in_time(heard: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEADERS_S", 0.3)
    monkeypatch.setattr(http_server._BoundedProtocol._wait_for_headers, "__defaults__", (0.3,))
    page = Page(socket=open_page_socket(heard.serve), token=None)
    address = ("127.0.0.1", page.socket.port)
    with (
        AnswerServer(heard, page=page, for_commands=False),
        closing(socket.create_connection(address, timeout=30)) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\n")
        deadline = time.monotonic() + 20
        while _takes(connection, b"X: y\r\n"):  # a header more each moment, and never the end
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _takes(connection: socket.socket, content: bytes) -> bool:
    try:
        connection.sendall(content)
    except ConnectionError:
        return False
    return True


def test_a_body_must_come_in_time(asked: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0.3)
    content = request("/api/similar", SOUND, ("Content-Length", "100"), method="POST") + b"RIFF"
    with closing(socket.create_connection(("127.0.0.1", asked.port), timeout=30)) as connection:
        connection.sendall(content.replace(b"PORT", str(asked.port).encode()))
        assert statuses(connection.recv(1 << 16)) == [408]


def test_a_flood_of_connections_is_bounded(heard: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosearch.server.server.MOST_CONNECTIONS", 4)
    page = Page(socket=open_page_socket(heard.serve), token=None)
    address = ("127.0.0.1", page.socket.port)
    with AnswerServer(heard, page=page, for_commands=False):
        silent = [socket.create_connection(address) for _ in range(30)]
        try:
            asking = request().replace(b"PORT", str(page.socket.port).encode())
            assert statuses(exchanged(page.socket.port, asking)) in ([503], [])
        finally:
            for each in silent:
                each.close()
        deadline = time.monotonic() + 30
        while statuses(exchanged(page.socket.port, request())) != [200]:
            assert time.monotonic() < deadline


def test_who_is_one_too_many_is_told(heard: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosearch.server.server.MOST_CONNECTIONS", 4)
    page = Page(socket=open_page_socket(heard.serve), token=None)
    others = [HTTPConnection("127.0.0.1", page.socket.port, timeout=30) for _ in range(4)]
    with AnswerServer(heard, page=page, for_commands=False):
        try:
            for each in others:  # each stays, for its next request
                each.request("GET", "/openapi.json")
                assert each.getresponse().read()
            reply = HttpClient(page.socket.port).get("/openapi.json")
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "1"
            assert "too many" in reply.json()["error"]
        finally:
            for each in others:
                each.close()


def test_the_token_is_kept_as_a_hash_for_its_owner_alone(tmp_path: Path) -> None:
    _, text = AccessToken.made(tmp_path)
    [file] = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert text not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    kept = AccessToken.kept(tmp_path)
    assert kept is not None
    assert kept.is_known_to(text)
    assert not kept.is_known_to(text[:-1])


def test_a_token_that_another_process_makes_counts_at_once(tmp_path: Path) -> None:
    first = AccessToken.made(tmp_path)[1]
    served = AccessToken.kept(tmp_path)
    assert served is not None
    assert served.is_known_to(first)
    second = AccessToken.made(tmp_path)[1]
    assert not served.is_known_to(first)
    assert served.is_known_to(second)
    [file] = [each for each in tmp_path.rglob("*") if each.is_file()]
    file.unlink()
    assert not served.is_known_to(second)
    assert not served.is_known_to("")
    file.write_text("no hash\n")
    assert not served.is_known_to("")
    third = AccessToken.made(tmp_path)[1]
    assert served.is_known_to(third)


def test_who_has_the_token_is_told_that_the_library_is_gone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    served, text = AccessToken.made(data_dir)
    data_dir.rename(tmp_path / "away")
    assert served.is_known_to(text)
    assert not served.is_known_to(text[:-1])
    (tmp_path / "away").rename(data_dir)
    assert served.is_known_to(text)
