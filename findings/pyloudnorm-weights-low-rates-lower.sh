#!/bin/sh
# A tone of 1 kHz with a peak of -20 dBFS on one channel has -23 LUFS, at any rate (EBU Tech 3341).
# pyloudnorm's default weighting makes it .19 LU less at 8 kHz and .08 at 16 kHz, the rates of speech
# and of many field recorders; its other filter class and FFmpeg's ebur128 do not.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/pyloudnorm-weights-low-rates-lower.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'pyloudnorm==0.2.0' 'av==18.1.0' 'numpy==2.4.6' 'scipy==1.17.1'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import av
import numpy as np
import pyloudnorm


def by_ffmpeg(sound, rate):
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="dbl", sample_rate=rate, layout="mono")
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told = None
    for start in range(0, len(sound), rate // 10):
        frame = av.AudioFrame.from_ndarray(
            sound[None, start : start + rate // 10], format="dbl", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        try:
            while True:
                told = float(graph.pull().metadata["lavfi.r128.I"])
        except (av.BlockingIOError, EOFError):
            pass
    return told


print(f"pyloudnorm {version('pyloudnorm')}, PyAV {av.__version__}: -20 dBFS at 1 kHz, one channel")
off = {}
for rate in (8_000, 16_000, 48_000):
    tone = 0.1 * np.sin(2 * np.pi * 1_000 * np.arange(5 * rate) / rate)
    default = pyloudnorm.Meter(rate).integrated_loudness(tone)
    other = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(tone)
    ffmpeg = by_ffmpeg(tone, rate)
    print(f"{rate} Hz: default {default:.2f}, DeMan {other:.2f}, FFmpeg {ffmpeg:.2f} LUFS")
    off[rate] = -23 - default
    assert abs(other + 23) < 0.05 and abs(ffmpeg + 23) < 0.05
surprising = off[8_000] > 0.15 and off[16_000] > 0.06
print("as found: the lower the rate, the quieter" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
