"""What the server sends back: JSON with numbers as the commands print them, and errors in a line.

Nothing of a traceback, and no path of a temporary file, is ever told.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from audiosearch.errors import (
    AudiosearchError,
    BundleError,
    ConfigError,
    DecodeError,
    FeatureUnavailable,
    LibraryLocked,
    QueryError,
    StoreError,
)

log = logging.getLogger(__name__)

JSON: Final = "application/json"
_WHAT_THERE_IS: Final = "/openapi.json tells what there is"
_STATUS: Final[tuple[tuple[type[AudiosearchError], int], ...]] = (
    (LibraryLocked, 409),
    (QueryError, 400),
    (DecodeError, 400),
    (FeatureUnavailable, 400),
    (StoreError, 503),
    (BundleError, 503),
    (ConfigError, 503),
)


class NotInLibrary(AudiosearchError):
    """The library has nothing under an id or a name of a request."""


def encode_json(content: object) -> bytes:
    """UTF-8; half a surrogate pair as its escape, since it has no other form."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    return text.encode("utf-8", "backslashreplace")


class JsonReply(Response):
    """An answer; dictionaries of rows are to be tidy, as of `search.rows.tidy_row`."""

    media_type = JSON

    def render(self, content: Any) -> bytes:
        """See `starlette.responses.Response`."""
        return encode_json(content)


def error_reply(
    status: int,
    reason: str,
    *,
    remedy: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonReply:
    """`{"error": ..., "remedy": ...}`, in a line each."""
    return JsonReply({"error": reason, "remedy": remedy}, status_code=status, headers=headers)


def status_of(error: AudiosearchError) -> int:
    """The status of HTTP that an error is told with."""
    if isinstance(error, NotInLibrary):
        return 404
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


async def on_deliberate_error(_request: Request, error: Exception) -> Response:
    """An error that this program raises on purpose: what is wrong, and what helps."""
    assert isinstance(error, AudiosearchError)
    reason = error.reason if error.path is None else f"{error.path}: {error.reason}"
    return error_reply(status_of(error), reason, remedy=_over_http(error.remedy))


# What commands advise, and the same over HTTP. Whatever is not here is done by commands alone.
_REMEDIES: Final = (
    ("audiosearch collection list shows them", "GET /api/collections shows them"),
    ("audiosearch roots list", "GET /api/roots"),
)


def _over_http(remedy: str | None) -> str | None:
    for of_commands, here in _REMEDIES:
        if remedy is not None and remedy.startswith(of_commands):
            return here + remedy.removeprefix(of_commands)
    return remedy


async def on_http_error(request: Request, error: Exception) -> Response:
    """Nothing is there, or it cannot be asked so."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return method_refused(request.app.routes, request.scope)
    if error.status_code == 404:
        return _nothing_there()
    return error_reply(error.status_code, error.detail, headers=error.headers)


def _nothing_there() -> JsonReply:
    return error_reply(404, "there is nothing of this name", remedy=_WHAT_THERE_IS)


def method_refused(routes: Iterable[BaseRoute], scope: Scope) -> JsonReply:
    """Says in which ways the path of a request can be asked; 404 where nothing is there."""
    whole = {**scope, "root_path": ""}  # what a mount took off the path stands there
    allowed: set[str] = set()
    for route in routes:
        if route.matches(whole)[0] is not Match.NONE:
            allowed |= _methods(route)
    if not allowed:
        return _nothing_there()
    return error_reply(
        405,
        "it cannot be asked in this way",
        remedy=_WHAT_THERE_IS,
        headers={"allow": ", ".join(sorted(allowed))},
    )


def _methods(route: BaseRoute) -> set[str]:
    """Of a route, or of the files that are mounted."""
    return set(route.methods or ()) if isinstance(route, Route) else {"GET", "HEAD"}


async def on_disconnect(_request: Request, _error: Exception) -> Response:
    """Nobody reads this any more."""
    return Response(status_code=499)


async def on_mistake(_request: Request, error: Exception) -> Response:
    """A mistake of ours; it must not end a daemon."""
    log.error("a request was not answered", exc_info=error)
    return error_reply(500, f"audiosearch failed: {type(error).__name__}")


ERROR_HANDLERS: Final[Mapping[Any, Any]] = {
    AudiosearchError: on_deliberate_error,
    HTTPException: on_http_error,
    ClientDisconnect: on_disconnect,
    Exception: on_mistake,
}
