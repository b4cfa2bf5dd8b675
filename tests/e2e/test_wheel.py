"""The wheel, installed into a clean environment elsewhere, indexes, finds, and types programs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.e2e.command import Command

pytestmark = pytest.mark.slow


PROJECT = Path(__file__).parents[2]
CONSUMER = PROJECT / "tests" / "api" / "consumer.py"


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


@pytest.fixture(autouse=True)
def _nothing_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is found in the new environment alone."""
    monkeypatch.delenv("PYTHONPATH", raising=False)


def checked(python: Path, program: Path, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a program that uses the audiosearch of an environment."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file="]
    return subprocess.run(
        [*mypy, f"--python-executable={python}", program],
        cwd=cwd,  # where no checkout is found
        capture_output=True,
        text=True,
        check=False,
    )


def test_programs_are_checked_by_the_types_of_the_wheel(installed: Path, tmp_path: Path):
    found = checked(installed, CONSUMER, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import audiosearch\n"
        "with audiosearch.open() as library:\n"
        "    reveal_type(library.find('a dog')[0].path)\n"
        "    library.find('a dog', 5)\n"
        "    audiosearch.no_such_name\n"
    )
    found = checked(installed, wrong, cwd=tmp_path)
    assert 'Revealed type is "pathlib.Path"' in found.stdout
    assert "wrong.py:4: error: Too many positional arguments" in found.stdout
    assert "wrong.py:5: error: Module has no attribute" in found.stdout
    places = {
        line.partition(" error:")[0] for line in found.stdout.splitlines() if " error:" in line
    }
    assert places == {"wrong.py:4:", "wrong.py:5:"}, found.stdout


def test_the_wheel_has_the_manual_where_man_looks(installed: Path):
    [wheel] = installed.parents[2].glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        [manual] = [name for name in content.namelist() if name.endswith("audiosearch.1")]
        assert manual.endswith(".data/data/share/man/man1/audiosearch.1")
        assert content.read(manual) == (PROJECT / "docs" / "audiosearch.1").read_bytes()


def test_the_wheel_has_the_page(installed: Path):
    [wheel] = installed.parents[2].glob("*.whl")
    folder = PROJECT / "audiosearch" / "server" / "page"
    with zipfile.ZipFile(wheel) as content:
        for path in folder.iterdir():
            assert content.read(f"audiosearch/server/page/{path.name}") == path.read_bytes()
    assert (folder / "index.html").is_file()


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


def test_the_models_of_a_wheel_are_those_that_it_lists(installed: Path, tmp_path: Path):
    package = next(installed.parents[1].rglob("site-packages/audiosearch"))
    listed = json.loads((package / "_model_hashes.json").read_text())
    models = package / "_models"
    assert listed == {
        file.relative_to(models).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in models.rglob("*")
        if file.is_file()
    }
    command = Command(tmp_path / "data", bundle="", program=(str(installed), "-m", "audiosearch"))
    assert command("models", "verify", cwd=tmp_path).status == 0
    manifest = models / "starter" / "bundle.json"
    before = manifest.read_bytes()
    changed = json.loads(before) | {"description": "of somebody else"}
    try:
        manifest.write_text(json.dumps(changed))
        answer = command("models", "verify", cwd=tmp_path)
        assert (answer.status, "is not the file that this version" in answer.err) == (2, True)
        manifest.unlink()
        manifest.symlink_to(tmp_path / "elsewhere.json")
        (tmp_path / "elsewhere.json").write_text(json.dumps(changed))
        answer = command("models", "verify", cwd=tmp_path)
        assert (answer.status, "is not the file that this version" in answer.err) == (2, True)
    finally:
        manifest.unlink()
        manifest.write_bytes(before)
    assert command("models", "verify", cwd=tmp_path).status == 0
