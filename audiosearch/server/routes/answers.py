"""Questions to the library: find, similar, describe, label."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch.audio.clip import ClipRange
from audiosearch.config import NORMALISE_CHOICES
from audiosearch.errors import QueryError, display_path
from audiosearch.library import Library
from audiosearch.search.answer_remarks import HTTP, answer_remarks
from audiosearch.search.filters import Filters
from audiosearch.search.results import LIKE_WEIGHT, FindResult, TextQuery
from audiosearch.search.rows import (
    Row,
    description_rows,
    label_rows,
    similar_row,
    text_row,
    tidy_row,
)
from audiosearch.server.context import context_of
from audiosearch.server.library_cache import Describing, library_remarks
from audiosearch.server.media.request import WantedStretch
from audiosearch.server.messages import Settings
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import FILTER_NAMES, MOST_HITS, STRETCH_NAMES, Parameters
from audiosearch.server.replies import JSON, JsonReply, encode_json
from audiosearch.server.schemas import (
    CLIP,
    FILTERS,
    NORMALISE,
    ORDER,
    RECORDING,
    STRETCH,
    TEXT,
    TRUTH,
    named,
    parameter,
)
from audiosearch.server.sounds import parse_library_clip, sent_sound

_ORDER: Final = frozenset(("limit", "min-score", "sort", "reverse"))
_FIND: Final = frozenset(
    (
        *("q", "exhaustive", "explain", "moments", "by-time", "per-file", "between", "date"),
        *("without", "like", "like-weight"),
    )
)
MOST_CAPTIONS: Final = 1000
MOST_LABELS: Final = 1000
MOST_WINDOWS: Final = 20_000  # described in one answer: a day of sound


async def find(request: Request) -> Response:
    """Sounds for words, and where a sound is sent or named, those that are like it too."""
    given = Parameters(request.query_params, known=_FIND | _ORDER | STRETCH_NAMES | FILTER_NAMES)
    query = text_query(given)
    filtered = query.filters != Filters() or query.recorded is not None
    async with _sounds(request, given, name="like") as like:
        if given.text("like-weight") is not None and not like:
            raise QueryError("like-weight needs a sound", remedy="name one: like=ID")

        def answer(library: Library) -> Row:
            result = library.answer(replace(query, like=tuple(like)))
            hits = [text_row(hit, with_clock=query.moments is not None) for hit in result.hits]
            weaker = [tidy_row(text_row(hit)) for hit in result.weaker]
            return {"weaker": weaker} | answer_row(library, result, hits, filtered=filtered)

        return await _answered(request, answer)


def text_query(given: Parameters) -> TextQuery:
    """A question by words, without the sounds that it may name.

    Raises:
        QueryError: it is none.
    """
    text, without = given.text("q") or "", given.texts("without")
    if not text and not without:
        raise QueryError("nothing is asked for", remedy="say what is heard: q=a dog barks")
    like_weight = given.number("like-weight", least=0, most=1)
    return TextQuery(
        text=text,
        filters=given.filters(),
        limit=given.whole("limit", least=1, most=MOST_HITS),
        min_score=given.number("min-score", least=0, most=1),
        exhaustive=given.truth("exhaustive") or False,
        explain=given.truth("explain") or False,
        sort=given.sort(),
        reverse=given.truth("reverse") or False,
        moments=given.moments(),
        recorded=given.recorded(),
        without=without,
        like_weight=LIKE_WEIGHT if like_weight is None else like_weight,
    )


async def similar(request: Request) -> Response:
    """Sounds for a sound of the library, or for one that is sent."""
    given = Parameters(
        request.query_params, known={"recording", "self"} | STRETCH_NAMES | _ORDER | FILTER_NAMES
    )
    filters, limit = given.filters(), given.whole("limit", least=1, most=MOST_HITS)
    least, sort = given.number("min-score", least=0, most=1), given.sort()
    include_self, reverse = given.truth("self") or False, given.truth("reverse") or False
    async with _sounds(request, given, name="recording", must=True) as clips:

        def answer(library: Library) -> Row:
            result = library.similar(
                *clips,
                include_self=include_self,
                filters=filters,
                limit=limit,
                min_similarity=least,
                sort=sort,
                reverse=reverse,
            )
            hits = [similar_row(hit) for hit in result.hits]
            return answer_row(library, result, hits, filtered=filters != Filters())

        return await _answered(request, answer)


async def describe(request: Request) -> Response:
    """What is heard in a sound of the library, or in one that is sent, window by window."""
    given = Parameters(
        request.query_params,
        known={"recording", "limit", "normalise", "explain"} | STRETCH_NAMES,
    )
    limit = given.whole("limit", least=0, most=MOST_CAPTIONS)
    normalise, explain = given.choice("normalise", NORMALISE_CHOICES), given.truth("explain")
    context = context_of(request)
    async with _sounds(request, given, name="recording", must=True) as clips:
        clip = _only(clips)
        settings = Settings.of(context.config)
        rows: list[Row] = []
        with context.activity.question():
            describing = await context.work(
                request,
                lambda: context.cache.describing(
                    settings,
                    clip,
                    limit=5 if limit is None else limit,
                    normalise=normalise,
                    explain=explain or False,
                ),
                abandon=Describing.close,
            )
            n_windows = 0
            try:
                while (heard := await context.work(request, describing.step)) is not None:
                    rows += _rows_of(request, description_rows(clip.path, heard))
                    n_windows += 1
                    if n_windows > MOST_WINDOWS:
                        raise QueryError(
                            "the sound is too long for one answer", remedy="give start and end"
                        )
                remarks = await context.work(request, describing.remarks)
            finally:
                context.executor.submit(describing.close)
    return JsonReply({"descriptions": rows, "remarks": list(remarks)})


async def label(request: Request) -> Response:
    """How well labels fit a sound of the library, or one that is sent."""
    given = Parameters(
        request.query_params, known={"recording", "label", "limit", "normalise"} | STRETCH_NAMES
    )
    labels, limit = given.texts("label"), given.whole("limit", least=1, most=MOST_LABELS)
    normalise = given.choice("normalise", NORMALISE_CHOICES)
    if not labels:
        raise QueryError("there are no labels", remedy="label=dog&label=rain")
    async with _sounds(request, given, name="recording", must=True) as clips:
        clip = _only(clips)

        def answer(library: Library) -> Row:
            _, fits = library.label(clip, labels, normalise=normalise)
            rows = _rows_of(request, label_rows(clip.path, fits[:limit]))
            return {"labels": rows, "remarks": list(library_remarks(library))}

        return await _answered(request, answer)


async def _answered(request: Request, answer: Callable[[Library], Row]) -> Response:
    """What `answer` says; also put into JSON in its thread, since it may be very long."""
    content = await context_of(request).answer(
        request, lambda library: encode_json(answer(library))
    )
    return Response(content, media_type=JSON)


def answer_row(library: Library, result: FindResult, hits: list[Row], *, filtered: bool) -> Row:
    """An answer with hits, which are rows of `search.rows`, and what there is to be said of it."""
    remarks = answer_remarks(result, filtered=filtered, shown_path=display_path, advice=HTTP)
    return {
        "hits": [tidy_row(row) for row in hits],
        "more": result.n_more or None,
        "remarks": [*remarks, *library_remarks(library)],
        "excluded": list(result.excluded),
        "unknown_words": list(result.unknown_words),
        "read_as": dict(result.read_as),
        "corrected": dict(result.corrected),
        "language": result.language,
        "translated": result.translated,
        "weak": result.weak,
        "moments": result.moments,
        "exhaustive": result.exhaustive,
        "windows": result.n_windows,
        "candidates": result.n_candidates,
        "below_min_score": result.n_below_min_score,
        "device": library.decoder.device.name,
        "timings": {stage: round(seconds, 6) for stage, seconds in result.timings.items()},
    }


@asynccontextmanager
async def _sounds(
    request: Request, given: Parameters, *, name: str, must: bool = False
) -> AsyncIterator[list[ClipRange]]:
    """The sounds that a request is about: sent in its body, or named by the parameter `name`.

    Raises:
        NotInLibrary: there is no such recording.
        QueryError: there is no sound though there `must` be one, or no such stretch of it.
    """
    wanted, texts = WantedStretch.of(given), given.texts(name)
    has_part = any(given.text(each) is not None for each in STRETCH_NAMES)

    def part(clip: ClipRange) -> ClipRange:
        if not has_part:
            return clip
        return replace(clip, start_s=wanted.start_s, end_s=wanted.end_s)

    if request.method == "POST":
        if texts:
            raise QueryError(f"a sound is sent, and {name} names others", remedy="give one")
        async with sent_sound(request) as clip:
            yield [part(clip)]
        return
    if has_part and len(texts) != 1:
        raise QueryError("start and end are of one sound", remedy=f"write {name}=ID@START-END")
    if must and not texts:
        raise QueryError("which sound is meant?", remedy=f"{name}=ID, or POST a sound")
    clips = await context_of(request).read(
        lambda database: [parse_library_clip(database, text) for text in texts]
    )
    yield [part(clip) for clip in clips]


def _only(clips: list[ClipRange]) -> ClipRange:
    if len(clips) != 1:
        raise QueryError("one sound at a time")
    return clips[0]


def _rows_of(request: Request, rows: list[Row]) -> list[Row]:
    """Rows as they are told: those of a sound that was sent name no file."""
    if request.method == "POST":
        rows = [{k: v for k, v in row.items() if k not in ("path", "path_b64")} for row in rows]
    return [tidy_row(row) for row in rows]


_BOTH: Final = ["GET", "POST"]
ROUTES: Final = [
    Route("/api/find", find, methods=_BOTH),
    Route("/api/similar", similar, methods=_BOTH),
    Route("/api/describe", describe, methods=_BOTH),
    Route("/api/label", label, methods=_BOTH),
]
_SOUND: Final = (RECORDING, *STRETCH)
OPERATIONS: Final[Operations] = {
    find: Operation(
        parameters=(
            parameter("q", TEXT, "What is heard, in words; their order counts."),
            parameter("exhaustive", TRUTH, "Listen to every window (slow)."),
            parameter("explain", TRUTH, "Tell how much each word counted."),
            parameter("moments", TRUTH, "Every moment, instead of the best stretch of each."),
            parameter("by-time", TRUTH, "Moments in the order of time."),
            parameter(
                "per-file",
                {"type": "integer", "minimum": 1, "maximum": MOST_HITS},
                "Moments of each at most.",
            ),
            parameter("between", TEXT, "Hours of the recorder's clock: 22:00-05:00."),
            parameter("date", TEXT, "A day by that clock, or some.", several=True),
            parameter("without", TEXT, "What must not be heard.", several=True),
            parameter("like", CLIP, "Like this too, as of `recording`.", several=True),
            parameter("like-weight", {"type": "number", "minimum": 0, "maximum": 1}, "How much."),
            *STRETCH,
            *ORDER,
            *FILTERS,
        ),
        reply=named("Answer"),
        takes_sound=True,
    ),
    similar: Operation(
        parameters=(
            *_SOUND,
            parameter("self", TRUTH, "Show the sound itself too."),
            *ORDER,
            *FILTERS,
        ),
        reply=named("Answer"),
        takes_sound=True,
    ),
    describe: Operation(
        parameters=(
            *_SOUND,
            parameter(
                "limit", {"type": "integer", "minimum": 0, "maximum": MOST_CAPTIONS}, "Captions."
            ),
            parameter("explain", TRUTH, "Tell how much each word of a caption counted."),
            NORMALISE,
        ),
        reply=named("Descriptions"),
        takes_sound=True,
    ),
    label: Operation(
        parameters=(
            *_SOUND,
            parameter("label", TEXT, "A label: any words.", required=True, several=True),
            parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MOST_LABELS}, "Labels."
            ),
            NORMALISE,
        ),
        reply=named("Labels"),
        takes_sound=True,
    ),
}
