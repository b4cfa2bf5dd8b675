"""Which reader a file's container has, and what FFmpeg knows beside it.

A container's own reader comes first: FFmpeg's flat table has one value a key, renames fields onto
each other (bext's and Vorbis' description are a comment to it), and cuts lists at the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from audiosearch.audio.metadata.aiff import read_aiff
from audiosearch.audio.metadata.ape import read_tags_around, read_wavpack
from audiosearch.audio.metadata.caf import read_caf
from audiosearch.audio.metadata.fields import MAX_MARKERS, MetadataFields
from audiosearch.audio.metadata.id3 import read_dsf
from audiosearch.audio.metadata.matroska import read_matroska
from audiosearch.audio.metadata.mp4 import read_mp4
from audiosearch.audio.metadata.riff import read_riff
from audiosearch.audio.metadata.text import decode, mended
from audiosearch.audio.metadata.ucs import ucs_from_name
from audiosearch.audio.metadata.unreadable import reading
from audiosearch.audio.metadata.vorbis import read_comments, read_flac, read_ogg
from audiosearch.errors import DecodeCode, DecodeError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from audiosearch.audio.sound import Sound
from typing import BinaryIO

from audiosearch.audio.metadata.text import key_of
from audiosearch.audio.metadata.unreadable import FROM_MUTAGEN, Unreadable

MAX_ASF_HEAD_BYTES = 64 << 20  # of pictures, all but a little
_ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_KEYS = {
    "albumartist": "album_artist",
    "albumtitle": "album",
    "author": "artist",
    "description": "comment",
    "mood": "mood",
    "partofset": "disc",
    "text": "comment",
    "tracknumber": "track",
    "year": "date",
}


def read_asf(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
    """Attributes of an ASF file; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        head = file.read(24)
        if head[:16] != _ASF_HEAD:
            return False
        with reading("ASF's attributes"):
            size = int.from_bytes(head[16:], "little")
            if size > MAX_ASF_HEAD_BYTES:
                raise Unreadable(f"a header of {size} bytes")
            file.seek(0)
            _read_asf_attributes(file, fields)
    return False


def _read_asf_attributes(file: BinaryIO, fields: MetadataFields) -> None:
    from mutagen import MutagenError  # noqa: PLC0415
    from mutagen.asf import ASF  # noqa: PLC0415

    with reading("ASF", MutagenError, *FROM_MUTAGEN, passed_on=True):
        for name, value in ASF(file).tags or ():
            key = name.rpartition("/")[2].lower()
            if isinstance(value.value, str):
                fields.add(_ASF_KEYS.get(key, key_of(key)), value.value)


# A reader takes the path, what it adds to, and the sample rate; it says whether it has read all
# there is, so that FFmpeg has nothing to add.
Reader = Callable[[bytes, MetadataFields, int], bool]


def _read_wave(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
    """AIFF with the least byte first is given to FFmpeg as WAV."""
    return read_riff(path, fields, sample_rate) or read_aiff(path, fields, sample_rate)


_QUICKTIME = "com.apple.quicktime."
# By FFmpeg's names of its demuxers, the first where one has several.
_READERS: Mapping[str, Reader] = {
    "aiff": read_aiff,
    "asf": read_asf,
    "caf": read_caf,
    "dsf": read_dsf,
    "flac": read_flac,
    "matroska": read_matroska,
    "mov": read_mp4,
    "ogg": read_ogg,
    "w64": read_riff,
    "wav": _read_wave,
    "wv": read_wavpack,
} | dict.fromkeys(
    ("mp3", "aac", "ac3", "eac3", "dts", "tta", "ape", "mpc", "mpc8", "tak", "truehd", "osq"),
    read_tags_around,
)


def fields_of(sound: Sound) -> MetadataFields:
    """What an open file and its name say.

    Raises:
        DecodeError: UNREADABLE, the disk does not give it.
    """
    path, fields = sound.path, MetadataFields()
    name = os.path.basename(path)  # noqa: PTH119  (paths are bytes here)
    for key, text in ucs_from_name(decode(name)).items():
        fields.add(key, text)
    if sound.plain is not None:
        with reading("the container's metadata"), reading("Vorbis comments"):
            read_comments(sound.plain.comments, fields)
            return fields
    container, stream = sound.first.container, sound.first.heard[0]
    read = _READERS.get(container.format.name.partition(",")[0])
    complete = False
    try:
        with reading("the container's metadata"):
            if read is not None:
                complete = read(path, fields, stream.codec_context.sample_rate)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error
    if not complete:
        for tags in _ffmpeg_tags(container, stream):
            for key, text in tags.items():
                fields.add_unless_known(mended(key).removeprefix(_QUICKTIME), mended(text))
    if "markers" not in fields:
        _chapters(container, fields)
    return fields


def _ffmpeg_tags(container: InputContainer, stream: AudioStream) -> Iterator[Mapping[str, str]]:
    """Of the file, of the stream, and of its other streams of sound."""
    yield container.metadata
    yield stream.metadata
    yield from (each.metadata for each in container.streams.audio if each is not stream)


def _chapters(container: InputContainer, fields: MetadataFields) -> None:
    for chapter in container.chapters()[:MAX_MARKERS]:
        unit_s = chapter["time_base"]
        if unit_s is not None:
            title = mended(chapter["metadata"].get("title", ""))
            end_s = float(chapter["end"] * unit_s)
            fields.add_marker(float(chapter["start"] * unit_s), title, end_s=end_s)
