"""The wheel in a clean environment of every Python that it is for: does it index and find?

python -m benchmarks.clean_installs                     # all Pythons that can be found
python -m benchmarks.clean_installs --python /opt/python3.14/bin/python3.14 --only 3.14

Each is tried as `pip install` gives it, and with requirements-cpu.txt, whose ONNX Runtime has no
code for graphics cards. Pythons are taken from --python, the PATH, pyenv and uv (which fetches
what it lacks); one that is too old must be refused by its name. Needs a package registry and, for
each environment, some 700 MB for as long as it is tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

PROJECT: Final = Path(__file__).parents[1]
SUPPORTED: Final = ("3.11", "3.12", "3.13", "3.14")
TOO_OLD: Final = "3.10"
CPU: Final = PROJECT / "requirements-cpu.txt"
_TOLD: Final = ("av", "numpy", "onnxruntime-gpu", "onnxruntime")  # whose versions are shown
_COMMAND_S: Final = 1800.0


class Failed(Exception):
    """A step did not do what it must; says which, with the end of what it printed."""


@dataclass(frozen=True)
class Tried:
    """One environment."""

    version: str
    how: str
    result: str
    is_good: bool
    packages: str = ""
    megabytes: int = 0
    seconds: float = 0.0


@click.command()
@click.option("--only", "versions", multiple=True, help="Only these versions (3.12).")
@click.option(
    "--python", "given", multiple=True, type=click.Path(path_type=Path), help="Pythons to use."
)
def main(versions: tuple[str, ...], given: tuple[Path, ...]) -> None:
    """Install the wheel in clean environments, index generated sounds in each, and find one."""
    wanted = versions or (TOO_OLD, *SUPPORTED)
    missing: list[str] = []
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="clean-installs-") as place:
        wheel = _build(Path(place))
        for version in wanted:
            python = find_python(version, given)
            if python is None:
                missing.append(version)
                continue
            for how in ("refused",) if version == TOO_OLD else ("pip install", CPU.name):
                click.echo(f"Python {version} ({python}), {how} ...", err=True)
                tried.append(_try(version, how, python, wheel, Path(place) / "environment"))
                click.echo(f"  {tried[-1].result}", err=True)  # it may be stopped before the end
    _print(tried, missing)
    sys.exit(not all(each.is_good for each in tried))


def find_python(version: str, given: Sequence[Path] = ()) -> Path | None:
    """A Python of this version that runs; None if there is none, and uv cannot fetch one."""
    for candidate in _candidates(version, given):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            said = _run([str(candidate), "-c", code])
        except Failed:
            continue  # a pyenv shim of a version that is not switched on, or another machine's
        if said.strip() == version:
            return candidate
    return None


def _candidates(version: str, given: Sequence[Path]) -> Iterator[Path]:
    yield from given
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / f"python{version}"
        if path.exists():
            yield path
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(home.glob(f"versions/{version}.*/bin/python"), reverse=True)
    if shutil.which("uv") is None:
        return
    try:
        _run(["uv", "python", "install", "--quiet", version])
        yield Path(_run(["uv", "python", "find", version]).strip())
    except Failed as error:
        click.echo(f"uv has no Python {version} to give: {error}", err=True)


def _build(place: Path) -> Path:
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), str(PROJECT)])
    return next(place.glob("*.whl"))


def _try(version: str, how: str, python: Path, wheel: Path, home: Path) -> Tried:
    began = time.perf_counter()
    try:
        _run([str(python), "-m", "venv", "--clear", str(home)])
        new = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        if how == "refused":
            result = _see_refusal(new, version)
            return Tried(version, how, result, is_good=True)
        _install(new, wheel, small=how == CPU.name)
        result = _use(new, home, small=how == CPU.name)
        return Tried(
            version,
            how,
            result,
            is_good=True,
            packages=_packages(new),
            megabytes=round(sum(each.stat().st_size for each in _files(home)) / 1e6),
            seconds=time.perf_counter() - began,
        )
    except Failed as error:
        return Tried(version, how, str(error), is_good=False, packages="")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _install(python: Path, wheel: Path, *, small: bool) -> None:
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    pip += [
        "--only-binary=:all:"
    ]  # what is not there as a wheel would be built, or fail, here only
    if small:
        _run([*pip, "-r", str(CPU)])
        _run([*pip, "--no-deps", str(wheel)])
    else:
        _run([*pip, str(wheel)])
        _run([str(python), "-m", "pip", "check"])


def _use(python: Path, home: Path, *, small: bool) -> str:
    """Index sounds and find one of them; what came of it.

    Raises:
        Failed: something else than what must come.
    """
    sounds = home / "sounds"
    _run([str(python), "-m", "audiosearch.training.synth.examples", str(sounds)], cwd=home)
    program = [str(python), "-m", "audiosearch"]
    report = json.loads(_run([*program, "index", str(sounds), "--json"], cwd=home))
    if report["failed"] or report["windows_encoded"] < report["files"] or not report["files"]:
        raise Failed(f"index: {report}")
    found = json.loads(_run([*program, "find", "a telephone rings", "--json", "-n1"], cwd=home))
    if Path(found["path"]).name != "phone.flac":
        raise Failed(f"find: {found}")
    _run([*program, "doctor", "--quiet"], cwd=home, good=(0, 1))
    cuda = [each.name for each in _files(home) if "providers_cuda" in each.name]
    if small and cuda:
        raise Failed(f"{cuda[0]} is there all the same")
    return f"{report['files']} files indexed, found"


def _see_refusal(python: Path, version: str) -> str:
    """What pip and the program in the checkout say of a Python that is too old; the program's.

    Raises:
        Failed: one of them does not name it.
    """
    pip = _run([str(python), "-m", "pip", "install", str(PROJECT)], good=(1,))
    here = _run([str(python), "-m", "audiosearch", "--version"], cwd=PROJECT, good=(1,))
    for said in (pip, here):
        if f"this is Python {version}" not in said:
            raise Failed(f"it is not refused by its name: {said[-300:]}")
    return here.strip()


def _packages(python: Path) -> str:
    listed = json.loads(_run([str(python), "-m", "pip", "list", "--format=json"]))
    versions = {row["name"]: row["version"] for row in listed}
    return ", ".join(f"{name} {versions[name]}" for name in _TOLD if name in versions)


def _files(home: Path) -> list[Path]:
    return [each for each in home.rglob("*") if each.is_file() and not each.is_symlink()]


def _run(command: Sequence[str], *, cwd: Path | None = None, good: Sequence[int] = (0,)) -> str:
    """What a command prints, on either stream, run without this environment's own settings.

    Raises:
        Failed: it cannot be run, or leaves with another status than a good one.
    """
    ours = ("AUDIOSEARCH_", "PYTHON", "VIRTUAL_ENV")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    if cwd is not None:
        environ["AUDIOSEARCH_DATA_DIR"] = str(cwd / "library")
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(command)}: {error}") from error
    if done.returncode not in good:
        raise Failed(f"{' '.join(command)}: status {done.returncode}: {done.stderr[-600:]}")
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def _print(tried: Sequence[Tried], missing: Sequence[str]) -> None:
    click.echo("| Python | how | packages | MB | s | |\n|---|---|---|---|---|---|")
    for each in tried:
        result = each.result if each.is_good else f"FAILED: {each.result}"
        click.echo(
            f"| {each.version} | {each.how} | {each.packages} | {each.megabytes or ''}"
            f" | {f'{each.seconds:.0f}' if each.seconds else ''} | {result} |"
        )
    for version in missing:
        click.echo(f"not tried, since no Python {version} could be had here")


if __name__ == "__main__":
    main()
