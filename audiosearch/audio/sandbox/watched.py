"""A file that may change while it is read, and whose fault it is when reading fails."""

from __future__ import annotations

import math
import os
import struct
import tempfile
from array import array

from audiosearch.audio.container import check_is_sound_file
from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import survey_of
from audiosearch.audio.metadata import metadata_of
from audiosearch.audio.sound import open_sound
from audiosearch.errors import DecodeCode, DecodeError, DecoderBroken


class WatchedFile:
    """A sound file as it was when this was made.

    Raises:
        DecodeError: it is none that can be read.
    """

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.stat = check_is_sound_file(path)

    def reason(self, error: Exception) -> DecodeError:
        """Why this file failed; that it changed meanwhile explains any other failure.

        Raises:
            DecoderBroken: it is not the file that is at fault.
        """
        self.check_unchanged()
        if isinstance(error, DecodeError):
            return error
        if isinstance(error, MemoryError):
            return DecodeError("not enough memory", code=DecodeCode.MEMORY, path=self.path)
        reason = f"{type(error).__name__}: {error}"
        check_decoder(reason)
        return DecodeError(f"the program failed: {reason}", code=DecodeCode.PROGRAM, path=self.path)

    def check_unchanged(self) -> None:
        """See that it is the file that was opened.

        Raises:
            DecodeError: CHANGED.
        """
        try:
            now = os.stat(self.path)  # noqa: PTH116  (paths are bytes here)
        except OSError:
            reason = "moved or removed while it was read"
            raise DecodeError(reason, code=DecodeCode.CHANGED, path=self.path) from None
        then = self.stat
        if (now.st_size, now.st_mtime_ns, now.st_ino, now.st_dev) != (
            then.st_size,
            then.st_mtime_ns,
            then.st_ino,
            then.st_dev,
        ):
            reason = "written to or replaced while it was read"
            raise DecodeError(reason, code=DecodeCode.CHANGED, path=self.path)


_RATE, _OTHER_RATE = 8_000, 16_000  # so that it is resampled too


def check_decoder(reason: str) -> None:
    """Read and decode a sound of our own as if it were a file of the library.

    Python errors in decoding (`TypeError`, `ImportError` ...) are no refusals of FFmpeg. They come
    from a library of another version than this program was made for, and then of every file; or,
    rarely, from one strange file. Files must not be blamed for the first, nor a whole library
    stopped for the second.

    Raises:
        DecoderBroken: that fails too; `reason` is what was seen first.
    """
    handle, name = tempfile.mkstemp(suffix=".wav")
    path = os.fsencode(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_known_sound())
        with open_sound(path) as opened:
            metadata_of(opened)
            survey_of(opened)
        decoding = Decoding(path, sample_rate=_OTHER_RATE)
        n_samples = sum(len(block) for block in decoding)
        if abs(n_samples - _OTHER_RATE / 10) > 2:
            raise ValueError(f"{n_samples} samples of a sound of 0.1 s")
    except MemoryError:
        return  # says nothing of either
    except Exception as error:
        what = "this program, or a library that it uses, cannot decode any sound"
        raise DecoderBroken(f"{what}: {reason}") from error
    finally:
        os.unlink(name)  # noqa: PTH108


def _known_sound() -> bytes:
    """A WAV file of 0.1 s, two channels."""
    samples = array("h", [])
    for number in range(_RATE // 10):
        samples.extend([round(8000 * math.sin(number / 3)), round(8000 * math.sin(number / 5))])
    content = samples.tobytes() if samples.itemsize == 2 else b""
    form = struct.pack("<HHIIHH", 1, 2, _RATE, 4 * _RATE, 4, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body
