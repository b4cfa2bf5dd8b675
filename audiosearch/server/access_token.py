"""The token that whoever comes from another machine must show: kept as a hash, told once.

A browser shows it by opening `/?token=...` once, or is asked for it by the page, and keeps it in a
cookie from then on; programs send `Authorization: Bearer ...`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from audiosearch._files import PRIVATE_FILE, atomic_write
from audiosearch.errors import QueryError, StoreError
from audiosearch.server.address import FOLDER, private_folder
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import Parameters
from audiosearch.server.replies import JsonReply, error_reply
from audiosearch.server.schemas import TRUTH, thing

FILE: Final = "page-token.sha256"
COOKIE: Final = "audiosearch-token"
PAGE: Final = Path(__file__).parent / "page"
# What the page that asks for the token is made of: nothing of it is secret.
OPEN_FILES: Final = frozenset(
    f"/static/{name}"
    for name in ("early.js", "dom.js", "locked.js", "token_form.js", "style.css", "icon.svg")
)
YEAR_S: Final = 365 * 86_400
_CHALLENGE: Final = {"www-authenticate": "Bearer"}
_Entry = tuple[int, int, int, int]  # device, inode, size, time of the last change


class AccessToken:
    """Who knows the token whose hash a file holds: the one that it holds now.

    Another process may have put another token in its place, which is to count at once: the file is
    read anew where its entry has changed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        # Both at once, since requests of several threads may ask.
        self._seen: tuple[_Entry | None, str] = (None, "")
        self._current_digest()

    @classmethod
    def kept(cls, data_dir: Path) -> AccessToken | None:
        """The one that was made for a library before; None: there is none.

        Raises:
            StoreError: its file cannot be read.
        """
        file = token_file(data_dir)
        try:
            digest = _digest(file)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"cannot be read: {error}", path=file) from error
        return cls(file) if digest else None

    @classmethod
    def made(cls, data_dir: Path) -> tuple[AccessToken, str]:
        """A new one in place of any before, kept as a hash, and the token itself, told this once.

        Raises:
            StoreError: it cannot be written.
        """
        token = secrets.token_urlsafe(32)
        digest = _hash(token)
        file = token_file(data_dir)
        try:
            private_folder(file.parent)
            with atomic_write(file, shared=True, mode=PRIVATE_FILE) as out:
                out.write(digest.encode() + b"\n")
        except OSError as error:
            raise StoreError(error.strerror or str(error), path=file) from error
        return cls(file), token

    def is_known_to(self, token: str) -> bool:
        """Whether this is the token; where the file is gone or cannot be read, none is."""
        digest = self._current_digest()
        return bool(digest) and hmac.compare_digest(_hash(token), digest)

    def _current_digest(self) -> str:
        """Of the token that counts now; empty: there is none.

        While all of the data folder is gone it is the last one, so that who has it is told of that.
        """
        try:
            entry = _entry(self._file)
            seen, digest = self._seen
            if entry != seen:
                digest = _digest(self._file)
                self._seen = (entry, digest)
        except FileNotFoundError:
            is_revoked = self._file.parent.parent.exists()  # of `token_file`
            return "" if is_revoked else self._seen[1]
        except (OSError, UnicodeDecodeError):
            return ""
        return digest

    def admit(self, scope: Scope) -> Response | None:
        """What to answer to a request that does not show the token; None: it does."""
        headers = Headers(scope=scope)
        if self.is_known_to(bearer_token(headers)):
            return None
        if any(self.is_known_to(token) for token in _cookies(headers)):
            return None
        if scope["method"] == "GET" and scope["path"] in OPEN_FILES:
            return None
        if scope["method"] == "GET" and scope["path"] == "/":
            shown = parse_qs(scope["query_string"].decode("ascii", "replace")).get("token", [])
            if len(shown) == 1 and self.is_known_to(shown[0]):
                return with_token(RedirectResponse("/", status_code=303), shown[0])
            if "text/html" in headers.get("accept", ""):
                return _page_that_asks()
        return error_reply(
            401,
            "this needs the token of the library",
            remedy="open /?token=..., or send Authorization: Bearer ...;"
            " audiosearch serve --new-token makes another",
            headers=_CHALLENGE,
        )


def token_file(data_dir: Path) -> Path:
    """Where the hash is kept."""
    return data_dir / FOLDER / FILE


def _digest(file: Path) -> str:
    """What the file holds; empty where that is no hash."""
    digest = file.read_text(encoding="ascii").strip()
    return digest if len(digest) == 64 else ""


def _entry(file: Path) -> _Entry:
    """What tells whether a file is still as it was read."""
    status = os.stat(file)  # noqa: PTH116 - half the time of Path.stat, at each request
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _cookies(headers: Headers) -> list[str]:
    found = []
    for text in headers.getlist("cookie"):
        try:
            cookie = SimpleCookie(text)
        except CookieError:
            continue
        if COOKIE in cookie:
            found.append(cookie[COOKIE].value)
    return found


def _page_that_asks() -> Response:
    """A page with a field for the token; the address is kept, and with it what was to be seen."""
    headers = {**_CHALLENGE, "cache-control": "no-store"}
    return FileResponse(PAGE / "locked.html", status_code=401, headers=headers)


def with_token(reply: Response, token: str) -> Response:
    """A reply after which a browser shows the token by itself; scripts never see it."""
    reply.set_cookie(COOKIE, token, max_age=YEAR_S, path="/", httponly=True, samesite="strict")
    return reply


def without_token(reply: Response) -> Response:
    """A reply after which a browser shows none any more."""
    reply.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return reply


def bearer_token(headers: Headers) -> str:
    """The token that a request shows in `Authorization`; empty: none."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


async def open_session(request: Request) -> Response:
    """Keep the token that is shown in a cookie, so that a browser shows it from then on."""
    Parameters(request.query_params, known=())
    token = bearer_token(request.headers)
    if not token:
        raise QueryError("no token is shown", remedy="send Authorization: Bearer ...")
    return with_token(JsonReply({"kept": True}), token)


async def end_session(request: Request) -> Response:
    """Forget the token in this browser."""
    Parameters(request.query_params, known=())
    return without_token(JsonReply({"kept": False}))


ROUTES: Final = [
    Route("/api/session", open_session, methods=["POST"]),
    Route("/api/session", end_session, methods=["DELETE"]),
]
_SESSION: Final = Operation(reply=thing({"kept": TRUTH}))
OPERATIONS: Final[Operations] = {open_session: _SESSION, end_session: _SESSION}
