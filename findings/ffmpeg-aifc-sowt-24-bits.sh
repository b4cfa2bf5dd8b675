#!/bin/sh
# FFmpeg (in PyAV) takes AIFF-C of type `sowt` for 16 bits whatever its header says: 24 bits with the
# least byte first come out as noise, half as long again, and no error. libsndfile reads them.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/ffmpeg-aifc-sowt-24-bits.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'numpy==2.4.6' 'soundfile==0.14.0'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys

import av
import numpy as np
import soundfile

RATE = 16_000
tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
whole = np.round(tone * 2**23).astype("<i4")
sound = whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
rate = struct.pack(">HQ", 16383 + 13, RATE << 50)
common = struct.pack(">hIh", 1, RATE, 24) + rate + b"sowt" + bytes(2)
body = b"AIFCFVER" + struct.pack(">II", 4, 0xA2805140)
body += b"COMM" + struct.pack(">I", len(common)) + common
body += b"SSND" + struct.pack(">III", 8 + len(sound), 0, 0) + sound
open("sound.aiff", "wb").write(b"FORM" + struct.pack(">I", len(body)) + body)

with av.open("sound.aiff") as container:
    codec = container.streams.audio[0].codec_context.name
    heard = np.concatenate(
        [frame.to_ndarray().reshape(-1).astype(float) for frame in container.decode(audio=0)]
    )
right, _ = soundfile.read("sound.aiff")
print(f"PyAV {av.__version__}, libavformat {av.library_versions['libavformat']}, codec {codec}")
print(f"libsndfile {soundfile.__libsndfile_version__}: {len(right)} samples,", end=" ")
print(f"worst error {np.abs(right - tone).max():.1e}")
print(f"FFmpeg: {len(heard)} samples")
surprising = codec == "pcm_s16le" and len(heard) == RATE * 3 // 2
print("as found: 24 bits read as 16" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
