#!/bin/sh
# FFmpeg (in PyAV) takes a valid WAVE_FORMAT_EXTENSIBLE file of 24 valid bits in containers of 32 for
# the floats that Cool Edit wrote: peaks of +185 dBFS and NaN, and no error. libsndfile reads the
# very samples. Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/ffmpeg-wav-24-valid-bits-in-32.sh
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
sound = (np.round(tone * 2**23).astype("<i4") << 8).tobytes()
guid = struct.pack("<I", 1) + bytes.fromhex("00001000800000aa00389b71")
form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 4 * RATE, 4, 32, 22, 24, 4) + guid
body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
body += b"data" + struct.pack("<I", len(sound)) + sound
open("sound.wav", "wb").write(b"RIFF" + struct.pack("<I", len(body)) + body)

with av.open("sound.wav") as container:
    codec = container.streams.audio[0].codec_context.name
    heard = np.concatenate(
        [frame.to_ndarray().reshape(-1).astype(float) for frame in container.decode(audio=0)]
    )
right, _ = soundfile.read("sound.wav")
finite = heard[np.isfinite(heard)]
print(f"PyAV {av.__version__}, libavformat {av.library_versions['libavformat']}, codec {codec}")
print(f"libsndfile {soundfile.__libsndfile_version__}: worst error {np.abs(right - tone).max():.1e}")
print(f"FFmpeg: peak {20 * np.log10(np.abs(finite).max()):+.0f} dBFS, {len(heard) - len(finite)} NaN")
surprising = codec == "pcm_f24le" and np.abs(finite).max() > 1e6
print("as found: integers read as floats" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
