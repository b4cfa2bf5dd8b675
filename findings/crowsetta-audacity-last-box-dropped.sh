#!/bin/sh
# crowsetta's reader of Audacity label tracks with frequencies takes lines two by two: a last label
# that has no line of frequencies is dropped without a word, although Audacity writes such tracks.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/crowsetta-audacity-last-box-dropped.sh
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q 'crowsetta==5.1.2' 'pandas==3.1.1' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import crowsetta

track = "0.500000\t1.000000\tdog\n\\\t100.000000\t2000.000000\n2.000000\t3.000000\towl\n"
Path("labels.txt").write_text(track)
boxes = crowsetta.formats.bbox.AudBBox.from_file("labels.txt").to_bbox()
print(f"crowsetta {version('crowsetta')}: two labels, one of them with frequencies")
print(f"read: {[box.label for box in boxes]}")
surprising = [box.label for box in boxes] == ["dog"]
print("as found: the last label is gone, and nothing said" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
