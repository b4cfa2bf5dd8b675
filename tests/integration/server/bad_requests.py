"""Requests that a server must not serve, by kind, as the bytes that are sent; `PORT` is its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from audiosearch.server.guard import MOST_BODY, MOST_SOUND

HOST = "127.0.0.1:PORT"
GOOD = "/api/find?q=dog&min-score=0"
SOUND = ("Content-Type", "audio/wav")
RIFF = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data"


def request(
    path: str = GOOD,
    *headers: tuple[str, str],
    method: str = "GET",
    host: str | None = HOST,
    body: bytes = b"",
    length: bool = True,
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as it is sent, whatever sense it makes."""
    lines = [f"{method} {path} {version}", *([] if host is None else [f"Host: {host}"])]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.encode("utf-8", "surrogateescape") + body


def post(*headers: tuple[str, str], body: bytes = b"x", path: str = "/api/similar") -> bytes:
    return request(path, *headers, method="POST", body=body)


def foreign_hosts() -> Iterator[bytes]:
    for host in (
        *("evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "127.0.0.1"),
        *("127.0.0.1:1", "localhost", "localhost:1", "", ":PORT", "0.0.0.0:PORT"),
        *("127.0.0.1@evil.example:PORT", "[::ffff:127.0.0.1]:PORT", "127.0.0.2:PORT"),
        *("2130706433:PORT", "127.1:PORT", "localhost.:PORT", "127.0.0.1:PORT/x", "*:PORT"),
    ):
        yield request(host=host)
    yield request(GOOD, ("Host", "evil.example"))
    yield request(host=None, version="HTTP/1.0")
    yield request(host=None)
    yield request("http://evil.example/api/find?q=dog", host="evil.example")


def foreign_origins() -> Iterator[bytes]:
    for origin in (
        *("http://evil.example", "https://evil.example", "null", "", "file://", "*"),
        *("https://127.0.0.1:PORT", "http://127.0.0.1", "http://127.0.0.1:1"),
        *("http://localhost:PORT", "http://127.0.0.1:PORT.evil.example"),
        *("http://127.0.0.1:PORT@evil.example", "http://127.0.0.1:PORT/", "HTTP://127.0.0.1:PORT"),
        *("chrome-extension://abcdefghijklmnop", "http://evil.example#http://127.0.0.1:PORT"),
    ):
        yield request(GOOD, ("Origin", origin))
    yield post(SOUND, ("Origin", "http://evil.example"), body=RIFF)
    yield request(GOOD, ("Origin", f"http://{HOST}"), ("Origin", "http://evil.example"))


def foreign_sites() -> Iterator[bytes]:
    for site in ("cross-site", "same-site", "", "Same-Origin", "none, same-origin"):
        yield request(GOOD, ("Sec-Fetch-Site", site))
        yield request("/api/failed/retry", ("Sec-Fetch-Site", site), method="POST")
    for path in ("/static/index.html", "/openapi.json", "/api/events", "/api/status"):
        yield request(
            path,
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
        )
    yield request("/", ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "iframe"))


def other_methods() -> Iterator[bytes]:
    for method in (
        *("TRACE", "OPTIONS", "CONNECT", "PATCH", "PROPFIND", "MOVE", "COPY", "LOCK", "get"),
        *("PURGE", "G=T", "POST", "PUT", "DELETE"),
    ):
        yield request(method=method, path="/api/status")


def files_elsewhere() -> Iterator[bytes]:
    for path in (
        *("/../server.py", "/../../config.py", "/%2e%2e/server.py", "/%2e%2e%2fserver.py"),
        *("/..%2fserver.py", "/..%5cserver.py", "/%252e%252e/server.py", "//etc/passwd"),
        *("/%2fetc%2fpasswd", "/index.html/../../server.py", "/.", "/..", "/%00", "/a%00.html"),
        *("/....//server.py", "/..;/server.py", "/%c0%ae%c0%ae/server.py", "/C:%5cWindows"),
        "/index.html%00.js",
    ):
        yield request(f"/static{path}")
    yield request("/../../etc/passwd")
    yield request("/%2e%2e/%2e%2e/etc/passwd")
    yield request("file:///etc/passwd")


def no_ids() -> Iterator[bytes]:
    for value in (
        *("../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "-1", "0", "1e3", "0x1", "1.5"),
        *("1;DROP TABLE recording", "1 OR 1=1", "1'--", "١", "²", "", " 1", "1@", "1@x-y"),
        *("1@5-2", "1@nan-2", "1@-1-2", "1@1..2-3", "9" * 19, "9" * 40, "1\n", "%00", "NaN"),
    ):
        yield request(f"/api/similar?recording={quote(value)}")
    yield request("/api/describe?recording=/etc/hostname")
    yield request(f"/api/find?q=dog&like={quote('/etc/hostname')}")


def unknown_parameters() -> Iterator[bytes]:
    for name in (
        *("path", "file", "Q", "q%00", "q[]", "q.x", "__proto__", "limit%20", "min_score", "json"),
        *("config", "data-dir", "device", "callback"),
    ):
        yield request(f"/api/find?q=dog&{name}=1")
    yield request("/api/status?q=dog")


def no_numbers() -> Iterator[bytes]:
    for name, values in {
        "limit": ("0", "-1", "1e9", "many", "", "1.5", "99999999999999999999", "٣"),
        "min-score": ("nan", "inf", "-inf", "1e999", "-0.1", "1.1", "high"),
        "like-weight": ("2", "x"),
        "min-duration": ("long", "-5", "nan"),
        "rate": ("fast", "96k:8k", "1e400"),
        "since": ("whenever", "9" * 40),
        "between": ("25:00-26:00", "noon"),
        "date": ("2026-13-01", "yesterday-ish"),
        "favourite": ("maybe", "2"),
    }.items():
        for value in values:
            yield request(f"/api/find?q=dog&{name}={quote(value)}")


def too_long() -> Iterator[bytes]:
    yield request(f"/api/find?q={'a' * 2001}")
    yield request(f"/api/find?q={'a' * 17_000}")
    yield request(f"/api/find?q={'a' * 100_000}")
    yield request(f"/{'a' * 3000}")
    yield request(f"/{'a' * 100_000}")
    yield request(GOOD, ("X", "a" * 100_000))
    yield request(GOOD, ("Cookie", "a=" + "b" * 60_000))
    yield request(f"/api/find?q=dog{'&tag=x' * 101}")
    yield request("/api/find?q=dog&q=cat")
    yield request(f"/api/label?recording=1{'&label=x' * 101}")
    for n_headers in (65, 100, 500):
        yield request(GOOD, *((f"X-{number}", "1") for number in range(n_headers)))


def other_bodies() -> Iterator[bytes]:
    for kind in (
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("text/html", "application/xml", "image/svg+xml", "application/javascript", ""),
        *("application/jsonp", "audio", "Audio", "application/octet", "text/plain; audio/wav"),
    ):
        yield post(("Content-Type", kind), body=RIFF)
    yield post(body=RIFF)


def wrong_lengths() -> Iterator[bytes]:
    for length in (str(MOST_SOUND + 1), str(10**18), "-1", "abc", "1, 2", "0x10", "1e3", "9" * 40):
        yield request("/api/similar", SOUND, ("Content-Length", length), method="POST")
    json_kind = ("Content-Type", "application/json")
    yield request("/api/similar", json_kind, ("Content-Length", str(MOST_BODY + 1)), method="POST")
    chunks = (b"%x\r\n" % (1 << 16) + b"a" * (1 << 16) + b"\r\n") * (MOST_BODY // (1 << 16) + 1)
    yield (
        request("/api/similar", json_kind, ("Transfer-Encoding", "chunked"), method="POST") + chunks
    )


def bodies_of_none() -> Iterator[bytes]:
    for method in ("GET", "HEAD"):
        yield request(method=method, body=b"x")
        yield request(GOOD, ("Content-Length", "5"), method=method)
        yield request(GOOD, ("Transfer-Encoding", "chunked"), method=method) + b"0\r\n\r\n"
        yield request("/api/status", SOUND, method=method, body=RIFF)
        yield request("/", ("Content-Type", "application/json"), method=method, body=b"{}")


def smuggled() -> Iterator[bytes]:
    inner = request("/api/status")
    kind = b"Content-Type: audio/wav\r\n"
    start = b"POST /api/similar HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + kind
    for lines in (
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 4\r\n Content-Length: 5\r\n",
        b"X: a\0b\r\n",
        b"X: a\rb\r\n",
        b"X\r\n",
        b": x\r\n",
        b"X Y: z\r\n",
    ):
        yield start + lines + b"\r\n" + b"0\r\n\r\n" + inner


def no_http() -> Iterator[bytes]:
    yield from (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET / FTP/1.1\r\n\r\n",
        b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n\r\n",
        b"*1\r\n$4\r\nINFO\r\n\r\n",
        b"\0" * 64 + b"\r\n\r\n",
        b"\xff\xfe\xfd" * 20 + b"\r\n\r\n",
        b"GET /api/find?q=\xff HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/find?q=a b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /\t HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
    )


def upgrades() -> Iterator[bytes]:
    for path in ("/", "/api/find", "/api/events", "/ws", "/static/index.html"):
        for upgrade in ("websocket", "h2c"):
            yield request(
                path,
                ("Upgrade", upgrade),
                ("Connection", "Upgrade"),
                ("Origin", "http://evil.example"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "13"),
            )


def no_sounds() -> Iterator[bytes]:
    passwd = b"/etc/passwd"
    for body in (
        b"",
        b"no sound at all",
        RIFF,
        b"\0" * 4096,
        b"#EXTM3U\n#EXTINF:1,\nfile://" + passwd + b"\n",
        b"ffconcat version 1.0\nfile '" + passwd + b"'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5 RTP/AVP 0\n",
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file:///</BaseURL></MPD>",
        b"PK\3\4" + b"\0" * 200,
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
    ):
        yield post(SOUND, body=body)
    yield post(("Content-Type", "application/json"), body=json.dumps({"path": "/x"}).encode())


def control_characters() -> Iterator[bytes]:
    for code in ("%00", "%0a", "%0d%0aX: y", "%1b", "%7f"):
        yield request(f"/api/{quote(code, safe='%')}")
        yield request(f"/static/{quote(code, safe='%')}")
    yield request("/api/find?q=a%00b")
    yield request("/api/find?q=dog&tag=%00")


def for_commands_alone() -> Iterator[bytes]:
    kind = ("Content-Type", "application/json")
    for path in ("/commands/answer", "/commands/greeting", "/commands/", "/commands/../commands"):
        yield request(path)
        yield post(kind, body=b'["FindQuestion",{}]', path=path)
    yield post(
        kind,
        ("Audiosearch-Version", "4/0.2.0"),
        body=b'["DescribeQuestion",{}]',
        path="/commands/answer",
    )
    yield request("/api/recordings/1/../../../commands/answer")


def nothing_there() -> Iterator[bytes]:
    for path in (
        *("/api", "/api/", "/api/find/", "/api/Find", "/API/find", "/api//find", "//api/find"),
        *("/.git/config", "/.env", "/admin", "/robots.txt", "/wp-login.php", "/api/config"),
        *("/library.sqlite3", "/answers/address.json", "/openapi.yaml", "/docs"),
    ):
        yield request(path)


KINDS: Mapping[str, list[bytes]] = {
    name: list(make())
    for name, make in {
        "foreign hosts": foreign_hosts,
        "foreign origins": foreign_origins,
        "foreign sites": foreign_sites,
        "other methods": other_methods,
        "files elsewhere": files_elsewhere,
        "no ids": no_ids,
        "unknown parameters": unknown_parameters,
        "no numbers": no_numbers,
        "too long": too_long,
        "other bodies": other_bodies,
        "wrong lengths": wrong_lengths,
        "bodies of none": bodies_of_none,
        "smuggled": smuggled,
        "no HTTP": no_http,
        "upgrades": upgrades,
        "no sounds": no_sounds,
        "control characters": control_characters,
        "for commands alone": for_commands_alone,
        "nothing there": nothing_there,
    }.items()
}
