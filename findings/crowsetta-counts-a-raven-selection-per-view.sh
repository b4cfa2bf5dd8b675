#!/bin/sh
# Raven saves a selection once for each view of its window, so that a table holds each call twice:
# "Waveform 1" with the whole band, and "Spectrogram 1" with the box that was drawn. crowsetta makes
# a box of each row, although both have one Selection number: calls are counted twice, and half the
# boxes reach from 0 Hz to the highest frequency. Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/crowsetta-counts-a-raven-selection-per-view.sh
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

columns = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)",
    "Low Freq (Hz)", "High Freq (Hz)", "Annotation",
)  # fmt: skip
rows = (
    ("1", "Waveform 1", "1", "0.5", "1.0", "0.0", "22050.0", "owl"),
    ("1", "Spectrogram 1", "1", "0.5", "1.0", "300.0", "900.0", "owl"),
)
table = "\n".join("\t".join(row) for row in (columns, *rows)) + "\n"
Path("calls.txt").write_text(table)
boxes = crowsetta.formats.bbox.Raven.from_file("calls.txt", annot_col="Annotation").to_bbox()
print(f"crowsetta {version('crowsetta')}: one selection, in two views")
for box in boxes:
    print(f"{box.label} {box.onset} to {box.offset} s, {box.low_freq} to {box.high_freq} Hz")
surprising = len(boxes) == 2
print("as found: one call is two boxes" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
