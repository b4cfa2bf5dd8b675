"""Answers that are sound or pictures: whole, in ranges, or not at all since they are known already.

Their bytes are made in threads of their own, a piece when the reader has taken the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from audiosearch.server.media.bodies import Chunks
from audiosearch.server.media.ranges import (
    RangeNotSatisfiable,
    Version,
    parse_range,
)
from audiosearch.server.replies import error_reply

T = TypeVar("T")

MakeChunks = Callable[[int, int], Chunks]  # bytes from one to before the other


class ThreadedReply(StreamingResponse):
    """A body that is made in threads; it is let go of when the reader leaves, too."""

    def __init__(
        self,
        body: AsyncGenerator[bytes, None],
        *,
        status_code: int = 200,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(body, status_code=status_code, headers=headers, media_type=media_type)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.responses.Response`."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._body.aclose()


async def in_thread(threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
    """What `job` gives, in one of `threads`."""
    return await asyncio.get_running_loop().run_in_executor(threads, job)


async def in_threads(chunks: Chunks, threads: ThreadPoolExecutor) -> AsyncGenerator[bytes, None]:
    """What `chunks` gives, each made in one of `threads`, when it is asked for."""
    pending: Future[bytes | None] | None = None
    try:
        while True:
            pending = threads.submit(next, chunks, None)
            chunk = await asyncio.wrap_future(pending)
            if chunk is None:
                return
            if chunk:
                yield chunk
    finally:
        with suppress(RuntimeError):  # the server is stopping, and its threads with it
            threads.submit(_close, chunks, pending)


def _close(chunks: Chunks, pending: Future[bytes | None] | None) -> None:
    """End a generator that may just be running in another thread."""
    if pending is not None and not pending.cancelled():
        pending.exception()
    chunks.close()


async def begun(chunks: Chunks, threads: ThreadPoolExecutor) -> AsyncGenerator[bytes, None]:
    """As `in_threads`, with the first piece made: what cannot be read is known before the answer.

    Raises:
        AudiosearchError: as the first piece does.
    """
    body = in_threads(chunks, threads)
    first = await anext(body, None)

    async def whole() -> AsyncGenerator[bytes, None]:
        try:
            if first is not None:
                yield first
                async for chunk in body:
                    yield chunk
        finally:
            await body.aclose()

    return whole()


def version_headers(version: Version) -> dict[str, str]:
    """What tells of a version, and that one asks each time whether it is the same still."""
    return {**version.headers(), "cache-control": "private, no-cache"}


def unchanged_reply(request: Request, version: Version) -> Response | None:
    """That whoever asks has this version already; None: it has not."""
    if not version.is_known_by(request.headers):
        return None
    return Response(status_code=304, headers=version_headers(version))


async def ranged_reply(
    request: Request,
    make_chunks: MakeChunks,
    *,
    size: int,
    version: Version,
    media_type: str,
    threads: ThreadPoolExecutor,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """All of something, or the range that is asked for; to HEAD the headers alone.

    Raises:
        AudiosearchError: as `make_chunks` does for the first piece.
    """
    unchanged = unchanged_reply(request, version)
    if unchanged is not None:
        return unchanged
    told = {**(headers or {}), **version_headers(version), "accept-ranges": "bytes"}
    try:
        wanted = (
            parse_range(request.headers.get("range"), size)
            if request.method == "GET" and version.allows_range(request.headers)
            else None
        )
    except RangeNotSatisfiable:
        return error_reply(
            416, "the range begins behind the end", headers={"content-range": f"bytes */{size}"}
        )
    start, end = (0, size) if wanted is None else (wanted.start, wanted.end)
    told["content-length"] = str(end - start)
    if wanted is not None:
        told["content-range"] = wanted.content_range
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=told, media_type=media_type)
    body = await begun(make_chunks(start, end), threads)
    return ThreadedReply(body, status_code=status, headers=told, media_type=media_type)


async def streamed_reply(
    request: Request,
    chunks: Chunks,
    *,
    media_type: str,
    threads: ThreadPoolExecutor,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Something of which no range can be had, as it is made; to HEAD the headers alone.

    Raises:
        AudiosearchError: as `chunks` does for the first piece.
    """
    told = {"cache-control": "no-store", "accept-ranges": "none", **(headers or {})}
    if request.method == "HEAD":
        chunks.close()
        return StreamingResponse(iter(()), headers=told, media_type=media_type)
    body = await begun(chunks, threads)
    return ThreadedReply(body, headers=told, media_type=media_type)
