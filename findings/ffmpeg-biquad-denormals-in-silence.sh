#!/bin/sh
# FFmpeg's biquad filters (here a high shelf, in double precision) run down to denormal numbers soon
# after a sound ends in digital silence, and stay there: a second of zeros takes many times as long
# to filter as a second of noise. Nothing in the filter, or in FFmpeg, flushes them to zero.
# Exits with 1 if that is no longer so. It compares processor times of one run, not absolute ones.
# Usage: PYTHON=python3.11 findings/ffmpeg-biquad-denormals-in-silence.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import statistics
import sys
import time

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

RATE, SECONDS = 44_100, 20


def filtered(second):
    """Processor seconds for a second of noise and then SECONDS times `second`."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="dblp", layout="mono")
    # BS.1770's shelf at this rate, to four digits.
    shelf = graph.add(
        "biquad",
        "b0=1.5309:b1=-2.6510:b2=1.1691:a0=1:a1=-1.6637:a2=0.7126:precision=f64:transform=tdii",
    )
    sink = graph.add("abuffersink")
    graph.link_nodes(source, shelf, sink).configure()
    took = 0.0
    for number in range(SECONDS + 1):
        samples = noise if number == 0 else second
        frame = AudioFrame.from_ndarray(samples[None], format="dblp", layout="mono")
        frame.sample_rate = RATE
        began = time.process_time()
        source.push(frame)
        heard = sink.pull()
        took += (time.process_time() - began) if number else 0.0
    return took, heard.to_ndarray()


noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
rounds = [(filtered(noise)[0], filtered(np.zeros(RATE))) for _ in range(3)]
ratio = statistics.median(silent / loud for loud, (silent, _) in rounds)
rest = np.abs(rounds[0][1][1]).max()
print(f"PyAV {av.__version__}, libavfilter {av.library_versions['libavfilter']}")
print(f"{SECONDS} s of zeros took {ratio:.1f} times as long as {SECONDS} s of noise")
print(f"what is left of the noise after {SECONDS} s of zeros: {rest:.2g}")
surprising = ratio > 3 and 0 < rest < np.finfo(float).tiny
print("as found: denormal numbers for ever" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
