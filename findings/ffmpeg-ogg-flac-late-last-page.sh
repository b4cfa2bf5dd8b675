#!/bin/sh
# A seek of FFmpeg's (in PyAV) that lands in the last page of an Ogg FLAC file gives its frames times
# that are too late, here by 9,216 samples or two frames: a player that trusts them plays from the
# wrong sample. Read from the start, or after a seek to an earlier page, the same frames have their
# true times. The encoder and muxer are FFmpeg's own, the last frame is shorter as any file's may be.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/ffmpeg-ogg-flac-late-last-page.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'av==18.1.0' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np

RATE, SECONDS = 44_100, 40
sound = np.random.default_rng(0).integers(-9000, 9000, (1, 2 * RATE * SECONDS), np.int16)
with av.open("a.oga", "w", format="ogg") as output:
    stream = output.add_stream("flac", rate=RATE)
    stream.codec_context.layout, stream.codec_context.format = "stereo", "s16"
    for at in range(0, RATE * SECONDS, 4096):
        piece = np.ascontiguousarray(sound[:, 2 * at : 2 * (at + 4096)])
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def frames(start_s):
    """(time by the container in samples, true place of its samples) of the frames from there on."""
    with av.open("a.oga") as container:
        stream = container.streams.audio[0]
        if start_s:
            container.seek(int(start_s / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            head = frame.to_ndarray()[0, :64]
            place = next(
                at
                for at in range(0, RATE * SECONDS, 256)
                if np.array_equal(sound[0, 2 * at : 2 * at + 64], head)
            )
            yield round(frame.pts * stream.time_base * RATE), place


def lateness(start_s):
    return sorted({told - place for told, place in frames(start_s)})


whole, middle, last = lateness(0), lateness(20), lateness(SECONDS - 0.2)
print(f"PyAV {av.__version__}, libavformat {'.'.join(map(str, av.library_versions['libavformat']))}")
print(f"samples that frames are told too late: read from the start {whole}")
print(f"after a seek to 20 s {middle}, to 0.2 s before the end {last}")
surprising = whole == [0] and middle == [0] and max(last) > 0
print("as found: late in the last page alone" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
