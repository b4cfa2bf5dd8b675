#!/bin/sh
# An Ogg Vorbis file says in its last page how many samples it has. FFmpeg reports that length and
# decodes another: up to a block more or less at the end, by sample rate and length, while libsndfile
# and stb_vorbis (miniaudio) give exactly what was written. Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/ffmpeg-vorbis-ends-elsewhere.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'soundfile==0.14.0' 'miniaudio==1.71' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import miniaudio
import numpy as np
import soundfile

print(
    f"PyAV {av.__version__} (libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}),"
    f" {soundfile.__libsndfile_version__}, miniaudio {miniaudio.__version__}"
)
off = []
for rate, length in ((8_000, 16_000), (16_000, 32_000), (22_050, 44_100), (44_100, 88_200)):
    written = (0.3 * np.sin(0.05 * np.arange(length))).astype(np.float32)
    soundfile.write("sound.ogg", written, rate)
    with av.open("sound.ogg") as container:
        told = container.streams.audio[0].duration
        decoded = np.concatenate([each.to_ndarray()[0] for each in container.decode(audio=0)])
    whole, _ = soundfile.read("sound.ogg", dtype="float32")
    other = miniaudio.decode_file(
        "sound.ogg", output_format=miniaudio.SampleFormat.FLOAT32, nchannels=1, sample_rate=rate
    )
    both = min(len(whole), len(decoded))
    assert np.abs(decoded[:both] - whole[:both]).max() < 1e-5, "the beginning is the same"
    print(
        f"{rate} Hz: written {length}, libsndfile {len(whole)}, miniaudio {len(other.samples)},"
        f" FFmpeg says {told} and gives {len(decoded)}"
    )
    assert len(whole) == len(other.samples) == told == length
    off.append(len(decoded) - length)
surprising = any(each > 0 for each in off) and any(each < 0 for each in off)
print(f"as found: the end is off by {off} samples" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
