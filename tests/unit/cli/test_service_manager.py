"""The service's file and the service manager: an installation is whole or leaves no trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosearch.cli.service_manager import install_service, remove_service
from audiosearch.errors import AudiosearchError

UNIT = "audiosearch.service"

# Does with the files what systemctl does, and refuses what the file `refused` names.
SYSTEMCTL = """#!/bin/sh
echo "$2" >> {calls}
if grep -qx -- "$2" {refused} 2>/dev/null; then echo "$2: no bus" >&2; exit 1; fi
case "$2" in
enable) mkdir -p {units}/default.target.wants
        ln -s {units}/audiosearch.service {units}/default.target.wants/ ;;
disable) rm -f {units}/default.target.wants/audiosearch.service ;;
esac
"""


class Manager:
    """A systemctl of a test's own, first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.units = folder / "config" / "systemd" / "user"
        self.unit = self.units / UNIT
        self.link = self.units / "default.target.wants" / UNIT
        self.logs = folder / "data" / "logs"
        self._calls, self._refused = folder / "calls", folder / "refused"
        self.program = folder / "bin" / "systemctl"
        self.program.parent.mkdir()
        self.program.write_text(
            SYSTEMCTL.format(calls=self._calls, refused=self._refused, units=self.units)
        )
        self.program.chmod(0o755)

    def refuse(self, *commands: str) -> None:
        """From now on it refuses these."""
        self._refused.write_text("".join(f"{each}\n" for each in commands))

    @property
    def calls(self) -> list[str]:
        """What it was told, since this was asked last."""
        said = self._calls.read_text().split() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return said

    def install(self, text: str = "new", *, start: bool = True) -> None:
        install_service(self.unit, text, logs=self.logs, mac=False, start=start)

    def traces(self) -> list[Path]:
        """Whatever lies where the service is written, and the link by which it starts."""
        return [*self.units.parents[1].rglob("*"), *self.logs.parent.rglob("*")]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    manager = Manager(tmp_path)
    monkeypatch.setenv("PATH", f"{manager.program.parent}{os.pathsep}{os.environ['PATH']}")
    return manager


@pytest.mark.parametrize("refused", ["daemon-reload", "enable", "restart"])
def test_an_installation_that_fails_leaves_nothing_behind(manager: Manager, refused: str):
    manager.refuse(refused)
    with pytest.raises(AudiosearchError, match=f"{refused}: no bus"):
        manager.install()
    assert manager.traces() == []
    assert not manager.units.parents[1].exists()
    assert not manager.logs.parent.exists()
    assert manager.calls[-1] == "reset-failed"  # the manager has forgotten it, too


def test_nothing_is_left_where_the_manager_refuses_to_undo_it(manager: Manager):
    manager.refuse("restart", "stop", "disable")
    with pytest.raises(AudiosearchError, match="restart: no bus"):
        manager.install()
    assert manager.traces() == []


def test_without_a_manager_nothing_is_left(manager: Manager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudiosearchError, match="there is no systemctl on this system") as caught:
        manager.install()
    assert caught.value.remedy is not None
    assert "--no-start" in caught.value.remedy
    assert manager.traces() == []
    manager.install(start=False)
    assert manager.unit.read_text() == "new"


def test_a_file_that_cannot_be_written_leaves_nothing(manager: Manager):
    manager.units.parent.mkdir(parents=True)
    manager.units.write_text("a file where the folder should be")
    with pytest.raises(AudiosearchError):
        manager.install()
    assert manager.traces() == [manager.units.parent, manager.units]
    assert manager.units.read_text() == "a file where the folder should be"


def test_folders_that_were_there_stay(manager: Manager):
    manager.units.mkdir(parents=True)
    (manager.units / "other.service").write_text("another's")
    manager.refuse("restart")
    with pytest.raises(AudiosearchError):
        manager.install()
    assert [each.name for each in manager.units.iterdir()] == ["other.service"]


@pytest.mark.parametrize("ran", [True, False])
def test_what_was_installed_before_comes_back(manager: Manager, ran: bool):
    manager.install("old", start=False)
    manager.refuse("restart", *([] if ran else ["is-active"]))
    with pytest.raises(AudiosearchError, match="restart: no bus"):
        manager.install("new")
    assert manager.unit.read_text() == "old"
    calls = manager.calls
    assert calls[:4] == ["is-active", "daemon-reload", "enable", "restart"]
    assert calls[4:] == (
        ["daemon-reload", "enable", "restart"] if ran else ["daemon-reload", "reset-failed"]
    )


def test_what_is_gone_is_removed_without_complaint(manager: Manager):
    remove_service(manager.unit, mac=False)  # never there
    manager.install()
    manager.unit.unlink()
    assert manager.link.is_symlink()
    manager.refuse("disable")  # as systemctl does where the file is gone
    remove_service(manager.unit, mac=False)
    assert not manager.link.is_symlink()
    assert "stop" in manager.calls  # it may run still


def test_a_service_is_removed_without_its_manager(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
):
    manager.install()
    monkeypatch.setenv("PATH", "")
    refused = remove_service(manager.unit, mac=False)
    assert refused is not None
    assert not manager.unit.exists()
    assert not manager.link.is_symlink()
