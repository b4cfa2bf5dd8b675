"""Put encoded windows into the database: rows, frames, sentences and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from audiosearch._typing import Floats
from audiosearch.indexing.types import CaptionedWindow
from audiosearch.store.queries import captions, windows
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.schema import CaptionSource

if TYPE_CHECKING:
    from audiosearch.model.captioner import CaptionOut


@dataclass(frozen=True)
class StoredWindows:
    """Windows by their new ids; files (id to file and reason) with vectors that do not fit."""

    windows: Mapping[int, CaptionedWindow]
    unfit: Mapping[int, tuple[PendingFile, str]]


def store_windows(
    session: Session,
    batches: Sequence[Sequence[CaptionedWindow]],
    *,
    recording_of: Mapping[int, int],
    bundle_id: int,
) -> StoredWindows:
    """Store windows in bulk.

    Args:
        session: a writing session.
        batches: windows of one or several files, as they were encoded together.
        recording_of: file id to recording id.
        bundle_id: what encoded them.
    """
    new: list[list[windows.NewWindow]] = []
    kept: list[CaptionedWindow] = []
    unfit: dict[int, tuple[PendingFile, str]] = {}
    for batch in batches:
        new.append([])
        for each in batch:
            file = each.decoded.file
            if file.file_id in unfit:
                continue
            try:
                new[-1].append(_new_window(each, recording_of[file.file_id]))
                kept.append(each)
            except ValueError as error:
                unfit[file.file_id] = (file, str(error))
    ids = windows.insert_windows(session, *new, bundle_id=bundle_id)
    return StoredWindows(windows=dict(zip(ids, kept, strict=True)), unfit=unfit)


def _new_window(encoded: CaptionedWindow, recording_id: int) -> windows.NewWindow:
    window, sound = encoded.decoded.window, encoded.encoded
    return windows.new_window(
        recording_id=recording_id,
        position=window.position,
        start_s=window.start_s,
        end_s=window.end_s,
        silent=window.silent,
        frames=sound.frames,
        embedding=sound.embedding,
        joint=sound.joint,
    )


def store_captions(
    session: Session,
    said: Mapping[int, CaptionOut],
    *,
    bundle_id: int,
    embed_texts: Callable[[], Callable[[Sequence[str]], Floats] | None],
) -> None:
    """Store sentences, their links to windows and, for new ones, their places in the joint space.

    Args:
        session: a writing session.
        said: sentences by the id of their window.
        bundle_id: what wrote the sentences.
        embed_texts: gives what embeds texts, or None without a joint space; called when needed.
    """
    if not said:
        return
    ids = captions.ensure_captions(
        session, [each.text for each in said.values()], source=CaptionSource.AUTO
    )
    captions.link_captions(
        session,
        [
            captions.CaptionLink(window_id, ids[each.text], each.cross_entropy)
            for window_id, each in said.items()
        ],
    )
    embed = embed_texts()
    if embed is None:
        return
    new = captions.captions_without_vector(session, bundle_id=bundle_id, among=list(ids.values()))
    if new:
        captions.insert_caption_vectors(
            session,
            [caption_id for caption_id, _ in new],
            embed([text for _, text in new]),
            bundle_id=bundle_id,
        )
