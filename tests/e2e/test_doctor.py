"""`audiosearch doctor`: finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audiosearch.doctor import CHECKS
from tests.e2e.command import Answer, Command
from tests.e2e.test_bad_input import respecting_permissions

pytestmark = pytest.mark.slow


@pytest.fixture
def command(fresh: Command, sound_folder: Path) -> Command:
    """A library of three sounds."""
    assert fresh("index", sound_folder).status == 0
    return fresh


def amiss(answer: Answer) -> list[dict[str, Any]]:
    """The findings that are not ok, without those about this machine's disk."""
    for row in answer.rows:
        assert set(row) == {"check", "level", "detail", "remedy"}
        assert (row["level"] == "ok") or row["remedy"], row
        assert row["detail"]
    return [row for row in answer.rows if row["level"] != "ok" and row["check"] != "disk-space"]


def content(folder: Path) -> dict[str, str]:
    """What every file of a folder holds, but for SQLite's own scratch files."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_healthy_installation(command: Command) -> None:
    before = content(command.data_dir)
    answer = command("doctor", "--json")
    assert amiss(answer) == [], answer.text
    assert list(dict.fromkeys(row["check"] for row in answer.rows)) == list(CHECKS)
    assert answer.status in (0, 1)  # 1: this machine's disk is nearly full
    assert content(command.data_dir) == before
    told = command("doctor")
    assert "a generated sound is decoded rightly" in told.text
    assert "3 indexed" in told.text


def test_without_a_library_none_is_made(fresh: Command) -> None:
    answer = fresh("doctor", "--json")
    assert [row["check"] for row in amiss(answer)] == ["database"]
    assert "audiosearch index" in amiss(answer)[0]["remedy"]
    assert answer.status == 1
    assert not fresh.data_dir.exists()


def test_a_later_schema_is_told_and_left_alone(command: Command) -> None:
    with closing(sqlite3.connect(command.data_dir / "library.sqlite3")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = content(command.data_dir)
    answer = command("doctor", "--json")
    assert answer.status == 2
    [finding] = amiss(answer)
    assert finding["check"] == "database"
    assert "9999" in finding["detail"]
    assert "upgrade" in finding["remedy"]
    assert content(command.data_dir) == before


def test_a_damaged_database_is_told_and_left_alone(command: Command) -> None:
    path = command.data_dir / "library.sqlite3"
    damaged = bytearray(path.read_bytes())
    for start in range(8192, len(damaged), 4096):
        damaged[start : start + 64] = b"\xa5" * 64
    path.write_bytes(damaged)
    answer = command("doctor", "--json")
    assert answer.status == 2
    assert amiss(answer)[0]["check"] == "database"
    assert "Traceback" not in answer.err
    assert path.read_bytes() == bytes(damaged)


def test_one_failure_does_not_hide_the_rest(
    command: Command, toy_bundle: Path, sound_folder: Path, tmp_path: Path
) -> None:
    """The bundle is tampered with, a file is no sound, and a drive is gone: all of it is told."""
    tampered = Path(shutil.copytree(toy_bundle, tmp_path / "tampered"))
    graph = tampered / "decoder.onnx"
    graph.write_bytes(graph.read_bytes() + b"x")
    (sound_folder / "notes.wav").write_bytes(b"no sound")
    command("index")
    sound_folder.rename(tmp_path / "away")
    answer = dataclasses.replace(command, bundle=str(tampered))("doctor", "--json")
    assert answer.status == 2
    levels = {(row["check"], row["level"]) for row in amiss(answer)}
    assert {("model", "error"), ("roots", "warning"), ("files", "warning")} <= levels
    assert answer.rows[-1]["check"] == "watching"
    quiet = dataclasses.replace(command, bundle=str(tampered))("doctor", "--quiet")
    assert " ok " not in quiet.text
    assert "audiosearch failed" in quiet.text


def test_rights_are_told(command: Command) -> None:
    command.data_dir.chmod(0o500)
    try:
        answer = respecting_permissions(command)("doctor", "--json")
    finally:
        command.data_dir.chmod(0o700)
    assert answer.status == 2
    assert "data-folder" in {row["check"] for row in amiss(answer)}
