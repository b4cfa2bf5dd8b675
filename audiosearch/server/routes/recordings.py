"""What is known of a recording, and what a person writes of it: tags, ratings, notes, collections.

A stretch of it where `start` and `end` are given, as of the commands' `FILE@3.5-6`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch._urls import is_url
from audiosearch.audio.clip import ClipRange
from audiosearch.errors import QueryError
from audiosearch.library import Library
from audiosearch.library.annotations import MOST_LETTERS_OF_NOTE, Annotations, Written
from audiosearch.library.info_rows import info_row, written_rows
from audiosearch.library.lookup import file_info
from audiosearch.search.clock import clock_text
from audiosearch.search.recorded import recording_clocks
from audiosearch.search.rows import Row, tidy_row
from audiosearch.server.context import context_of
from audiosearch.server.json_body import JsonObject, json_object
from audiosearch.server.media.request import WantedStretch
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import STRETCH_NAMES, Parameters
from audiosearch.server.replies import JsonReply
from audiosearch.server.schemas import (
    ID,
    NUMBER,
    STRETCH,
    TEXT,
    TRUTH,
    WHOLE,
    nullable,
    only,
    parameter,
    rows_of,
    thing,
)
from audiosearch.server.sounds import MOST_ID, recording_id, recording_path
from audiosearch.store.database import Database
from audiosearch.store.queries.annotate import MOST_STARS
from audiosearch.store.queries.file_details import sound_briefs, sound_details
from audiosearch.store.schema import Recording

Writing = Callable[[Library, ClipRange], Written]


async def details(request: Request) -> Response:
    """All that is known of a recording and of the file that holds it."""
    context = context_of(request)
    Parameters(request.query_params, known=())
    wanted = recording_id(request.path_params["id"])

    def read(database: Database) -> Row:
        path = recording_path(database, wanted)
        told = file_info(database, context.config, os.fsdecode(path))
        is_here = is_url(path) or os.path.lexists(path)
        return {**tidy_row(info_row(told)), "recording_id": wanted, "offline": not is_here}

    return JsonReply(await context.read(read))


async def briefs(request: Request) -> Response:
    """What lists tell of recordings; ids that are none are left out."""
    texts = Parameters(request.query_params, known=("id",)).texts("id")
    if not texts:
        raise QueryError("which recordings are meant?", remedy="id=1&id=2")
    wanted = [recording_id(text) for text in texts]

    def read(database: Database) -> list[Row]:
        with database.reading() as session:
            clocks = recording_clocks(session, wanted)
            return [
                tidy_row(asdict(each)) | {"recorded_at": _clock(clocks.get(each.recording_id))}
                for each in sound_briefs(session, wanted)
            ]

    return JsonReply({"recordings": await context_of(request).read(read)})


def _clock(began: datetime | None) -> str | None:
    return None if began is None else clock_text(began, 0.0)


async def _write(request: Request, writing: Writing) -> Response:
    """Write something of a recording or of a stretch of it; what is written of it then."""
    context = context_of(request)
    stretch = WantedStretch.of(Parameters(request.query_params, known=STRETCH_NAMES))
    wanted = recording_id(request.path_params["id"])

    def write(library: Library) -> Row:
        path = recording_path(library.database, wanted)
        written = writing(library, ClipRange(path, stretch.start_s, stretch.end_s))
        return {**_written_of(library, wanted), "changed": written.n_changed}

    return JsonReply(await context.write(write))


def _written_of(library: Library, wanted: int) -> Row:
    with library.database.reading() as session:
        audio_hash = session.get_one(Recording, wanted).audio_hash
        tags = sound_details(session, wanted).tags
    rows = library.annotations.of_sound(audio_hash)
    return {"recording_id": wanted, "tags_given": list(tags), **written_rows(rows)}


async def put_tag(request: Request) -> Response:
    """Put a tag on it."""
    tag = request.path_params["tag"]
    return await _write(request, lambda library, clip: library.annotations.tag([clip], tag))


async def delete_tag(request: Request) -> Response:
    """Take a tag, in any spelling, from it."""
    tag = request.path_params["tag"]
    return await _write(request, lambda library, clip: library.annotations.untag([clip], tag))


async def put_rating(request: Request) -> Response:
    """Rate it; 0 or null takes the rating away."""
    body = await json_object(request, known=("rating",))
    _check_given(body, "rating")
    stars = body.whole("rating", least=0, most=MOST_STARS) or None
    return await _write(request, lambda library, clip: library.annotations.rate([clip], stars))


async def put_favourite(request: Request) -> Response:
    """Make it a favourite, or none any more."""
    wanted = (await json_object(request, known=("favourite",))).truth("favourite")
    if wanted is None:
        raise QueryError("favourite must be true or false")
    return await _write(
        request, lambda library, clip: library.annotations.favourite([clip], wanted=wanted)
    )


async def put_note(request: Request) -> Response:
    """Write a note about it; an empty one takes the note away."""
    body = await json_object(request, known=("note",))
    _check_given(body, "note")
    text = body.text("note", most=MOST_LETTERS_OF_NOTE)
    note = text if text and text.strip() else None
    return await _write(request, lambda library, clip: library.annotations.note([clip], note))


def _check_given(body: JsonObject, name: str) -> None:
    if name not in body:
        raise QueryError(f"{name} is missing", remedy=f'{{"{name}": null}} takes it away')


async def list_tags(request: Request) -> Response:
    """The tags that a person set, and on how many stretches of sound."""
    Parameters(request.query_params, known=())
    found = await context_of(request).read(lambda database: Annotations(database).tags())
    rows = [{"tag": each.name, "sounds": each.n_stretches} for each in found]
    return JsonReply({"tags": rows})


ROUTES: Final = [
    Route("/api/recordings", briefs, methods=["GET"]),
    Route("/api/recordings/{id}", details, methods=["GET"]),
    Route("/api/recordings/{id}/tags/{tag:path}", put_tag, methods=["PUT"]),
    Route("/api/recordings/{id}/tags/{tag:path}", delete_tag, methods=["DELETE"]),
    Route("/api/recordings/{id}/rating", put_rating, methods=["PUT"]),
    Route("/api/recordings/{id}/favourite", put_favourite, methods=["PUT"]),
    Route("/api/recordings/{id}/note", put_note, methods=["PUT"]),
    Route("/api/tags", list_tags, methods=["GET"]),
]
_SOME: Final = nullable(NUMBER)
_WRITTEN: Final = {
    "tags": rows_of(TEXT),
    "rating": nullable(WHOLE),
    "favourite": TRUTH,
    "note": nullable(TEXT),
    "collections": rows_of(TEXT),
}
OWNER: Final = {"user": TEXT}  # where it is not everybody's
ANNOTATION: Final = {"start_s": NUMBER, "end_s": _SOME, **_WRITTEN}
_ABOUT: Final = {
    "recording_id": ID,
    "tags_given": rows_of(TEXT),
    **{key: each for key, each in _WRITTEN.items() if key != "tags"},
    "annotations": rows_of(thing(ANNOTATION, optional=OWNER)),
}
_NOW: Final = thing({**_ABOUT, "changed": WHOLE})
_STRETCHES: Final = rows_of(thing({"start_s": NUMBER, "end_s": NUMBER, "caption": nullable(TEXT)}))
_BRIEF: Final = thing(
    {
        "recording_id": ID,
        "peak_db": _SOME,
        "loudness_lufs": _SOME,
        "tags": rows_of(TEXT),
        "tags_given": rows_of(TEXT),
        "rating": nullable(WHOLE),
        "favourite": TRUTH,
        "recorded_at": nullable(TEXT),
    }
)
OPERATIONS: Final[Operations] = {
    briefs: Operation(
        parameters=(
            parameter("id", ID | {"maximum": MOST_ID}, "Which.", required=True, several=True),
        ),
        reply=thing({"recordings": rows_of(_BRIEF)}),
    ),
    details: Operation(
        reply=thing(
            {
                "path": TEXT,
                "state": TEXT,
                "size": WHOLE,
                "mtime": NUMBER,
                "duration_s": _SOME,
                "container": TEXT,
                "codec": TEXT,
                "sample_rate": WHOLE,
                "channels": WHOLE,
                "bit_depth": nullable(WHOLE),
                "loudness_lufs": _SOME,
                "peak_db": _SOME,
                "tags": rows_of(TEXT),
                "metadata": {"type": "object", "additionalProperties": rows_of(TEXT)},
                "captions_given": _STRETCHES,
                "offline": TRUTH,
                "windows": _STRETCHES,
                **_ABOUT,
            }
        )
    ),
    put_tag: Operation(parameters=STRETCH, reply=_NOW),
    delete_tag: Operation(parameters=STRETCH, reply=_NOW),
    put_rating: Operation(
        parameters=STRETCH,
        reply=_NOW,
        body=only({"rating": {"type": ["integer", "null"], "minimum": 0, "maximum": MOST_STARS}}),
    ),
    put_favourite: Operation(parameters=STRETCH, reply=_NOW, body=only({"favourite": TRUTH})),
    put_note: Operation(
        parameters=STRETCH,
        reply=_NOW,
        body=only({"note": {"type": ["string", "null"], "maxLength": MOST_LETTERS_OF_NOTE}}),
    ),
    list_tags: Operation(reply=thing({"tags": rows_of(thing({"tag": TEXT, "sounds": WHOLE}))})),
}
