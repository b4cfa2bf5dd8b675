"""The commands of docs/importing.md that train on Clotho, run on a folder of its layout."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.model.bundle import load_bundle
from tests.published_joint import write_cnn14
from tests.sounds import tone, write_audio
from tests.unit.training.test_pairs import write_bert

DOCS = Path(__file__).parents[2] / "docs" / "importing.md"
SUBJECTS = ("a low hum", "a dog barks", "a bell rings", "birds sing")


def told_commands() -> list[list[str]]:
    """The three commands, as they stand in the documentation."""
    text = DOCS.read_text("utf-8")
    block = text[
        text.index("three commands pre-train") : text.index("(`audiosearch models use fine")
    ]
    joined = re.sub(r"\\\n\s+", "", block)
    return [
        shlex.split(line)
        for line in joined.splitlines()
        if line.startswith(("    python ", "    audiosearch "))
    ]


def write_subset(root: Path, subset: str) -> None:
    """Sounds and their table as aac-datasets 0.7 leaves them."""
    (root / "clotho_csv_files").mkdir(parents=True, exist_ok=True)
    sounds = root / "clotho_audio_files" / subset
    sounds.mkdir(parents=True)
    rows = []
    for place, subject in enumerate(SUBJECTS):
        name = f"sound {place} of {subset}.wav"
        samples = tone(200.0 * (1 + place), seconds=1.5)
        write_audio(sounds / name, samples, rate=44_100 if place else 16_000)
        captions = [f"{subject} {ending}" for ending in ("", "now", "again", "here", "twice")]
        rows.append([name, *(caption.strip() for caption in captions)])
    table = root / "clotho_csv_files" / f"clotho_captions_{subset}.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", *(f"caption_{n}" for n in range(1, 6))])
        writer.writerows(rows)


def test_three_commands_train_on_clotho(tmp_path: Path) -> None:
    commands = told_commands()
    assert len(commands) == 3
    for subset in ("development", "evaluation"):
        write_subset(tmp_path / "CLOTHO_v2.1", subset)
    write_cnn14(tmp_path / "Cnn14_mAP=0.431.pth")
    write_bert(tmp_path / "bert-base-uncased")
    environ = os.environ | {
        "AUDIOSEARCH_DATA_DIR": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "OMP_NUM_THREADS": "1",
    }
    outputs = []
    for program, *arguments in commands:
        start = [] if program == "python" else ["-m", "audiosearch"]
        done = subprocess.run(
            [sys.executable, *start, *arguments],
            check=False,
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done)
    bundle = load_bundle(tmp_path / "fine" / "bundle")
    assert (bundle.joint_dim, bundle.decoder) == (1024, None)
    first, fine = (
        json.loads((tmp_path / run / "recipe.json").read_text()) for run in ("first", "fine")
    )
    assert (first["epochs"], first["batch"], first["learning_rate"]) == (20, 128, 1e-4)
    assert (fine["learning_rate"], fine["tag_distance"]) == (2e-5, "mae")
    assert "text-to-audio" in outputs[-1].stdout
    assert "joint" in outputs[-1].stdout
