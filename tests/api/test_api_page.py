"""What docs/api.md shows is what happens."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.server.app import API_ROUTES
from audiosearch.training.synth.examples import write_examples
from tests.e2e.command import Command

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
SHOWN = "http://127.0.0.1:7433/"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def lines(block: str) -> list[str]:
    """The commands of a block, of which one may go over several lines."""
    return [line for line in re.split(r"(?<!\\)\n", block) if line]


SHELL = [line for block in blocks("sh") for line in lines(block)]


@pytest.fixture(scope="module")
def place(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library of the examples and a clip."""
    place = tmp_path_factory.mktemp("shown")
    shutil.copytree(examples / "library", place / "library")
    write_examples(place / "sounds")
    sound = sorted((place / "sounds").glob("*.wav"))[0]
    shutil.copy(sound, place / "clip.wav")
    return place


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    """Where `audiosearch serve` gives its page."""
    command = Command(data_dir=place / "library", bundle="starter")
    served = subprocess.Popen(
        [*command.program, "serve", "--port", "0"],
        env=command.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        yield served.stdout.readline().strip()
    finally:
        served.terminate()
        served.communicate(timeout=60)


def test_the_page_shows_commands() -> None:
    assert len(SHELL) >= 10
    assert len(blocks("python")) == 1


@pytest.mark.parametrize("line", SHELL, ids=range(len(SHELL)))
def test_a_command_of_the_page_is_answered(url: str, place: Path, line: str) -> None:
    before = set(place.iterdir())
    done = subprocess.run(
        ["sh", "-c", line.replace(SHOWN, url)],
        cwd=place,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "DATA": str(place / "library")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if " -o " in line or " -sSfJO " in line:
        [file] = set(place.iterdir()) - before
        assert file.stat().st_size > 50
        return
    answer = json.loads(done.stdout)
    rows = next((answer[x] for x in ("hits", "descriptions", "labels") if x in answer), None)
    assert rows is None or rows


def test_the_table_of_pandas_is_made(url: str) -> None:
    [code] = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code.replace(SHOWN, url)],
        capture_output=True,
        text=True,
        check=True,
    )
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["score", "start_s", "end_s", "path", "caption"]
    assert len(rows) > 5


def test_the_page_names_every_resource() -> None:
    for route in API_ROUTES:
        path = route.path.replace(":path", "")
        stem, _, last = path.rpartition("/")
        assert path in PAGE or (last in PAGE and stem in PAGE), path
