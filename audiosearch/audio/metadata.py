"""Texts embedded in a sound file, as one flat mapping that can be searched.

In: a path. Out: texts by key: `title`, `artist`, `album`, `genre`, `comment`, `date` ... from
ID3, Vorbis comments, RIFF INFO, MP4 and APE tags (through FFmpeg, which gives them common names),
`bwf.*`, `ixml.*` and `markers` of WAV files, chapters of the others as `markers`, and `ucs.*` of
a file name in the Universal Category System. Values are cleaned and bounded: they come from
strangers and go to full text and to terminals.

Pictures, lyrics timing and loudness tags are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from av.audio.stream import AudioStream
from av.container import InputContainer

from audiosearch.audio.container import open_audio
from audiosearch.audio.riff import MAX_MARKERS, read_riff
from audiosearch.audio.ucs import ucs_from_name
from audiosearch.errors import DecodeCode, DecodeError

MAX_ENTRIES = 64
MAX_KEY_CHARACTERS = 64
MAX_VALUE_CHARACTERS = 4000

# What writing programs leave behind, which nobody searches for.
_TECHNICAL = re.compile(
    r"encoder|encoded_by|encoding|major_brand|minor_version|compatible_brands|handler_name|"
    r"vendor_id|duration|itun.*|replaygain_.*|r128_.*|umid|language|id3v2_priv.*|"
    r"metadata_block_picture|waveformatextensible.*"
)
# FFmpeg reads bext too; audiosearch.audio.riff names these properly.
_BEXT_IN_FFMPEG = frozenset(
    {
        "description",
        "originator",
        "originator_reference",
        "origination_date",
        "origination_time",
        "time_reference",
        "coding_history",
    }
)
_NOT_IN_KEY = re.compile(r"[^a-z0-9._-]+")
_WAV_CONTAINERS = frozenset({"wav"})


def read_metadata(path: bytes) -> dict[str, tuple[str, ...]]:
    """All texts of the file at `path` and of its name.

    Raises:
        DecodeError: the file cannot be opened as sound.
    """
    with open_audio(path) as (container, stream):
        return metadata_of(path, container, stream)


def metadata_of(
    path: bytes, container: InputContainer, stream: AudioStream
) -> dict[str, tuple[str, ...]]:
    """As `read_metadata`, of a file that is already open."""
    tags = {_key(key): value for key, value in (container.metadata | stream.metadata).items()}
    chapters = _chapters(container)
    found: dict[str, str] = {}
    if container.format.name in _WAV_CONTAINERS:
        try:
            found |= read_riff(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error
        if any(key.startswith("bwf.") for key in found):
            tags = {key: value for key, value in tags.items() if key not in _BEXT_IN_FFMPEG}
    found |= {key: value for key, value in tags.items() if not _TECHNICAL.fullmatch(key)}
    if chapters and "markers" not in found:
        found["markers"] = chapters
    name = os.path.basename(path)  # noqa: PTH119  (paths are bytes here)
    found |= ucs_from_name(name.decode("utf-8", "replace"))
    return {key: (value,) for key, value in _bounded(found.items()).items()}


def _chapters(container: InputContainer) -> str:
    texts = []
    for chapter in container.chapters()[:MAX_MARKERS]:
        title = chapter["metadata"].get("title")
        unit_s = chapter["time_base"]
        if title and unit_s is not None:
            texts.append(f"{float(chapter['start'] * unit_s):.3f} s {title}")
    return "; ".join(texts)


def _key(key: str) -> str:
    return _NOT_IN_KEY.sub("_", key.lower()).strip("_")[:MAX_KEY_CHARACTERS]


def _bounded(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    cleaned = ((key, _clean(value)) for key, value in entries)
    kept = [(key, value) for key, value in cleaned if key and value]
    return dict(kept[:MAX_ENTRIES])


def _clean(text: str) -> str:
    """One line of printable characters; bytes that were not UTF-8 are read as Windows' letters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # FFmpeg takes old RIFF INFO and ID3 texts for UTF-8
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split())[:MAX_VALUE_CHARACTERS]
