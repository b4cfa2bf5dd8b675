"""`make release` writes the right things, and refuses before it writes."""

from __future__ import annotations

import io
import re
import runpy
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
release = runpy.run_path(str(PROJECT / ".ci" / "release.py"))
Refused = release["Refused"]
MADE = "# Changelog\n\n## [Unreleased]\n\n### Added\n- A bell.\n\n## [0.1.0] - 2026-01-02\n- Old.\n"


def test_what_was_unreleased_becomes_the_versions():
    assert release["released"](MADE, "0.2.0", day="2026-12-01") == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n- A bell.\n"
        "\n## [0.1.0] - 2026-01-02\n- Old.\n"
    )


@pytest.mark.parametrize(
    "changelog",
    ["# Changelog\n", MADE.replace("\n### Added\n- A bell.\n", ""), MADE.replace("0.1.0", "0.2.0")],
)
def test_a_changelog_without_news_is_refused(changelog: str):
    with pytest.raises(Refused):
        release["released"](changelog, "0.2.0", day="2026-12-01")


@pytest.mark.parametrize("version", ["", "1", "0.1.0", "0.0.9", "v1.0.0", "1.0.0rc1", "01.0.0"])
def test_what_is_no_later_version_is_refused(version: str):
    with pytest.raises(Refused):
        release["with_version"]('__version__ = "0.1.0"\n', version)


def test_the_version_is_written_where_it_is_read():
    text = (PROJECT / "audiosearch" / "__init__.py").read_text()
    changed = release["with_version"](text, "99.0.0")
    assert changed.count('__version__ = "99.0.0"') == 1
    assert len(changed.splitlines()) == len(text.splitlines())
    told = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    # Just after a release nothing is unreleased.
    told = told.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Added\n- A bell.\n", 1)
    release["released"](told, "99.0.0", day="2026-12-01")


def test_a_release_that_lacks_something_is_noticed(tmp_path: Path):
    assert len(release["lacking"](tmp_path, "1.0.0")) == 4
    (tmp_path / "audiosearch-1.0.0.cdx.json").write_text("{}")
    (tmp_path / "audiosearch-1.0.0.licences.md").write_text("")
    with zipfile.ZipFile(tmp_path / "audiosearch-1.0.0-py3-none-any.whl", "w") as wheel:
        for name in release["_IN_WHEEL"][1:]:
            wheel.writestr(name, "")
        wheel.writestr(
            "audiosearch-1.0.0.dist-info/METADATA", "Name: audiosearch\nVersion: 0.9.0\n"
        )
    with tarfile.open(tmp_path / "audiosearch-1.0.0.tar.gz", "w:gz") as sources:
        for name in release["_IN_SOURCES"][1:]:
            sources.addfile(tarfile.TarInfo(f"audiosearch-1.0.0/{name}"), io.BytesIO())
    assert release["lacking"](tmp_path, "1.0.0") == [
        "audiosearch-1.0.0-py3-none-any.whl: audiosearch/py.typed",
        "audiosearch-1.0.0-py3-none-any.whl: its version",
        "audiosearch-1.0.0.tar.gz: pyproject.toml",
    ]


def test_the_workflow_and_the_page_use_targets_that_there_are():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for page in (".github/workflows/ci.yml", "CONTRIBUTING.md", "README.md"):
        text = (PROJECT / page).read_text("utf-8")
        used = set(re.findall(r"(?:^ +|`|run: )make ([a-z-]+)", text, re.MULTILINE))
        assert used, page
        assert used <= targets, page


def test_the_page_names_files_that_there_are():
    text = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|[^|]+\| ([^|]*)\|$", text, re.MULTILINE)
    assert len(rows) > 8
    for folders, files in rows:
        named = re.findall(r"`([^`]+)`", folders)
        for name in named:
            assert (PROJECT / "audiosearch" / name).exists(), name
        for name in re.findall(r"`([^`]+\.py)`", files):
            assert (PROJECT / "audiosearch" / named[0] / name).exists(), name
    for name in re.findall(r"`((?:cli|search|indexing)/\w+\.py)`", text):
        assert (PROJECT / "audiosearch" / name).exists(), name
