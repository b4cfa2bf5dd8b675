"""The commands that docs/exchange.md shows run as they stand there, one after the other."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command import Command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="they are lines for a Unix shell"),
]

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "exchange.md"


def test_the_examples_of_the_page_run(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = PAGE.read_text("utf-8")
    lines = re.findall(r"^ {4,}(audiosearch .+)$", text, re.MULTILINE)
    assert len(lines) > 15
    shutil.copytree(examples / "sounds", tmp_path / "sounds")
    (tmp_path / "labels.txt").write_text("0.500000\t1.500000\ta bell, close\n")
    command = Command(data_dir=tmp_path / "data", bundle="starter")
    assert command("index", tmp_path / "sounds").status == 0
    program = tmp_path / "bin" / "audiosearch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audiosearch "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-x", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={**command.environment(), "PATH": path, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for made in ("clips", "tables", "doors", "wet", "regions"):
        assert list((tmp_path / made).iterdir()), made
    assert next((tmp_path / "doors").iterdir()).name.startswith("DOORKnck_")
    for made in ("alike.m3u8", "one-for-all.txt", "annotations.csv", "bells.edl", "bells.json"):
        assert (tmp_path / made).stat().st_size > 0, made
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []
    failed, tried = doctest.DocTestRunner().run(test, out=told.append)
    assert tried
    assert failed == 0, "".join(told)
