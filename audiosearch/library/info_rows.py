"""What is known of a file, and what a person wrote, as JSON: for the commands and the server.

Names in JSON are a contract with users' scripts.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.errors import path_fields
from audiosearch.library.lookup import FileInfo
from audiosearch.store.queries.annotation_list import WrittenAnnotation
from audiosearch.store.queries.collections import CollectionSummary
from audiosearch.store.queries.file_details import SoundPath


def info_row(told: FileInfo) -> dict[str, object]:
    """Everything, for programs; times are Unix times."""
    file, sound = told.file, told.sound
    known = file or told.identity
    heard = sound or told.identity
    assert known is not None
    return {
        **path_fields(told.path),
        "in_library": file is not None,
        "state": None if file is None else str(file.state),
        "error": _error_row(told),
        "remark": None if file is None else file.remark,
        "root": None if file is None else path_fields(file.root)["path"],
        "size": known.size,
        "mtime": known.mtime_ns / 1e9,
        "checked_at": None if file is None else file.checked_at,
        "changed": told.changed,
        "copies": [
            {**path_fields(copy.path), "state": str(copy.state)} for copy in copies_of(told)
        ],
        "recording_id": None if sound is None else sound.recording_id,
        "duration_s": None if sound is None else sound.duration_s,
        "container": None if heard is None else heard.container,
        "codec": None if heard is None else heard.codec,
        "sample_rate": None if heard is None else heard.sample_rate,
        "channels": None if heard is None else heard.channels,
        "bit_depth": None if heard is None else heard.bit_depth,
        "loudness_lufs": None if sound is None else sound.loudness_lufs,
        "peak_db": None if sound is None else sound.peak_db,
        "tags": [] if file is None else list(file.tags),
        "tags_given": [] if sound is None else list(sound.tags),
        "metadata": {field: list(values) for field, values in known.metadata.items()},
        "captions_given": _caption_rows(told),
        **written_rows(told.annotations),
        **_heard_rows(told),
    }


def _error_row(told: FileInfo) -> dict[str, object] | None:
    if told.file is None or told.file.error_code is None:
        return None
    return {"code": told.file.error_code, "reason": told.file.error_text}


def _caption_rows(told: FileInfo) -> list[dict[str, object]]:
    captions = () if told.sound is None else told.sound.captions
    return [
        {
            "start_s": round(each.start_s, 6),
            "end_s": round(each.end_s, 6),
            "caption": each.text,
            "source": str(each.source),
        }
        for each in captions
    ]


def written_rows(annotations: Sequence[WrittenAnnotation]) -> dict[str, object]:
    """What a person wrote: of the whole sound, and of each stretch."""
    whole = [each for each in annotations if each.end_s is None]
    own = [each for each in whole if each.is_own]  # the user's first, then everybody's
    return {
        "rating": next((each.rating for each in own if each.rating is not None), None),
        "favourite": any(each.favourite_at is not None for each in own),
        "note": next((each.note for each in own if each.note is not None), None),
        "collections": list(dict.fromkeys(name for each in whole for name in each.collections)),
        "annotations": [
            {"start_s": each.start_s, "end_s": each.end_s, **annotation_row(each)}
            for each in annotations
        ],
    }


def _heard_rows(told: FileInfo) -> dict[str, object]:
    """What models made of the sound."""
    bundles = () if told.sound is None else told.sound.bundles
    return {
        "models": [
            {
                "name": each.name,
                "version": each.version,
                "fingerprint": each.fingerprint,
                "complete": each.complete,
                "windows": each.n_windows,
            }
            for each in bundles
        ],
        "windows_by": None if told.told_by is None else told.told_by.fingerprint,
        "windows": [
            {
                "start_s": round(each.start_s, 6),
                "end_s": round(each.end_s, 6),
                "silent": each.silent,
                "caption": each.caption,
            }
            for each in told.windows
        ],
    }


def copies_of(told: FileInfo) -> list[SoundPath]:
    """The other files of the library with the same sound."""
    own = None if told.file is None else told.file.file_id
    return [] if told.sound is None else [f for f in told.sound.files if f.file_id != own]


def collection_row(summary: CollectionSummary) -> dict[str, object]:
    """A collection in a list; `user` where it is not everybody's."""
    return {
        "name": summary.name,
        "sounds": summary.n_items,
        "created_at": summary.created_at,
        **({"user": summary.user} if summary.user else {}),
    }


def place_row(row: WrittenAnnotation) -> dict[str, object]:
    """Which stretch of which sound it is about; `end_s` null for the whole."""
    return {
        **(path_fields(row.path) if row.path else {"path": None}),
        "start_s": row.start_s,
        "end_s": row.end_s,
        "audio_hash": row.audio_hash.hex(),
        "here": row.here,
        "duration_s": row.duration_s,
    }


def annotation_row(row: WrittenAnnotation) -> dict[str, object]:
    """What is written; `user` where it is not everybody's."""
    return {
        **({"user": row.user} if row.user else {}),
        "tags": list(row.tags),
        "rating": row.rating,
        "favourite": row.favourite_at is not None,
        "note": row.note,
        "collections": list(row.collections),
    }
