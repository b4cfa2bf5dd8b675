"""Rows of answers taken to other programs: the bytes that `audiosearch export` writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch.errors import DecodeError, QueryError, path_fields
from audiosearch.exchange.documents import CSV_LAYOUTS, DocumentOptions
from audiosearch.exchange.names import TEMPLATE
from audiosearch.exchange.stretches import Row
from audiosearch.exchange.timelines import FRAME_RATES
from audiosearch.library.playable import PlayableFile, find_playable
from audiosearch.server.context import ServerContext, context_of
from audiosearch.server.export_files import (
    CLIP_TYPES,
    DOCUMENTS,
    ClipOrder,
    ExportOrder,
    MadeFile,
    make_export,
)
from audiosearch.server.json_body import JsonObject, json_object
from audiosearch.server.media.replies import in_thread
from audiosearch.server.media.request import as_missing
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import Parameters
from audiosearch.server.replies import NotInLibrary
from audiosearch.server.schemas import ID, NUMBER, TEXT, TRUTH, only, rows_of, thing
from audiosearch.server.sounds import MOST_ID, recording_path
from audiosearch.store.database import Database

MOST_ROWS: Final = 10_000
MOST_CLIPS: Final = 1_000
MOST_CLIP_BYTES: Final = 4 << 30  # of the sound of all clips, uncompressed
_MOST_TEXT: Final = 500
_MOST_FADE_S: Final = 10.0
_NOT_ROWS: Final = frozenset(("file_id", "root_id"))  # that the server adds to rows of commands
_KNOWN: Final = (
    *("format", "rows", "label", "title", "fps", "markers", "layout", "each"),
    *("as", "template", "ucs", "fade"),
)


async def export(request: Request) -> Response:
    """Take rows to another program: a file, or a .zip of several."""
    context = context_of(request)
    Parameters(request.query_params, known=())
    body = await json_object(request, known=_KNOWN)
    kind = body.choice("format", ("clips", *DOCUMENTS), otherwise="")
    rows = body.rows("rows", most=MOST_CLIPS if kind == "clips" else MOST_ROWS)
    if not rows:
        raise QueryError("there is nothing to export", remedy="send rows of an answer")
    order = _order(body, kind)
    database = await context.read(lambda opened: opened)
    try:
        made = await in_thread(
            context.media.exporting, lambda: _made(database, context, order, rows)
        )
    except DecodeError as error:
        raise as_missing(error) from error
    return await made.reply(request, _media_type(order, made.name), threads=context.media.reading)


def _order(body: JsonObject, kind: str) -> ExportOrder:
    """What is wanted, but for the rows."""
    options = DocumentOptions(
        rate=FRAME_RATES[body.choice("fps", tuple(FRAME_RATES), otherwise="25")],
        markers=body.truth("markers") or False,
        layout=body.choice("layout", CSV_LAYOUTS, otherwise=CSV_LAYOUTS[0]),
        title=body.text("title", most=_MOST_TEXT) or "audiosearch",
    )
    clips = ClipOrder(
        form=body.choice("as", tuple(CLIP_TYPES), otherwise="wav"),
        template=body.text("template", most=_MOST_TEXT) or TEMPLATE,
        ucs=body.text("ucs", most=_MOST_TEXT),
        fade_s=body.number("fade", least=0.0, most=_MOST_FADE_S) or 0.0,
    )
    return ExportOrder(
        kind=kind,
        rows=(),
        label=body.text("label", most=_MOST_TEXT),
        options=options,
        clips=clips,
        for_each=body.truth("each") or False,
    )


def _media_type(order: ExportOrder, name: str) -> str:
    if name.endswith(".zip"):
        return "application/zip"
    return CLIP_TYPES[order.clips.form] if order.kind == "clips" else DOCUMENTS[order.kind][1]


@dataclass(frozen=True)
class _Sounds:
    """The files of recordings, each looked up once."""

    database: Database
    context: ServerContext
    known: dict[int, PlayableFile | bytes]

    def path(self, number: int, recording_id: int, *, is_cut: bool) -> bytes:
        """Where a recording's file lies; to be cut, one that can be heard now."""
        if recording_id not in self.known:
            self.known[recording_id] = self._find(number, recording_id, is_cut=is_cut)
        found = self.known[recording_id]
        return found.path if isinstance(found, PlayableFile) else found

    def _find(self, number: int, recording_id: int, *, is_cut: bool) -> PlayableFile | bytes:
        if not is_cut:
            return recording_path(self.database, recording_id)
        found = find_playable(self.database, recording_id, self.context.config.index)
        if found is None:
            raise NotInLibrary(f"row {number}: there is no recording {recording_id}")
        return found


def _made(
    database: Database,
    context: ServerContext,
    order: ExportOrder,
    rows: Sequence[Mapping[str, Any]],
) -> MadeFile:
    sounds = _Sounds(database, context, {})
    is_cut = order.kind == "clips"
    named = [_row(number, row, sounds, is_cut=is_cut) for number, row in enumerate(rows, start=1)]
    if is_cut:
        _check_size(named, sounds)
    return make_export(database, context.config.index, replace(order, rows=named))


def _row(number: int, row: Mapping[str, Any], sounds: _Sounds, *, is_cut: bool) -> Row:
    """A row as a command prints it: its path is the library's, whatever the client says.

    Raises:
        NotInLibrary: there is no such recording.
        QueryError: it names none.
    """
    wanted = row.get("recording_id")
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted <= MOST_ID:
        raise QueryError(f"row {number} names no recording (recording_id)")
    path = path_fields(sounds.path(number, wanted, is_cut=is_cut))
    kept = {key: value for key, value in row.items() if key not in ("path", "path_b64", *_NOT_ROWS)}
    made: dict[str, object] = {}
    for key, value in kept.items():
        if key == "rank" and not made:
            made["rank"] = value  # stands before the path, as the commands print it
            made.update(path)
            continue
        if "path" not in made:
            made.update(path)
        made[key] = value
    return made


def _check_size(rows: Sequence[Row], sounds: _Sounds) -> None:
    """See that clips are not more than a disk should be asked to hold for a moment.

    Raises:
        QueryError: they are.
    """
    total = 0.0
    for row in rows:
        wanted = row["recording_id"]
        assert isinstance(wanted, int)
        file = sounds.known[wanted]
        assert isinstance(file, PlayableFile)
        start, end = row.get("start_s") or 0.0, row.get("end_s", row.get("duration_s"))
        if not isinstance(start, (int, float)) or not isinstance(end, (int, float)):
            continue  # told by whoever reads the rows
        if math.isfinite(start) and math.isfinite(end):
            length = max(0.0, min(end, file.duration_s or end) - start)
            total += length * file.sample_rate * file.channels * 4
    if total > MOST_CLIP_BYTES:
        raise QueryError(
            f"these clips are more than {MOST_CLIP_BYTES >> 30} GiB of sound",
            remedy="fewer at once, or: audiosearch export clips",
        )


ROUTES: Final = [Route("/api/export", export, methods=["POST"])]
_SHORT: Final = {"type": ["string", "null"], "maxLength": _MOST_TEXT}
OPERATIONS: Final[Operations] = {
    export: Operation(
        body=only(
            {
                "format": {"enum": ["clips", *DOCUMENTS]},
                "rows": {
                    **rows_of(
                        thing(
                            {"recording_id": ID},
                            optional={"start_s": NUMBER, "end_s": NUMBER, "caption": TEXT},
                        )
                    ),
                    "minItems": 1,
                    "maxItems": MOST_ROWS,
                },
            },
            optional={
                "label": _SHORT,
                "title": _SHORT,
                "fps": {"enum": list(FRAME_RATES)},
                "markers": TRUTH,
                "layout": {"enum": list(CSV_LAYOUTS)},
                "each": TRUTH,
                "as": {"enum": sorted(CLIP_TYPES)},
                "template": _SHORT,
                "ucs": _SHORT,
                "fade": {"type": ["number", "null"], "minimum": 0, "maximum": _MOST_FADE_S},
            },
        ),
        replies=(
            *("application/zip", *CLIP_TYPES.values()),
            *(kind.partition(";")[0] for _, kind in DOCUMENTS.values()),
        ),
    )
}
