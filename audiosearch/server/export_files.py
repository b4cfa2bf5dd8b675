"""Exports for a client: written to a folder of their own, sent, and gone.

By the code of `audiosearch export`, so that every byte is the one that the command writes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response

from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, path_fields
from audiosearch.exchange.documents import OF_EACH, DocumentOptions
from audiosearch.exchange.names import TEMPLATE, NameTemplate
from audiosearch.exchange.stretches import Row
from audiosearch.library.exports import Exporter
from audiosearch.server.media.bodies import Chunks, file_chunks
from audiosearch.server.media.ranges import disposition
from audiosearch.server.media.replies import streamed_reply
from audiosearch.store.database import Database

# The text formats with their endings, and what a browser is told that they are.
DOCUMENTS: Final = {
    "m3u8": (".m3u8", "audio/x-mpegurl"),
    "audacity": (".txt", "text/plain; charset=utf-8"),
    "raven": (".txt", "text/plain; charset=utf-8"),
    "reaper": (".csv", "text/csv; charset=utf-8"),
    "edl": (".edl", "text/plain; charset=utf-8"),
    "aoef": (".json", "application/json"),
    "csv": (".csv", "text/csv; charset=utf-8"),
    "jsonl": (".jsonl", "application/jsonl"),
    "parquet": (".parquet", "application/vnd.apache.parquet"),
}
CLIP_TYPES: Final = {"wav": "audio/wav", "flac": "audio/flac"}
_SAME_TIME: Final = (1980, 1, 1, 0, 0, 0)  # in a .zip, so that the same rows give the same bytes


@dataclass(frozen=True, kw_only=True)
class ClipOrder:
    """How clips are wanted; see `exchange.clips.ClipForm`."""

    form: str = "wav"
    template: str = TEMPLATE
    ucs: str | None = None
    fade_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ExportOrder:
    """What is wanted of rows that name paths.

    Attributes:
        kind: `clips`, or one of `DOCUMENTS`.
        for_each: of `OF_EACH`, a file for each recording, even of one.
    """

    kind: str
    rows: Sequence[Row]
    label: str | None = None
    options: DocumentOptions
    clips: ClipOrder
    for_each: bool = False


@dataclass(frozen=True)
class MadeFile:
    """A file that is sent and then gone, with the name that it is to have.

    Where the system lets open files be deleted, its folder is gone already: whatever becomes of the
    server, nothing is left behind.
    """

    file: BinaryIO
    folder: Path
    name: str

    @classmethod
    def taken(cls, path: Path, folder: Path) -> MadeFile:
        """A file in a folder that is made for it alone."""
        made = cls(path.open("rb"), folder, path.name)
        if sys.platform != "win32":
            shutil.rmtree(folder, ignore_errors=True)
        return made

    async def reply(
        self, request: Request, media_type: str, *, threads: ThreadPoolExecutor
    ) -> Response:
        """Send it whole."""
        size = os.fstat(self.file.fileno()).st_size
        headers = {
            "content-disposition": disposition(self.name, attachment=True),
            "content-length": str(size),
            "cache-control": "no-store",
        }
        return await streamed_reply(
            request, self._chunks(size), media_type=media_type, threads=threads, headers=headers
        )

    def _chunks(self, size: int) -> Chunks:
        try:
            yield from file_chunks(self.file, 0, size)
        finally:
            self.file.close()
            shutil.rmtree(self.folder, ignore_errors=True)


def cut_out(
    database: Database,
    config: IndexConfig,
    path: bytes,
    *,
    start_s: float,
    end_s: float,
    form: str,
    caption: str | None,
) -> MadeFile:
    """A stretch of a file as a clip.

    Raises:
        DecodeError: it cannot be read.
        AudiosearchError: the clip cannot be written.
    """
    row = {**path_fields(path), "start_s": start_s, "end_s": end_s}
    # Without a caption the name would say the file's own name twice.
    template = "{ucs}_{stem}_{start}" if caption is None else TEMPLATE
    order = ExportOrder(
        kind="clips",
        rows=[row if caption is None else {**row, "caption": caption}],
        options=DocumentOptions(),
        clips=ClipOrder(form=form, template=template),
    )
    return make_export(database, config, order)


def make_export(database: Database, config: IndexConfig, order: ExportOrder) -> MadeFile:
    """All that is wanted: one file, or a .zip of several.

    Raises:
        QueryError: a row names no stretch, or the format cannot hold them.
        DecodeError: of clips, none of the sources can be read.
        FeatureUnavailable: Parquet without the extra `parquet`.
        AudiosearchError: it cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix="audiosearch-export-"))
    try:
        made = folder / "made"
        made.mkdir()
        files = _write(Exporter(database, config), order, made)
        if len(files) == 1:
            return MadeFile.taken(files[0], folder)
        target = folder / f"{_name(order)}.zip"
        _pack(files, target)
        return MadeFile.taken(target, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _name(order: ExportOrder) -> str:
    return f"audiosearch-{order.kind}"


def _write(exporter: Exporter, order: ExportOrder, folder: Path) -> Sequence[Path]:
    if order.kind == "clips":
        from audiosearch.exchange.clips import ClipForm  # noqa: PLC0415 - libsndfile

        clips = order.clips
        names = NameTemplate(clips.template, ucs=clips.ucs)
        form = ClipForm(kind=clips.form, fade_s=clips.fade_s, template=names, ucs=clips.ucs)
        return exporter.clips(order.rows, folder, form, label=order.label).files
    ending, _ = DOCUMENTS[order.kind]
    is_each = order.kind in OF_EACH and (order.for_each or len(_paths(order.rows)) > 1)
    to = folder if is_each else folder / f"{_name(order)}{ending}"
    done = exporter.write(order.kind, order.rows, to, label=order.label, options=order.options)
    return done.files


def _paths(rows: Sequence[Row]) -> set[object]:
    return {row.get("path_b64", row.get("path")) for row in rows}


def _pack(files: Sequence[Path], target: Path) -> None:
    """Several files as one."""
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for file in files:
                entry = zipfile.ZipInfo(file.name, _SAME_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                with file.open("rb") as source, packed.open(entry, "w", force_zip64=True) as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                file.unlink()  # of large clips, the disk holds one copy
    except OSError as error:
        reason = error.strerror or str(error)
        raise AudiosearchError(f"the export cannot be written: {reason}") from error
