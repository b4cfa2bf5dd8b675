#!/usr/bin/env bash
# FFmpeg's WAV demuxer gives the description of Broadcast Wave (bext) and the comment of RIFF INFO
# one key, `comment`: of a file that has both, whichever chunk comes later hides the other.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "av==18.1.0"
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import struct
import sys

import av


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


fmt = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
bext = chunk(b"bext", b"heron".ljust(256, b"\0") + b"\0" * 346)
info = chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"windy\0"))
data = chunk(b"data", b"\0" * 1600)
print("PyAV", av.__version__, "libavformat", av.library_versions["libavformat"])
comments = []
for order, chunks in (("bext, INFO", (bext, info)), ("INFO, bext", (info, bext))):
    body = b"WAVE" + fmt + b"".join(chunks) + data
    path = f"{sys.argv[1]}/a.wav"
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)
    with av.open(path) as container:
        found = dict(container.metadata)
    print(f"chunks {order}: {found}")
    comments.append(found.get("comment"))
    if "description" in found:
        sys.exit("changed: the description has a key of its own")
if comments != ["windy", "heron"]:
    sys.exit(f"changed: {comments}")
PYTHON
