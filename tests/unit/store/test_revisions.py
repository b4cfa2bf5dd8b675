from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from audiosearch._resources import migrations_path
from audiosearch.errors import StoreError
from audiosearch.store.database import known_revisions


def test_revisions_come_from_names_in_order(tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    for name in ("0002_more.py", "0001_first.py", "__init__.py", "notes.txt", "0003_x.py.orig"):
        (versions / name).touch()
    assert known_revisions(tmp_path) == ["0001", "0002"]


def test_an_installation_without_migrations_is_broken(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        known_revisions(tmp_path)


def test_names_agree_with_what_alembic_reads() -> None:
    scripts = ScriptDirectory(str(migrations_path()))
    line = [script.revision for script in scripts.walk_revisions()]
    assert list(reversed(line)) == known_revisions(migrations_path())
    assert len(scripts.get_heads()) == 1
