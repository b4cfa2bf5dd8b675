"""The library itself: how it stands, as events while that changes, its folders, failures, model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from audiosearch.doctor import examine
from audiosearch.errors import StoreError
from audiosearch.library.model_selection import bundle_paths, find_model
from audiosearch.library.status_rows import Row, failed_row, model_row, remarked_row, root_row
from audiosearch.model.bundle import load_bundle
from audiosearch.server.context import ServerContext, context_of
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import Parameters
from audiosearch.server.replies import JSON, JsonReply, encode_json, error_reply
from audiosearch.server.schemas import named
from audiosearch.server.status_source import LOOK_EVERY_S
from audiosearch.store.database import Database
from audiosearch.store.queries.failed import failed_files, remarked_files
from audiosearch.store.queries.roots import summarise_roots
from audiosearch.watch.status import nudge

log = logging.getLogger(__name__)

BEAT_S: Final = 15.0  # a comment in a silent stream, so that both sides see that it lives
_TICK_S: Final = 0.25
EVENT_STREAM: Final = "text/event-stream"


async def status(request: Request) -> Response:
    """What the library holds, and what is being done to it."""
    Parameters(request.query_params, known=())
    return JsonReply(await _status_row(context_of(request)))


async def _status_row(context: ServerContext) -> Row:
    row = await context.read(context.state.row)
    return {**row, "model_loaded": context.cache.loaded, "questions": context.activity.n_answered}


async def events(request: Request) -> Response:
    """The status as server-sent events: at once, and then whenever it is another.

    They end where the library is gone; who listens asks again, and hears once it is back.
    """
    Parameters(request.query_params, known=())
    if request.method == "HEAD":
        return Response(media_type=EVENT_STREAM)
    return StreamingResponse(_events(context_of(request)), media_type=EVENT_STREAM)


async def _events(context: ServerContext) -> AsyncIterator[bytes]:
    sent: Row | None = None
    spoken_at = looked_at = float("-inf")
    while not context.stopping.is_set():
        now = time.monotonic()
        if now - looked_at >= LOOK_EVERY_S or context.state.is_told():
            looked_at = now
            try:
                row = await _status_row(context)
            except StoreError as error:  # too late for a status of HTTP
                log.info("events end: %s", error)
                return
            if row != sent:
                sent, spoken_at = row, now
                yield b"event: status\ndata: " + encode_json(row) + b"\n\n"
        if now - spoken_at >= BEAT_S:
            spoken_at = now
            yield b": still here\n\n"
        await asyncio.sleep(_TICK_S)


async def roots(request: Request) -> Response:
    """The folders of the library."""
    Parameters(request.query_params, known=())

    def read(database: Database) -> list[Row]:
        with database.reading() as session:
            return [root_row(each) for each in summarise_roots(session)]

    return JsonReply({"roots": await context_of(request).read(read)})


async def failed(request: Request) -> Response:
    """The files that could not be read and why, and those that were, with a remark."""
    Parameters(request.query_params, known=())

    def read(database: Database) -> bytes:
        with database.reading() as session:
            found = {
                "failed": [failed_row(each) for each in failed_files(session)],
                "remarked": [remarked_row(each) for each in remarked_files(session)],
            }
        return encode_json(found)  # here, since it may be very long

    return Response(await context_of(request).read(read), media_type=JSON)


async def retry(request: Request) -> Response:
    """Have failed files tried again: by the daemon at once, or by the next `index`."""
    Parameters(request.query_params, known=())
    context = context_of(request)
    n_files = await context.write(lambda library: library.retry_failed())
    nudge(context.config.data_dir)
    return JsonReply({"retried": n_files})


async def model(request: Request) -> Response:
    """The model that hears new sounds, and the others that are installed."""
    Parameters(request.query_params, known=())
    config = context_of(request).config

    def read(_database: Database) -> Row:
        used = find_model(config, config.model.bundle)
        names = [path.name for path in bundle_paths(config)]
        return {**model_row(load_bundle(used)), "installed": names}

    return JsonReply(await context_of(request).read(read))


async def doctor(request: Request) -> Response:
    """What an examination of the installation finds; takes some seconds, one at a time."""
    Parameters(request.query_params, known=())
    context = context_of(request)
    if context.examining.locked():
        return error_reply(503, "it is being examined already", remedy="ask again in a while")
    async with context.examining:
        found = await asyncio.to_thread(lambda: list(examine(context.config)))
    return JsonReply({"findings": [finding.row() for finding in found]})


_GET: Final = ["GET"]
ROUTES: Final = [
    Route("/api/status", status, methods=_GET),
    Route("/api/events", events, methods=_GET),
    Route("/api/roots", roots, methods=_GET),
    Route("/api/failed", failed, methods=_GET),
    Route("/api/failed/retry", retry, methods=["POST"]),
    Route("/api/model", model, methods=_GET),
    Route("/api/doctor", doctor, methods=_GET),
]
OPERATIONS: Final[Operations] = {
    status: Operation(reply=named("Status")),
    events: Operation(replies=(EVENT_STREAM,)),
    roots: Operation(reply=named("Roots")),
    failed: Operation(reply=named("Failures")),
    retry: Operation(reply=named("Retried")),
    model: Operation(reply=named("Model")),
    doctor: Operation(reply=named("Findings")),
}
