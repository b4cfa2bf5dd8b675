#!/bin/sh
# FFmpeg (in PyAV) decodes the second link of a chained Ogg Vorbis file with the codebooks of the
# first: where the links were encoded at different qualities, it gives noise, and no error.
# Valid input (RFC 3533 allows chaining; Vorbis I requires new headers to be taken up). Exits with 1
# if that is no longer so. Usage: PYTHON=python3.11 findings/ffmpeg-chained-vorbis-codebooks.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'numpy==2.4.6' 'soundfile==0.14.0'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np
import soundfile

RATE = 44_100
tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE)
hiss = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)


def write(name, sound, compression):
    with soundfile.SoundFile(
        name, "w", RATE, 2, format="OGG", subtype="VORBIS", compression_level=compression
    ) as file:
        for start in range(0, len(sound), 4096):
            file.write(np.stack([sound[start : start + 4096]] * 2, axis=1))
    return open(name, "rb").read()


def decode(name):
    with av.open(name) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames)


first = write("first.ogg", hiss, 1.0)
second = write("second.ogg", tone, 0.0)
open("chain.ogg", "wb").write(first + second)
alone, chained = decode("second.ogg"), decode("chain.ogg")
size = len(alone) - 10_000
worst = float(np.abs(chained[-size:] - alone[-size:]).max())
print(f"PyAV {av.__version__}, libavcodec {av.library_versions['libavcodec']}")
print(f"second link alone and in the chain differ by up to {worst:.3f} of full scale")
surprising = worst > 0.1
print("as found: noise, and no error" if surprising else "CHANGED: the chain decodes as its links")
sys.exit(0 if surprising else 1)
PYTHON
