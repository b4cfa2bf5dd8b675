"""Texts embedded in a sound file and in its name: all values of each field, by key.

Values are cleaned and bounded: they come from strangers and go to full text and to terminals. The
package loads no decoder until a file is read: `tags` is for everyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiosearch.audio.sound import Sound

__all__ = ["metadata_of", "read_metadata"]


def read_metadata(path: bytes) -> dict[str, tuple[str, ...]]:
    """All texts of the file at `path` and of its name.

    Keys are `title`, `artist`, `genre`, `keywords`, `comment`, `description` ..., `bwf.*`,
    `ixml.*`, `xmp.*`, `guano.*`, `wamd.*`, `axml.*`, `cart.*`, `ucs.*`, and `markers` ("12.500 s
    dog", "12.500-15.000 s dog").

    Raises:
        DecodeError: the file cannot be opened as sound.
    """
    from audiosearch.audio.sound import open_sound  # noqa: PLC0415  (loads FFmpeg)

    with open_sound(path) as sound:
        return metadata_of(sound)


def metadata_of(sound: Sound) -> dict[str, tuple[str, ...]]:
    """As `read_metadata`, of a file that is already open.

    Raises:
        DecodeError: UNREADABLE, the disk does not give it.
    """
    from audiosearch.audio.metadata.of_file import fields_of  # noqa: PLC0415

    return fields_of(sound).bounded()
