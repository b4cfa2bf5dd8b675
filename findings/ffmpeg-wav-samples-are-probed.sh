#!/bin/sh
# FFmpeg takes 16-bit PCM in WAV for what may be DTS or AC-3 in disguise, and tries all its demuxers
# on the first samples, again each time they have doubled. Opening five seconds of noise takes
# several times as long as opening the same samples with 24 bits, which are not looked at, and as
# with `probesize` at 8 kB. Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/ffmpeg-wav-samples-are-probed.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys
import time

import av
import numpy as np

RATE, SECONDS = 44_100, 5


def write(name, bits):
    values = (3000 * np.random.default_rng(0).standard_normal(RATE * SECONDS)).astype(np.int32)
    content = (values << (32 - bits)).astype("<i4").view(np.uint8).reshape(-1, 4)
    data = content[:, 4 - bits // 8 :].tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * bits // 8, bits // 8, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    with open(name, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def opening_ms(name, **options):
    took = []
    for _ in range(30):
        began = time.process_time()
        with av.open(name, container_options=options) as container:
            assert container.streams.audio[0].codec_context.name.startswith("pcm_s")
        took.append(time.process_time() - began)
    return 1000 * sorted(took)[len(took) // 2]


write("16.wav", 16)
write("24.wav", 24)
print(f"PyAV {av.__version__} (libavformat {'.'.join(map(str, av.library_versions['libavformat']))})")
by_itself, wide = opening_ms("16.wav"), opening_ms("24.wav")
bounded = opening_ms("16.wav", probesize="8192")
print(f"to open: 16 bits {by_itself:.2f} ms, 24 bits {wide:.2f} ms, 16 bits with probesize 8192 {bounded:.2f} ms")
sys.exit(0 if by_itself > 3 * wide and by_itself > 3 * bounded else 1)
PYTHON
