"""The application: the routes of all families behind the guard, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from audiosearch.server import access_token
from audiosearch.server.command_token import CommandToken
from audiosearch.server.context import ServerContext
from audiosearch.server.openapi import Operations, describe_api
from audiosearch.server.replies import ERROR_HANDLERS, JsonReply
from audiosearch.server.routes import (
    answers,
    collections,
    commands,
    exports,
    library,
    media,
    recordings,
)

PAGE: Final = Path(__file__).parent / "page"
# Each family in a line of its own.
API_ROUTES: Final[list[Route]] = [
    *answers.ROUTES,
    *library.ROUTES,
    *recordings.ROUTES,
    *media.ROUTES,
    *collections.ROUTES,
    *exports.ROUTES,
    *access_token.ROUTES,
]
# What each says of its own, for the description.
OPERATIONS: Final[Operations] = {
    **answers.OPERATIONS,
    **library.OPERATIONS,
    **recordings.OPERATIONS,
    **media.OPERATIONS,
    **collections.OPERATIONS,
    **exports.OPERATIONS,
    **access_token.OPERATIONS,
}


class _PageFiles(StaticFiles):
    """The files of the page; a browser asks each time whether they are still those."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """See `StaticFiles`."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


async def openapi(_request: Request) -> Response:
    """What can be asked, for programs."""
    return JsonReply(describe_api(API_ROUTES, OPERATIONS))


async def page(_request: Request) -> Response:
    """The page itself."""
    return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})


def create_app(context: ServerContext, *more: BaseRoute) -> Starlette:
    """The page and the API for a library; each listener puts a `Guard` before it.

    Args:
        context: what the requests share.
        more: routes that come before those of the API.
    """
    app = Starlette(
        routes=[
            *more,
            *API_ROUTES,
            Route("/openapi.json", openapi, methods=["GET"]),
            Route("/", page, methods=["GET"]),
            Mount("/static", _PageFiles(directory=PAGE)),
        ],
        exception_handlers=ERROR_HANDLERS,
    )
    app.router.redirect_slashes = False  # an address that is not there is not another one
    app.state.context = context
    return app


def command_app(context: ServerContext, token: CommandToken) -> Starlette:
    """The same, and what commands alone may ask.

    Their questions name files: it is for a socket that only the owner reaches.
    """
    app = create_app(context, *commands.ROUTES)
    app.state.command_token = token
    return app
