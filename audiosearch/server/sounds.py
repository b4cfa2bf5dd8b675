"""The sounds that requests are about: of the library by their ids, or sent in a request's body."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from audiosearch._urls import is_url
from audiosearch.audio.clip import ClipRange, stretch_fault
from audiosearch.errors import AudiosearchError, QueryError, display_path
from audiosearch.server.replies import NotInLibrary
from audiosearch.store.database import Database
from audiosearch.store.queries.scope import Scope, files_within

MOST_ID: Final = (1 << 63) - 1  # of SQLite
_CLIP = re.compile(r"(?P<id>\d{1,19})(?:@(?P<start>[\d.]{1,20})?-(?P<end>[\d.]{1,20})?)?")
_PART: Final = 1 << 20


def recording_id(text: str) -> int:
    """An id out of a request.

    Raises:
        NotInLibrary: no recording can have it.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) > MOST_ID:
        raise NotInLibrary(f"there is no recording {text[:40]!r}")
    return int(text)


def recording_path(database: Database, wanted: int) -> bytes:
    """The absolute path of a file of a recording: one that is there, or else the first.

    Raises:
        NotInLibrary: there is no such recording, or no file of it any more.
    """
    with database.reading() as session:
        paths = sorted(file.path for file in files_within(session, [wanted], Scope()))
    if not paths:
        raise NotInLibrary(f"there is no recording {wanted}")
    here = (path for path in paths if not is_url(path) and os.path.lexists(path))
    return next(here, next(filter(is_url, paths), paths[0]))


def check_stretch(start_s: float, end_s: float | None) -> None:
    """See that a stretch is one.

    Raises:
        QueryError: it ends before it begins, or no sound is as long.
    """
    if fault := stretch_fault(start_s, end_s):
        raise QueryError(fault)


def parse_library_clip(database: Database, text: str) -> ClipRange:
    """A sound of the library out of `ID` or `ID@START-END`, in seconds.

    Raises:
        NotInLibrary: there is no such recording.
        QueryError: it is not of this form, or no stretch.
    """
    found = _CLIP.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        start_s = float(found["start"] or 0)
        end_s = float(found["end"]) if found["end"] else None
    except ValueError:
        raise QueryError(f"{text[:100]!r} is no sound", remedy="write ID or ID@3.5-6") from None
    check_stretch(start_s, end_s)
    return ClipRange(recording_path(database, recording_id(found["id"])), start_s, end_s)


@asynccontextmanager
async def sent_sound(request: Request) -> AsyncIterator[ClipRange]:
    """The body of a request as a file, for as long as the block runs; its size is the guard's care.

    Raises:
        QueryError: there is no body.
    """
    with tempfile.TemporaryDirectory(prefix="audiosearch-sent-") as folder:
        file = Path(folder) / "sound"
        size = 0
        with file.open("wb") as out:
            parts = bytearray()
            async for part in request.stream():
                parts += part
                size += len(part)
                if len(parts) >= _PART:
                    await run_in_threadpool(out.write, bytes(parts))
                    parts.clear()
            await run_in_threadpool(out.write, bytes(parts))
        if not size:
            raise QueryError(
                "no sound was sent", remedy="send the bytes of a sound file as the body"
            )
        try:
            yield ClipRange(os.fsencode(file))
        except AudiosearchError as error:
            if error.path == display_path(os.fsencode(file)):
                error.path = "the sound that was sent"
            raise
