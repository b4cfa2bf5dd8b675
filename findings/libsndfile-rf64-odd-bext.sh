#!/bin/sh
# libsndfile refuses a valid RF64 file whose bext chunk has an odd size: it does not skip the byte
# that pads the chunk, finds no sound, and says so. The same chunk in a plain WAV file is no trouble,
# and an even one in RF64 neither.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/libsndfile-rf64-odd-bext.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'numpy==2.4.6' 'soundfile==0.14.0'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys

import soundfile

SOUND = bytes(2 * 8000)
FORM = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def frames(history: bytes, *, long: bool) -> int | str:
    """Samples that libsndfile reads of a file whose bext chunk ends in `history`."""
    body = chunk(b"bext", bytes(602) + history) + chunk(b"fmt ", FORM)
    size = 4 + len(body) + 8 + len(SOUND)
    if long:
        sizes = struct.pack("<QQQI", size + 36, len(SOUND), 8000, 0)
        head = b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes)
        told = 0xFFFFFFFF
    else:
        head, told = b"RIFF" + struct.pack("<I", size) + b"WAVE", len(SOUND)
    content = head + body + b"data" + struct.pack("<I", told) + SOUND
    try:
        return soundfile.SoundFile(io.BytesIO(content)).frames
    except soundfile.LibsndfileError as error:
        return error.error_string


odd, even = b"A=PCM\r\n", b"A=PCM,\r\n"
read = {
    "WAV, odd": frames(odd, long=False),
    "WAV, even": frames(even, long=False),
    "RF64, even": frames(even, long=True),
    "RF64, odd": frames(odd, long=True),
}
print(f"{soundfile.__libsndfile_version__}: {read}")
*good, bad = read.values()
surprising = good == [8000, 8000, 8000] and isinstance(bad, str)
print("as found: the file with the odd chunk is refused" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
