"""One setting changed; the rest of the file stays."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from audiosearch.cli.settings_file import change_setting, with_setting
from audiosearch.config import example_config, load_config
from audiosearch.errors import ConfigError


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[model]\nbundle = "new"\n'),
        ("[model]\nbundle = 'old'  # mine\n", '[model]\nbundle = "new"  # mine\n'),
        (
            '# top\n[index]\nhop = 1.0\n[model] # which\nbundle="old"\nthreads = 2\n',
            '# top\n[index]\nhop = 1.0\n[model] # which\nbundle="new"\nthreads = 2\n',
        ),
        ("[model]\nthreads = 2\n[search]\n", '[model]\nthreads = 2\nbundle = "new"\n[search]\n'),
        ("[index]\nhop = 1.0", '[index]\nhop = 1.0\n[model]\nbundle = "new"\n'),
        ("[model]", '[model]\nbundle = "new"\n'),
        ('[model]\n# bundle = "other"\n', '[model]\n# bundle = "other"\nbundle = "new"\n'),
        ('[model]\r\nbundle = "x" # c\r\n', '[model]\r\nbundle = "new" # c\r\n'),
        ('model = {bundle = "old"} # c\n', 'model = {bundle = "new"} # c\n'),
        ('model.bundle = "old"\n', 'model.bundle = "new"\n'),
        ('[model]\nbundle = """\nold"""\n', '[model]\nbundle = "new"\n'),
    ],
)
def test_only_that_line_changes(before: str, after: str) -> None:
    assert with_setting(before, section="model", key="bundle", value="new") == after


def test_every_comment_of_the_example_stays() -> None:
    before = example_config()
    after = with_setting(before, section="model", key="bundle", value='odd "name" \\ é')
    assert tomllib.loads(after)["model"]["bundle"] == 'odd "name" \\ é'
    assert len(after.splitlines()) == len(before.splitlines())
    assert [line.partition("#")[2] for line in after.splitlines()] == [
        line.partition("#")[2] for line in before.splitlines()
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [("model = 3\n", "no table"), ("[[model]]\na = 1\n", "no table"), ("[model\n", "line 1")],
)
def test_what_cannot_be_changed_is_refused_and_kept(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=f"cannot be changed: .*{why}"):
        change_setting(file, section="model", key="bundle", value="new")
    assert file.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    file = tmp_path / "real.toml"
    file.write_text("", "utf-8")
    file.chmod(0o666)  # beyond the mask
    link = tmp_path / "config.toml"
    link.symlink_to(file)
    change_setting(link, section="model", key="bundle", value="new")
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o666
    assert load_config(file, environ={}).model.bundle == "new"
    change_setting(tmp_path / "own.toml", section="model", key="bundle", value="new")
    assert (tmp_path / "own.toml").stat().st_mode & 0o777 == 0o600


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    change_setting(file, section="model", key="bundle", value="conette")
    assert load_config(file, environ={}).model.bundle == "conette"
