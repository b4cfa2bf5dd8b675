"""Questions to the library: find, similar, describe, label."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch.errors import QueryError, display_path
from audiosearch.library import Library
from audiosearch.search.answer_remarks import answer_remarks
from audiosearch.search.filters import Filters
from audiosearch.search.results import LIKE_WEIGHT, FindResult, TextQuery
from audiosearch.search.rows import Row, text_row, tidy_row
from audiosearch.server.context import context_of
from audiosearch.server.parameters import FILTER_NAMES, MOST_HITS, Parameters
from audiosearch.server.replies import JsonReply
from audiosearch.server.sounds import parse_library_clip

_ORDER: Final = frozenset(("limit", "min-score", "sort", "reverse"))
_FIND: Final = frozenset(
    (
        *("q", "exhaustive", "explain", "moments", "by-time", "per-file", "between", "date"),
        *("without", "like", "like-weight"),
    )
)


async def find(request: Request) -> Response:
    """Sounds for words; a query that is all exclusions is one too."""
    given = Parameters(request.query_params, known=_FIND | _ORDER | FILTER_NAMES)
    text, without, like = given.text("q") or "", given.texts("without"), given.texts("like")
    if not text and not without:
        raise QueryError("nothing is asked for", remedy="say what is heard: q=a dog barks")
    like_weight = given.number("like-weight", least=0, most=1)
    if like_weight is not None and not like:
        raise QueryError("like-weight needs like")
    query = TextQuery(
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
    filtered = query.filters != Filters() or query.recorded is not None

    def answer(library: Library) -> Row:
        clips = tuple(parse_library_clip(library.database, each) for each in like)
        result = library.answer(replace(query, like=clips))
        hits = [text_row(hit, with_clock=query.moments is not None) for hit in result.hits]
        return answer_row(library, result, hits, filtered=filtered)

    return JsonReply(await context_of(request).answer(request, answer))


def answer_row(library: Library, result: FindResult, hits: list[Row], *, filtered: bool) -> Row:
    """An answer with hits, which are rows of `search.rows`, and what there is to be said of it."""
    notes = (library.notice, library.decoder.device.note)
    remarks = answer_remarks(result, filtered=filtered, shown_path=display_path)
    return {
        "hits": [tidy_row(row) for row in hits],
        "more": result.n_more or None,
        "remarks": [*remarks, *(note for note in notes if note is not None)],
        "excluded": list(result.excluded),
        "unknown_words": list(result.unknown_words),
        "read_as": dict(result.read_as),
        "corrected": dict(result.corrected),
        "weak": result.weak,
        "moments": result.moments,
        "exhaustive": result.exhaustive,
        "windows": result.n_windows,
        "candidates": result.n_candidates,
        "below_min_score": result.n_below_min_score,
        "device": library.decoder.device.name,
        "timings": {stage: round(seconds, 6) for stage, seconds in result.timings.items()},
    }


ROUTES: Final = [Route("/api/find", find, methods=["GET"])]
