"""Who may ask, and how much: the middleware that every request passes before anything sees it.

Other pages in the same browser can reach this machine's ports. They cannot make the browser send
another `Host`, `Origin` or `Sec-Fetch-Site` than the true ones; see docs/web_security.md.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from audiosearch.server.parameters import broken_parameter
from audiosearch.server.replies import error_reply, method_refused

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE"))
MOST_PATH: Final = 2048  # bytes, as of all below
MOST_QUERY: Final = 16_384
MOST_HEADERS: Final = 64  # how many
MOST_HEADER_BYTES: Final = 32_768  # of all of them
MOST_BODY: Final = 1 << 20  # JSON
MOST_ROWS_BODY: Final = 8 << 20  # rows of an answer, to be exported
MOST_SOUND: Final = 256 << 20  # of a sound that is sent
BODY_S: Final = 120.0  # for all of a body
SEND_S: Final = 120.0  # for a reader that takes its time
# What a form of another page can post without asking for leave is neither of these nor JSON.
SOUND_TYPES: Final = ("audio/", "video/", "application/octet-stream", "application/ogg")

_HOST = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@/]+))(?::(?P<port>\d{1,5}))?"
)

CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE_HEADERS: Final = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(self)"),
)


@dataclass(frozen=True, kw_only=True)
class GuardPolicy:
    """Whom a listener answers.

    Attributes:
        port: that it listens on; 0: on a Unix socket, which no browser reaches.
        hosts: names and addresses, in small letters, by which it may be asked.
        any_address: it may be asked by any address, though by no other name: it listens on all.
        admit: tells whether the headers of a request show the right to ask, and what to answer
            otherwise; None: whoever reaches it has the right.
    """

    port: int = 0
    hosts: frozenset[str] = frozenset()
    any_address: bool = False
    admit: Callable[[Scope], Response | None] | None = None

    def knows_host(self, host: str) -> bool:
        """Whether a `Host` header names this server."""
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 80) != self.port:
            return False
        name = (found["address"] or found["name"]).lower()
        return name in self.hosts or (self.any_address and _is_address(name))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Guard:
    """Passes on to `app` what may be asked, and refuses the rest; adds the headers of safety."""

    def __init__(self, app: Starlette, policy: GuardPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return
        guarded = _guarded_send(send, is_api=scope["path"].startswith("/api"))
        refusal = self._refusal(scope)
        if refusal is not None:
            # What is still on its way is not read: the connection ends with the answer.
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, _BoundedBody(receive, most=_most_body(scope)).receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why a request is not answered; None where it is."""
        headers = Headers(scope=scope)
        for check in (
            self._of_size,
            self._of_form,
            self._of_origin,
            self._of_right,
            self._of_body,
        ):
            refusal = check(scope, headers)
            if refusal is not None:
                return refusal
        return None

    def _of_form(self, scope: Scope, _headers: Headers) -> Response | None:
        if scope["method"] not in METHODS:
            return method_refused(self._app.routes, scope)
        if scope["http_version"] not in ("1.0", "1.1"):
            return error_reply(400, "this speaks HTTP/1.1")
        if any(ord(each) < 32 or ord(each) == 127 for each in scope["path"]):
            return error_reply(400, "a path holds no control characters")
        broken = broken_parameter(scope["query_string"])
        if broken is not None:
            remedy = "percent-encode UTF-8: %C3%BC is ü"
            return error_reply(400, f"{broken!r} is no valid UTF-8", remedy=remedy)
        return None

    def _of_size(self, scope: Scope, headers: Headers) -> Response | None:
        if len(scope["raw_path"]) > MOST_PATH:
            return error_reply(414, f"a path is at most {MOST_PATH} bytes long")
        if len(scope["query_string"]) > MOST_QUERY:
            return error_reply(414, f"parameters are at most {MOST_QUERY} bytes long")
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if len(headers) > MOST_HEADERS or size > MOST_HEADER_BYTES:
            most = f"{MOST_HEADERS} headers, of {MOST_HEADER_BYTES} bytes in all"
            return error_reply(431, f"there are at most {most}")
        return None

    def _of_origin(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._policy.port:
            return None
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._policy.knows_host(hosts[0]):
            return error_reply(
                403, "this server is not known by that name", remedy="ask it by its address"
            )
        origins = headers.getlist("origin")
        if origins and origins != [f"http://{hosts[0]}"]:
            return error_reply(403, "another page may not ask this server")
        site = headers.get("sec-fetch-site", "same-origin")
        if site in ("same-origin", "none"):
            return None
        # A link to the page may be followed from anywhere; nothing else may be asked for.
        is_visit = (
            scope["method"] == "GET"
            and scope["path"] == "/"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        return None if is_visit else error_reply(403, "another page may not ask this server")

    def _of_right(self, scope: Scope, _headers: Headers) -> Response | None:
        return None if self._policy.admit is None else self._policy.admit(scope)

    def _of_body(self, scope: Scope, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if scope["method"] in ("GET", "HEAD"):
            if length != "0" or "transfer-encoding" in headers:
                return error_reply(400, f"{scope['method']} has no body")
            return None
        if not length.isdecimal() or int(length) > _most_body(scope):
            return error_reply(413, f"at most {_most_body(scope)} bytes are taken")
        has_body = length != "0" or "transfer-encoding" in headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and kind != "application/json" and not kind.startswith(SOUND_TYPES):
            return error_reply(
                415,
                "a body is JSON or a sound",
                remedy="say so: Content-Type: application/json, or audio/wav",
            )
        return None


def _most_body(scope: Scope) -> int:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith(SOUND_TYPES):
        return MOST_SOUND
    return MOST_ROWS_BODY if scope["path"] == "/api/export" else MOST_BODY


class BodyRefused(HTTPException):
    """A body is too long, or comes too slowly; what is still on its way is not read."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason, headers={"connection": "close"})


class _BoundedBody:
    """The body of a request, within its bounds of size and time."""

    def __init__(self, receive: Receive, *, most: int) -> None:
        self._receive = receive
        self._most = most
        self._deadline = time.monotonic() + BODY_S
        self._n_bytes = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """See ASGI.

        Raises:
            BodyRefused: it is too long or too late.
        """
        if self._is_whole:  # all that still comes is word of the client's leaving
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise BodyRefused(408, "the body came too slowly") from None
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._n_bytes > self._most:
                raise BodyRefused(413, f"at most {self._most} bytes are taken")
        return message


def _guarded_send(send: Send, *, is_api: bool) -> Send:
    """`send` with the headers of safety, and with a bound on how long the client may take."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            names = {name for name, _ in headers}
            headers += [pair for pair in SAFE_HEADERS if pair[0] not in names]
            if is_api and b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        async with asyncio.timeout(SEND_S):
            await send(message)

    return guarded
