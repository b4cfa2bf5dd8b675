#!/usr/bin/env bash
# FFmpeg's Matroska demuxer keeps the last of several tags of one name, although the format's way to
# say "two artists" is to write ARTIST twice. Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "av==18.1.0" numpy
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import av
import numpy as np


def element(number, content):
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content


plain, tagged = f"{sys.argv[1]}/plain.mka", f"{sys.argv[1]}/tagged.mka"
with av.open(plain, "w", format="matroska") as output:
    stream = output.add_stream("pcm_s16le", rate=8000)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
    frame.sample_rate = 8000
    output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
with open(plain, "rb") as file:
    content = file.read()
at = content.index(b"\x18\x53\x80\x67") + 4  # the segment's size: leave it open
cluster = content.index(b"\x1f\x43\xb6\x75")
tags = b"".join(
    element(0x67C8, element(0x45A3, b"ARTIST") + element(0x4487, name))
    for name in (b"First", b"Second")
)
tags = element(0x1254C367, element(0x7373, element(0x63C0, b"") + tags))
with open(tagged, "wb") as file:
    file.write(content[:at] + b"\x01" + b"\xff" * 7 + content[at + 8 : cluster])
    file.write(tags + content[cluster:])
print("PyAV", av.__version__, "libavformat", av.library_versions["libavformat"])
with av.open(tagged) as container:
    found = dict(container.metadata)
print(found)
if found.get("ARTIST", found.get("artist")) != "Second":
    sys.exit(f"changed: {found}")
PYTHON
