"""The wheel, installed into a clean environment elsewhere, indexes and finds."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.e2e.command import Command

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel in it.

    Its dependencies are those of the environment that runs the tests, named in a .pth file, so
    that nothing is downloaded; audiosearch itself is found in the new environment alone.
    """
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place)]
    subprocess.run([*pip, *build, str(PROJECT)], check=True)
    wheel = next(place.glob("*.whl"))
    home = place / "venv"
    venv.create(home, with_pip=False)
    scheme = {"base": str(home), "platbase": str(home)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    install = ["install", "--no-deps", "--no-index", "--target", str(packages), str(wheel)]
    subprocess.run([*pip, *install], check=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Path(sysconfig.get_path("scripts", "venv", vars=scheme)) / "python"


def test_the_wheel_indexes_and_finds(installed: Path, tmp_path: Path, sounds: Path):
    command = Command(
        data_dir=tmp_path / "data", bundle="starter", program=(str(installed), "-m", "audiosearch")
    )
    where = "import audiosearch; print(audiosearch.__file__)"
    found = subprocess.run(
        [installed, "-c", where], capture_output=True, check=True, text=True, cwd=tmp_path
    )
    assert str(installed.parents[1]) in found.stdout
    assert command("models", "verify", cwd=tmp_path).status == 0
    answer = command("index", sounds, "--json", cwd=tmp_path)
    assert answer.status == 0, answer.err
    assert answer.rows[0]["failed"] == 1
    hits = command("find", "a beep", "--json", "--min-score", "0", cwd=tmp_path)
    assert len(hits.rows) == 5
    assert command("config", "init", cwd=tmp_path).status == 0
