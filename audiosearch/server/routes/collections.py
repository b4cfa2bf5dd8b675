"""What a person gave a name: collections of sounds, and searches to be asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch.audio.clip import ClipRange
from audiosearch.library import Library
from audiosearch.library.annotations import Annotations
from audiosearch.library.info_rows import annotation_row, collection_row, place_row
from audiosearch.search.rows import Row, tidy_row
from audiosearch.server.context import context_of
from audiosearch.server.json_body import json_object
from audiosearch.server.media.request import WantedStretch
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import STRETCH_NAMES, Parameters
from audiosearch.server.replies import JsonReply, NotInLibrary
from audiosearch.server.routes.answers import text_query
from audiosearch.server.routes.recordings import ANNOTATION, OWNER
from audiosearch.server.saved_searches import (
    SEARCH_FIELDS,
    arguments_of,
    fields_of,
    query_params,
)
from audiosearch.server.schemas import (
    ID,
    NUMBER,
    STRETCH,
    TEXT,
    TRUTH,
    WHOLE,
    nullable,
    only,
    rows_of,
    thing,
)
from audiosearch.server.sounds import recording_id, recording_path
from audiosearch.store.database import Database
from audiosearch.store.names import normal_form
from audiosearch.store.queries.annotation_list import WrittenAnnotation
from audiosearch.store.queries.caption_places import RecordingStretch, said_of_stretches
from audiosearch.store.queries.collections import CollectionSummary, NamedSearch
from audiosearch.store.queries.recordings import recording_ids


async def list_collections(request: Request) -> Response:
    """The collections, by name."""
    Parameters(request.query_params, known=())
    found = await context_of(request).read(lambda database: Annotations(database).collections())
    rows = [tidy_row(collection_row(each)) for each in found]
    return JsonReply({"collections": rows})


async def show_collection(request: Request) -> Response:
    """What is in a collection, in its order."""
    Parameters(request.query_params, known=())
    name = request.path_params["name"]

    def read(database: Database) -> Row:
        shown = _existing(database, name)
        rows = Annotations(database).collection(name)
        with database.reading() as session:
            ids = recording_ids(session, sorted({each.audio_hash for each in rows}))
            said = _captions(session, rows, ids)
        items = [
            {
                "recording_id": ids.get(each.audio_hash),
                "caption": caption,
                **tidy_row({**place_row(each), **annotation_row(each)}),
            }
            for each, caption in zip(rows, said, strict=True)
        ]
        return {"name": shown, "items": items}

    return JsonReply(await context_of(request).read(read))


def _captions(
    session: Session, rows: Sequence[WrittenAnnotation], ids: Mapping[bytes, int]
) -> list[str | None]:
    """What is said of each, as hits on it show it."""
    here = [n for n, each in enumerate(rows) if each.audio_hash in ids]
    said = said_of_stretches(
        session,
        [RecordingStretch(ids[rows[n].audio_hash], rows[n].start_s, rows[n].end_s) for n in here],
    )
    by_place = dict(zip(here, said, strict=True))
    return [by_place.get(n) for n in range(len(rows))]


def _existing(database: Database, name: str) -> str:
    """A collection's name as it was typed.

    Raises:
        NotInLibrary: there is none.
    """
    return _as_typed(name, Annotations(database).collections(), what="collection")


def _as_typed(name: str, there_are: Sequence[CollectionSummary | NamedSearch], *, what: str) -> str:
    """The name, in any spelling, of one of those that there are, as it was typed.

    Raises:
        NotInLibrary: it is none of them.
    """
    wanted = normal_form(name)
    for each in there_are:
        if normal_form(each.name) == wanted:
            return each.name
    raise NotInLibrary(f"there is no {what} {name!r}")


async def put_collection(request: Request) -> Response:
    """Make a collection, unless there is one of the name."""
    await json_object(request, known=())
    name = request.path_params["name"]

    def write(library: Library) -> Row:
        try:
            return {"name": _existing(library.database, name), "created": False}
        except NotInLibrary:
            library.annotations.create_collection(name)
            return {"name": _existing(library.database, name), "created": True}

    return JsonReply(await context_of(request).write(write))


async def delete_collection(request: Request) -> Response:
    """Delete a collection; the sounds in it stay as they are."""
    name = request.path_params["name"]

    def write(library: Library) -> Row:
        shown = _existing(library.database, name)
        library.annotations.delete_collection(name)
        return {"name": shown, "deleted": True}

    return JsonReply(await context_of(request).write(write))


async def put_item(request: Request) -> Response:
    """Put a recording or a stretch of it at the end of a collection, which is made if need be."""
    return await _with_item(request, adds=True)


async def delete_item(request: Request) -> Response:
    """Take a recording, with all stretches of it, or a stretch out of a collection."""
    return await _with_item(request, adds=False)


async def _with_item(request: Request, *, adds: bool) -> Response:
    stretch = WantedStretch.of(Parameters(request.query_params, known=STRETCH_NAMES))
    name, wanted = request.path_params["name"], recording_id(request.path_params["id"])

    def write(library: Library) -> Row:
        path = recording_path(library.database, wanted)
        clip = ClipRange(path, stretch.start_s, stretch.end_s)
        if adds:
            written = library.annotations.collect(name, [clip], create=True)
        else:
            _existing(library.database, name)
            written = library.annotations.uncollect(name, [clip])
        shown = _existing(library.database, name)
        return {"name": shown, "recording_id": wanted, "changed": written.n_changed}

    return JsonReply(await context_of(request).write(write))


async def list_searches(request: Request) -> Response:
    """The saved searches, by name: the command's arguments, and what to ask `/api/find`."""
    Parameters(request.query_params, known=())

    def read(database: Database) -> list[Row]:
        return [_search_row(database, each) for each in Annotations(database).searches()]

    return JsonReply({"searches": await context_of(request).read(read)})


def _search_row(database: Database, search: NamedSearch) -> Row:
    row = {
        "name": search.name,
        "arguments": list(search.arguments),
        "saved_at": search.saved_at,
        "query": fields_of(database, search.arguments),
    }
    return tidy_row(row)


async def put_search(request: Request) -> Response:
    """Save a question under a name, in place of one that has it."""
    body = await json_object(request, known=SEARCH_FIELDS)
    name = request.path_params["name"]
    given = query_params({each: body.value(each) for each in sorted(SEARCH_FIELDS) if each in body})
    text_query(Parameters(given, known=SEARCH_FIELDS))  # a question, before it is kept

    def write(library: Library) -> Row:
        arguments = arguments_of(library.database, given)
        library.annotations.save_search(name, arguments, replace=True)
        return _search_row(library.database, library.annotations.search(name))

    return JsonReply(await context_of(request).write(write))


async def delete_search(request: Request) -> Response:
    """Delete a saved search."""
    name = request.path_params["name"]

    def write(library: Library) -> Row:
        shown = _as_typed(name, library.annotations.searches(), what="saved search")
        library.annotations.delete_search(name)
        return {"name": shown, "deleted": True}

    return JsonReply(await context_of(request).write(write))


ROUTES: Final = [
    Route("/api/collections", list_collections, methods=["GET"]),
    # Before the others: a name may hold a slash.
    Route("/api/collections/{name:path}/recordings/{id}", put_item, methods=["PUT"]),
    Route("/api/collections/{name:path}/recordings/{id}", delete_item, methods=["DELETE"]),
    Route("/api/collections/{name:path}", show_collection, methods=["GET"]),
    Route("/api/collections/{name:path}", put_collection, methods=["PUT"]),
    Route("/api/collections/{name:path}", delete_collection, methods=["DELETE"]),
    Route("/api/searches", list_searches, methods=["GET"]),
    Route("/api/searches/{name:path}", put_search, methods=["PUT"]),
    Route("/api/searches/{name:path}", delete_search, methods=["DELETE"]),
]
_NAMED: Final = {"name": TEXT}
_DELETED: Final = thing({**_NAMED, "deleted": TRUTH})
_CHANGED: Final = thing({**_NAMED, "recording_id": ID, "changed": WHOLE})
_ITEM: Final = thing(
    {
        "recording_id": nullable(ID),
        "caption": nullable(TEXT),
        "path": nullable(TEXT),
        "audio_hash": TEXT,
        "here": TRUTH,
        "duration_s": nullable(NUMBER),
        **ANNOTATION,
    },
    optional=OWNER,
)
_SEARCH: Final = thing(
    {
        **_NAMED,
        "arguments": rows_of(TEXT),
        "saved_at": NUMBER,
        "query": {"type": ["object", "null"]},
    }
)
_VALUE: Final = {"type": ["string", "number", "boolean", "array", "null"]}
OPERATIONS: Final[Operations] = {
    list_collections: Operation(
        reply=thing(
            {
                "collections": rows_of(
                    thing({**_NAMED, "sounds": WHOLE, "created_at": NUMBER}, optional=OWNER)
                )
            }
        )
    ),
    put_item: Operation(parameters=STRETCH, reply=_CHANGED),
    delete_item: Operation(parameters=STRETCH, reply=_CHANGED),
    show_collection: Operation(reply=thing({**_NAMED, "items": rows_of(_ITEM)})),
    put_collection: Operation(reply=thing({**_NAMED, "created": TRUTH})),
    delete_collection: Operation(reply=_DELETED),
    list_searches: Operation(reply=thing({"searches": rows_of(_SEARCH)})),
    put_search: Operation(
        reply=_SEARCH, body=only({}, optional=dict.fromkeys(sorted(SEARCH_FIELDS), _VALUE))
    ),
    delete_search: Operation(reply=_DELETED),
}
