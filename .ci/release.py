"""The two ends of `make release`: what it writes before the tests, what it looks at after them.

    python .ci/release.py begin 0.2.0    # the changelog and the version, in the files
    python .ci/release.py look 0.2.0     # dist/ holds what it must; says what is left to do

It commits, tags and uploads nothing: that is for a person who has read the result.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CHANGELOG = PROJECT / "CHANGELOG.md"
HOME = PROJECT / "audiosearch" / "__init__.py"  # of the version; pyproject.toml reads it there

_VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]\n"
_IN_WHEEL = (
    "audiosearch/py.typed",
    "audiosearch/_migrations/env.py",
    "audiosearch/_models/starter/bundle.json",
    "audiosearch/_config.example.toml",
    "audiosearch/_model_hashes.json",
)
_IN_SOURCES = (
    "pyproject.toml",
    "Makefile",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/python-api.md",
)


class Refused(Exception):
    """Why there is no release."""


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers.

    Raises:
        Refused: it is not of the form 1.2.3.
    """
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise Refused(f"{version!r} is no version: make release VERSION=1.2.3")
    return tuple(map(int, version.split(".")))


def with_version(text: str, version: str) -> str:
    """The file that holds the version, with a later one.

    Raises:
        Refused: it is not later.
    """
    [old] = _VERSION.findall(text)
    if numbers(version) <= numbers(old):
        raise Refused(f"{version} is not later than {old}")
    return _VERSION.sub(f'__version__ = "{version}"', text)


def released(changelog: str, version: str, *, day: str) -> str:
    """The changelog, in which what was unreleased is a version's.

    Raises:
        Refused: nothing is unreleased, or the version is there.
    """
    if f"## [{version}]" in changelog:
        raise Refused(f"the changelog tells of {version} already")
    before, found, after = changelog.partition(_UNRELEASED)
    if not found or not after.partition("\n## [")[0].strip():
        raise Refused("the changelog tells of nothing that is unreleased")
    return f"{before}{_UNRELEASED}\n## [{version}] - {day}\n{after}"


def lacking(dist: Path, version: str) -> list[str]:
    """What the wheel and the sources of a version lack."""
    wheel = dist / f"audiosearch-{version}-py3-none-any.whl"
    sources = dist / f"audiosearch-{version}.tar.gz"
    beside = (dist / f"audiosearch-{version}.cdx.json", dist / f"audiosearch-{version}.licences.md")
    gone = [each.name for each in (wheel, sources, *beside) if not each.exists()]
    if gone:
        return gone
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        gone += [f"{wheel.name}: {name}" for name in _IN_WHEEL if name not in names]
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        if f"\nVersion: {version}\n" not in archive.read(metadata).decode():
            gone.append(f"{wheel.name}: its version")
    with tarfile.open(sources) as tar:
        names = set(tar.getnames())
        top = f"audiosearch-{version}"
        gone += [f"{sources.name}: {name}" for name in _IN_SOURCES if f"{top}/{name}" not in names]
    return gone


def begin(version: str) -> None:
    """Write version and changelog.

    Raises:
        Refused: something speaks against it; nothing is written then.
    """
    numbers(version)
    git = ["git", "-C", str(PROJECT), "status", "--porcelain"]
    changed = subprocess.run(git, check=True, capture_output=True, text=True).stdout
    if changed:
        raise Refused(f"commit or put away first:\n{changed}")
    day = datetime.now(UTC).date().isoformat()
    home = with_version(HOME.read_text("utf-8"), version)
    changelog = released(CHANGELOG.read_text("utf-8"), version, day=day)
    HOME.write_text(home, "utf-8")
    CHANGELOG.write_text(changelog, "utf-8")


def look(version: str) -> None:
    """See that dist/ holds the release, and say what is left to do.

    Raises:
        Refused: something is missing.
    """
    gone = lacking(PROJECT / "dist", version)
    if gone:
        raise Refused("dist/ lacks " + ", ".join(gone))
    print(f"dist/ holds {version}. Read `git diff`, then:")
    print(
        f'  git commit -am "Release {version}" && git tag -s v{version} && git push --follow-tags'
    )


def main(arguments: list[str]) -> None:
    """One of the two ends."""
    if len(arguments) != 2 or arguments[0] not in ("begin", "look"):
        sys.exit(__doc__)
    try:
        (begin if arguments[0] == "begin" else look)(arguments[1])
    except Refused as refused:
        sys.exit(f"no release: {refused}")


if __name__ == "__main__":
    main(sys.argv[1:])
