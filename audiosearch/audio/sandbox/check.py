"""Whether an unexpected error lies in a file or in the program: a sound that is known is tried.

Python errors in decoding (`TypeError`, `ImportError` ...) are no refusals of FFmpeg. They come from
a library of another version than this program was made for, and then of every file; or, rarely,
from one strange file. Files must not be blamed for the first, nor a whole library stopped for the
second.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
from array import array

from audiosearch.audio import decode, fingerprint, metadata, sound
from audiosearch.errors import DecoderBroken

_RATE, _OTHER_RATE = 8_000, 16_000  # so that it is resampled too


def check_decoder(reason: str) -> None:
    """Read and decode a sound of our own as if it were a file of the library.

    Raises:
        DecoderBroken: that fails too; `reason` is what was seen first.
    """
    handle, name = tempfile.mkstemp(suffix=".wav")
    path = os.fsencode(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_known_sound())
        with sound.open_sound(path) as opened:
            metadata.metadata_of(path, opened.first.container, opened.first.heard[0])
            fingerprint.survey_of(opened)
        decoding = decode.Decoding(path, sample_rate=_OTHER_RATE)
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
