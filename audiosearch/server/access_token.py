"""The token that whoever comes from another machine must show: kept as a hash, told once.

A browser shows it by opening `/?token=...` once and keeps it in a cookie from then on; programs
send `Authorization: Bearer ...`.
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
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from audiosearch._files import PRIVATE_FILE, atomic_write
from audiosearch.errors import StoreError
from audiosearch.server.address import FOLDER, private_folder
from audiosearch.server.replies import error_reply

FILE: Final = "page-token.sha256"
COOKIE: Final = "audiosearch-token"
YEAR_S: Final = 365 * 86_400
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
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_known_to(bearer.strip()):
            return None
        if any(self.is_known_to(token) for token in _cookies(headers)):
            return None
        if scope["method"] == "GET" and scope["path"] == "/":
            shown = parse_qs(scope["query_string"].decode("ascii", "replace")).get("token", [])
            if len(shown) == 1 and self.is_known_to(shown[0]):
                return _with_cookie(shown[0])
        return error_reply(
            401,
            "this needs the token of the library",
            remedy="open /?token=..., or send Authorization: Bearer ...;"
            " audiosearch serve --new-token makes another",
            headers={"www-authenticate": "Bearer"},
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


def _with_cookie(token: str) -> Response:
    """To the page, without the token in its address."""
    reply = RedirectResponse("/", status_code=303)
    reply.set_cookie(COOKIE, token, max_age=YEAR_S, path="/", httponly=True, samesite="strict")
    return reply
