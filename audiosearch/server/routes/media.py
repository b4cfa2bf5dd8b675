"""Sound to listen to and to take away, and what is to be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audiosearch.errors import DecodeError, QueryError
from audiosearch.library.playable import PlayableFile
from audiosearch.library.views import MOST_HEIGHT, MOST_WIDTH
from audiosearch.server.context import ServerContext, context_of
from audiosearch.server.export_files import CLIP_TYPES, cut_out
from audiosearch.server.media.bodies import (
    Chunks,
    DecodedSound,
    file_chunks,
    flac_chunks,
    wave_chunks,
)
from audiosearch.server.media.ranges import Version, disposition
from audiosearch.server.media.replies import (
    in_thread,
    ranged_reply,
    streamed_reply,
    unchanged_reply,
    version_headers,
)
from audiosearch.server.media.request import WantedStretch, as_missing, playable
from audiosearch.server.openapi import Operation, Operations
from audiosearch.server.parameters import STRETCH_NAMES, Parameters
from audiosearch.server.replies import JsonReply
from audiosearch.server.schemas import NUMBER, STRETCH, TRUTH, parameter, rows_of, thing

T = TypeVar("T")

MOST_CUT_S: Final = 3600.0  # of a stretch that is taken away
_MOST_CAPTION: Final = 500
_WHOLE: Final = "application/octet-stream"  # a file that no browser plays


async def audio(request: Request) -> Response:
    """A recording to listen to, or with `download` to keep: the file itself, or what is decoded."""
    context = context_of(request)
    given = Parameters(
        request.query_params, known=STRETCH_NAMES | {"format", "download", "caption"}
    )
    form = given.text("format")
    if form is not None and form not in CLIP_TYPES:
        raise QueryError(f"sound is not sent as {form!r}", remedy="wav or flac")
    caption = given.text("caption")
    if caption is not None and len(caption) > _MOST_CAPTION:
        raise QueryError(f"a caption has at most {_MOST_CAPTION} characters here")
    wanted, download = WantedStretch.of(given), given.truth("download") or False
    file = await playable(request, context)
    try:
        if file.copies is not None:  # fetched before anything is promised
            await in_thread(context.media.listening, file.here)
        if wanted.is_whole and _is_in(form, file) and (download or file.media_type is not None):
            return await _file_itself(request, context, file, download=download)
        if download:
            return await _cut(request, context, file, wanted, form=form or "wav", caption=caption)
        return await _decoded(request, context, file, wanted, form=form or "wav")
    except DecodeError as error:
        raise as_missing(error) from error


def _is_in(form: str | None, file: PlayableFile) -> bool:
    """Whether the file itself is of the form that is asked for."""
    return form is None or CLIP_TYPES[form] == file.media_type


async def _file_itself(
    request: Request, context: ServerContext, file: PlayableFile, *, download: bool
) -> Response:
    def chunks(start: int, end: int) -> Chunks:
        return file_chunks(file.open(), start, end)

    return await ranged_reply(
        request,
        chunks,
        size=file.size,
        version=_version(file),
        media_type=file.media_type or _WHOLE,
        threads=context.media.reading,
        headers={"content-disposition": disposition(file.name, attachment=download)},
    )


def _version(file: PlayableFile, *parts: object) -> Version:
    tag = "-".join(
        str(each) for each in (file.audio_hash.hex()[:32], file.size, file.mtime_ns, *parts)
    )
    return Version(tag, None if parts else file.mtime_ns / 1e9)


async def _decoded(
    request: Request,
    context: ServerContext,
    file: PlayableFile,
    wanted: WantedStretch,
    *,
    form: str,
) -> Response:
    start, end = wanted.samples(file)
    n_samples = None if end is None else end - start
    media = context.media
    sound = DecodedSound(media.pool, file, start=start, n_samples=n_samples)
    name = {"content-disposition": disposition(f"{Path(file.name).stem}.{form}", attachment=False)}
    if form == "flac":
        return await streamed_reply(
            request,
            flac_chunks(sound),
            media_type=CLIP_TYPES[form],
            threads=media.listening,
            headers=name,
        )
    size = sound.form.n_bytes
    if size is None:
        return await streamed_reply(
            request,
            wave_chunks(sound, 0, None),
            media_type=CLIP_TYPES[form],
            threads=media.listening,
            headers=name,
        )
    return await ranged_reply(
        request,
        lambda first, last: wave_chunks(sound, first, last),
        size=size,
        version=_version(file, start, end, form),
        media_type=CLIP_TYPES[form],
        threads=media.listening,
        headers=name,
    )


async def _cut(
    request: Request,
    context: ServerContext,
    file: PlayableFile,
    wanted: WantedStretch,
    *,
    form: str,
    caption: str | None,
) -> Response:
    """A stretch as `audiosearch export clips` cuts it, sample by sample."""
    start, end = wanted.known_samples(file)
    if end - start > MOST_CUT_S * file.sample_rate:
        raise QueryError(
            f"at most {MOST_CUT_S:g} s are cut out at once", remedy="audiosearch export clips"
        )
    if request.method == "HEAD":
        return Response(headers={"cache-control": "no-store"}, media_type=CLIP_TYPES[form])
    end_s = end / file.sample_rate if wanted.end_s is None else wanted.end_s
    database = await context.read(lambda opened: opened)
    cut = await in_thread(
        context.media.exporting,
        lambda: cut_out(
            database,
            context.config.index,
            file.path,
            start_s=wanted.start_s,
            end_s=end_s,
            form=form,
            caption=caption,
        ),
    )
    return await cut.reply(request, CLIP_TYPES[form], threads=context.media.reading)


async def peaks(request: Request) -> Response:
    """The outline of a stretch: the least and the greatest value in each of `width` bins."""
    context = context_of(request)
    given = Parameters(request.query_params, known=STRETCH_NAMES | {"width"})
    width = given.whole("width", least=1, most=MOST_WIDTH) or 1000
    wanted, file = WantedStretch.of(given), await playable(request, context)
    start, end = wanted.known_samples(file)
    version = _version(file, "peaks", start, end, width)
    unchanged = unchanged_reply(request, version)
    if unchanged is not None:
        return unchanged
    trace = await _looked_at(
        context, lambda: context.media.views.peaks(file, start, end, width=width)
    )
    content = {
        "start_s": round(start / file.sample_rate, 6),
        "end_s": round(end / file.sample_rate, 6),
        "minimum": trace.minimum.tolist(),
        "maximum": trace.maximum.tolist(),
    }
    return JsonReply(content, headers=version_headers(version))


async def spectrogram(request: Request) -> Response:
    """The spectrogram of a stretch as a PNG, louder is lighter."""
    context = context_of(request)
    given = Parameters(request.query_params, known=STRETCH_NAMES | {"width", "height"})
    width = given.whole("width", least=1, most=MOST_WIDTH) or 1000
    height = given.whole("height", least=1, most=MOST_HEIGHT) or 128
    wanted, file = WantedStretch.of(given), await playable(request, context)
    start, end = wanted.known_samples(file)
    version = _version(file, "spectrogram", start, end, width, height)
    unchanged = unchanged_reply(request, version)
    if unchanged is not None:
        return unchanged
    picture = await _looked_at(
        context,
        lambda: context.media.views.spectrogram(file, start, end, width=width, height=height),
    )
    return Response(picture, headers=version_headers(version), media_type="image/png")


async def _looked_at(context: ServerContext, job: Callable[[], T]) -> T:
    try:
        return await in_thread(context.media.looking, job)
    except DecodeError as error:
        raise as_missing(error) from error


ROUTES: Final = [
    Route("/api/recordings/{id}/audio", audio, methods=["GET"]),
    Route("/api/recordings/{id}/peaks", peaks, methods=["GET"]),
    Route("/api/recordings/{id}/spectrogram", spectrogram, methods=["GET"]),
]
_WIDTH: Final = parameter(
    "width", {"type": "integer", "minimum": 1, "maximum": MOST_WIDTH}, "Bins or columns."
)
_SOUND_STATUSES: Final = {200: "The sound.", 206: "A range of it.", 304: "It is known already."}
_SEEN: Final = {200: "What is seen.", 304: "It is known already."}
_LEVELS: Final = rows_of({"type": "integer", "minimum": -127, "maximum": 127})
OPERATIONS: Final[Operations] = {
    audio: Operation(
        parameters=(
            *STRETCH,
            parameter(
                "format", {"enum": sorted(CLIP_TYPES)}, "What it is decoded to; wav has ranges."
            ),
            parameter("download", TRUTH, "To be kept: a stretch is cut out to the sample."),
            parameter("caption", {"type": "string", "maxLength": _MOST_CAPTION}, "Names a cut."),
        ),
        replies=("audio/*", _WHOLE),
        statuses=_SOUND_STATUSES,
    ),
    peaks: Operation(
        parameters=(*STRETCH, _WIDTH),
        reply=thing({"start_s": NUMBER, "end_s": NUMBER, "minimum": _LEVELS, "maximum": _LEVELS}),
        statuses=_SEEN,
    ),
    spectrogram: Operation(
        parameters=(
            *STRETCH,
            _WIDTH,
            parameter("height", {"type": "integer", "minimum": 1, "maximum": MOST_HEIGHT}, "Rows."),
        ),
        replies=("image/png",),
        statuses=_SEEN,
    ),
}
