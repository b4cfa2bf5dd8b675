"""What commands ask the process that has their library in memory; only over their own socket.

The bodies are the frozen values of `server.messages`: they fit one version of the program, unlike
the API, and may name files, since whoever reaches that socket may read them anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from audiosearch import __version__
from audiosearch.errors import AudiosearchError
from audiosearch.server.codec import MalformedMessage, from_json, to_json
from audiosearch.server.command_token import CommandToken
from audiosearch.server.context import ServerContext, context_of, hand_over
from audiosearch.server.library_cache import Answer, Describing
from audiosearch.server.messages import (
    ANSWER_PATH,
    CHALLENGE_HEADER,
    GREETING_PATH,
    LIBRARY_HEADER,
    VERSION_HEADER,
    DescribeEnd,
    DescribeQuestion,
    Descriptions,
    FindQuestion,
    FoundEnd,
    Hits,
    Question,
    Refusal,
    SimilarQuestion,
    Wait,
    library_line,
    version_line,
)
from audiosearch.server.replies import JSON

log = logging.getLogger(__name__)

T = TypeVar("T")
SendMessages = Callable[..., Awaitable[None]]

ROWS: Final = 100  # hits in one line
BEAT_S: Final = 2.0  # a sign of life while a question is worked on


async def greeting(request: Request) -> Response:
    """That this process knows the token that is announced with its address."""
    token = request.app.state.command_token
    assert isinstance(token, CommandToken)
    welcome = token.welcome(request.headers.get(CHALLENGE_HEADER, ""))
    return Response(to_json(welcome), media_type=JSON)


async def answer(request: Request) -> Response:
    """The answer to a question, line by line, or why the command has to find it itself."""
    context = context_of(request)
    objection = _objection(request, context)
    if objection is not None:
        return Response(to_json(Refusal(reason=objection)), status_code=409, media_type=JSON)
    try:
        question: Question = from_json(
            await request.body(), (FindQuestion, SimilarQuestion, DescribeQuestion)
        )
    except MalformedMessage as error:
        refusal = Refusal(reason=f"the daemon does not understand: {error}")
        return Response(to_json(refusal), status_code=400, media_type=JSON)
    return _Lines(lambda send: _attend(question, context, send))


def _objection(request: Request, context: ServerContext) -> str | None:
    if request.headers.get(VERSION_HEADER) != version_line(__version__):
        return f"the daemon is of another version ({__version__}): restart it"
    if request.headers.get(LIBRARY_HEADER) != library_line(context.config.data_dir):
        return "the daemon answers for another library"
    return None


class _Lines(Response):
    """Messages, each in a line, as `write` sends them; it is cancelled should the client leave."""

    def __init__(self, write: Callable[[SendMessages], Awaitable[None]]) -> None:
        super().__init__(media_type=JSON)
        del self.headers["content-length"]
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def send_messages(*messages: object) -> None:
            body = b"".join(to_json(each) + b"\n" for each in messages)
            await send({"type": "http.response.body", "body": body, "more_body": True})

        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        work = asyncio.ensure_future(self._write(send_messages))
        gone = asyncio.ensure_future(leave())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


async def _attend(question: Question, context: ServerContext, send: SendMessages) -> None:
    """Answer one question, or tell the client to do it itself."""
    cache = context.cache
    with context.activity.question():
        try:
            if isinstance(question, FindQuestion):
                await _send_found(context, lambda: cache.find(question), send)
            elif isinstance(question, SimilarQuestion):
                await _send_found(context, lambda: cache.similar(question), send)
            else:
                await _send_described(context, lambda: cache.describe(question), send)
        except AudiosearchError as error:
            # The command meets the same error and tells it in its user's own terms.
            await send(Refusal(reason=f"the daemon cannot tell: {error}"))
        except OSError:  # of `send`: the client is gone, or takes nothing
            raise
        except Exception as error:  # a mistake of ours must not end a daemon
            log.exception("a question was not answered")
            await send(Refusal(reason=f"the daemon failed: {type(error).__name__}"))


async def _send_found(
    context: ServerContext, job: Callable[[], Answer], send: SendMessages
) -> None:
    found = await _done(context, job, send)
    hits = found.result.hits
    parts = [Hits(rows=hits[start : start + ROWS]) for start in range(0, len(hits), ROWS)]
    for part in parts[:-1]:
        await send(part)
    end = FoundEnd(
        result=replace(found.result, hits=()), device=found.device, remarks=found.remarks
    )
    await send(*parts[-1:], end)


async def _send_described(
    context: ServerContext, job: Callable[[], Describing], send: SendMessages
) -> None:
    describing = await _done(context, job, send, abandon=Describing.close)
    try:
        while (row := await _done(context, describing.step, send)) is not None:
            await send(Descriptions(rows=(row,)))
        remarks = await _done(context, describing.remarks, send)
    finally:
        context.executor.submit(describing.close)
    await send(DescribeEnd(remarks=remarks))


async def _done(
    context: ServerContext,
    job: Callable[[], T],
    send: SendMessages,
    *,
    abandon: Callable[[T], None] | None = None,
) -> T:
    """The result of a job in the executor; the client gets signs of life until it is there.

    Should the client leave, a job that has not begun is dropped; the result of another one is
    given to `abandon`.
    """
    future = context.executor.submit(job)
    waiting = asyncio.wrap_future(future)
    try:
        while not (await asyncio.wait((waiting,), timeout=BEAT_S))[0]:
            await send(Wait(begun=future.running(), after_s=BEAT_S))
        return await waiting
    except BaseException:
        if not future.done() and not future.cancel() and abandon is not None:
            context.executor.submit(lambda: hand_over(future, abandon))
        waiting.cancel()
        raise


ROUTES: Final = [
    Route(GREETING_PATH, greeting, methods=["GET"]),
    Route(ANSWER_PATH, answer, methods=["POST"]),
]
