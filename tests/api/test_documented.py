"""What docs/python-api.md and the notebooks show is what happens."""

from __future__ import annotations

import base64
import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = DOCS / "notebooks"


def test_the_examples_of_the_page_hold(
    examples: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "sounds").mkdir()
    for file in (examples / "sounds").iterdir():
        (tmp_path / "sounds" / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    page = DOCS / "python-api.md"
    blocks = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) > 10
    text = "\n".join(blocks)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    told: list[str] = []
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.DocTestRunner(optionflags=flags).run(test, out=told.append)
    assert tried == len(test.examples)
    assert failed == 0, "".join(told)


def pictures(notebook: dict[str, Any]) -> list[bytes]:
    """The PNG pictures among the outputs, taken out: the last bit of a level may be another."""
    return [
        base64.b64decode(output["data"].pop("image/png"))
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


@pytest.mark.parametrize("name", ["explore", "night"])
def test_the_notebook_runs_and_shows_what_it_shows(name: str, examples: Path, tmp_path: Path):
    """Its cells are run without Jupyter, whose kernel and client are 60 packages.

    `docs/run_notebook.py` runs them in one namespace of a fresh process, as a kernel does, and
    writes what they print and what their last lines are worth: the outputs that are committed.
    """
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for file in (examples / "sounds").iterdir():
        (sounds / file.name).write_bytes(file.read_bytes())
    notebook, again = NOTEBOOKS / f"{name}.ipynb", tmp_path / f"{name}.ipynb"
    done = subprocess.run(
        [sys.executable, DOCS / "run_notebook.py", notebook, again],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept, now = (json.loads(file.read_text("utf-8")) for file in (notebook, again))
    shown, drawn = pictures(kept), pictures(now)
    assert now == kept, "run: make notebook"
    assert sum(bool(cell.get("outputs")) for cell in now["cells"]) > 5
    assert len(drawn) == (name == "night")
    for old, new in zip(shown, drawn, strict=True):
        assert new[:33] == old[:33]  # the signature, and the size in the first chunk
        assert len(new) == pytest.approx(len(old), rel=0.1)


def test_a_notebook_with_a_fault_is_refused(tmp_path: Path):
    broken = json.loads((NOTEBOOKS / "explore.ipynb").read_text("utf-8"))
    broken["cells"] = [
        {"cell_type": "code", "source": ["1 / 0\n"], "outputs": [], "metadata": {}, "id": "a"}
    ]
    file = tmp_path / "broken.ipynb"
    file.write_text(json.dumps(broken))
    done = subprocess.run(
        [sys.executable, DOCS / "run_notebook.py", file, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
