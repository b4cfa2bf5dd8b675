"""What service managers are told, and how the daemon speaks to them."""

from __future__ import annotations

import plistlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from audiosearch.cli.service_unit import (
    ServiceSettings,
    launchd_agent,
    start_commands,
    stop_commands,
    systemd_path,
    systemd_unit,
)
from audiosearch.cli.watch import Notifier
from audiosearch.watch.status import PassProgress, WatchActivity, WatchState

SETTINGS = ServiceSettings(
    program=(sys.executable, "-m", "audiosearch", "watch", "--config", "/a b/$x 50%.toml"),
    environment={"AUDIOSEARCH_MODEL_BUNDLE": 'my "own" model'},
    data_dir=Path("/home/u/my data"),
    database=Path("/home/u/my data/library 5%.sqlite3"),
    memory="4G",
)


def test_the_unit_says_what_it_must():
    lines = systemd_unit(SETTINGS).splitlines()
    assert "Type=notify" in lines
    assert "Nice=10" in lines
    assert "MemoryMax=4G" in lines
    assert "ProtectSystem=strict" in lines
    assert "ProtectHome=read-only" in lines
    assert 'ReadWritePaths="/home/u/my data"' in lines
    assert "TimeoutStopSec=15" in lines
    assert "UMask=0077" in lines
    assert "ConditionPathExists=/home/u/my data/library 5%%.sqlite3" in lines
    assert "WantedBy=default.target" in lines
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith('"watch" "--config" "/a b/$$x 50%%.toml"')
    assert 'Environment="AUDIOSEARCH_MODEL_BUNDLE=my \\"own\\" model"' in lines
    assert 'Environment="TMPDIR=/home/u/my data"' in lines


def test_the_sandbox_can_be_left_out():
    text = systemd_unit(ServiceSettings(**{**vars(SETTINGS), "sandbox": False}))
    assert "ProtectSystem" not in text
    assert "MemoryMax=4G" in text


def test_a_port_can_be_opened_only_for_the_page():
    assert "RestrictAddressFamilies=AF_UNIX" in systemd_unit(SETTINGS).splitlines()
    with_page = systemd_unit(ServiceSettings(**{**vars(SETTINGS), "page": True}))
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in with_page.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_understands_the_unit(tmp_path: Path):
    unit = tmp_path / "audiosearch.service"
    unit.write_text(systemd_unit(SETTINGS))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert "audiosearch.service" not in done.stderr  # it names the lines that it does not take


def test_the_agent_is_a_property_list_with_the_same():
    agent = plistlib.loads(launchd_agent(SETTINGS).encode())
    assert agent["ProgramArguments"] == list(SETTINGS.program)
    assert agent["EnvironmentVariables"] == SETTINGS.environment
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Nice"] == 10
    assert agent["Umask"] == 0o077


def test_units_stand_where_the_user_keeps_configuration(tmp_path: Path):
    path = systemd_path({"XDG_CONFIG_HOME": str(tmp_path)})
    assert path == tmp_path / "systemd" / "user" / "audiosearch.service"


def test_managers_are_called_by_their_own_commands():
    path = Path("/u/audiosearch.service")
    assert [each[:2] for each in start_commands(path, mac=False)] == [("systemctl", "--user")] * 3
    assert stop_commands(mac=False)[0][-1] == "audiosearch.service"
    assert start_commands(path, mac=True)[0][:2] == ("launchctl", "bootstrap")
    assert stop_commands(mac=True)[0][:2] == ("launchctl", "bootout")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_once_that_it_is_ready_and_what_it_does(tmp_path: Path, abstract: bool):
    if abstract and sys.platform != "linux":
        pytest.skip("abstract names are Linux's")
    address = f"@{tmp_path.name}-notify" if abstract else str(tmp_path / "notify")
    bound = "\0" + address[1:] if abstract else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(bound)
        manager.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": address})
        idle = WatchState(pid=1, since=0.0, activity=WatchActivity.IDLE)
        busy = WatchState(
            pid=1,
            since=0.0,
            activity=WatchActivity.SCANNING,
            progress=PassProgress(1, 4, 0, 3600.0, 9.0, 30.0),
        )
        stopping = WatchState(pid=1, since=0.0, activity=WatchActivity.STOPPING)
        for state in (idle, idle, busy, stopping):
            notifier.ready()
            notifier.status(state)
        said = [manager.recv(1000).decode() for _ in range(5)]
    assert said == [
        "READY=1",
        "STATUS=idle",
        "STATUS=1 of 4 files, 1.00 h of sound, 9 x real time, about 30 s left",
        "STOPPING=1",
        "STATUS=stopping",
    ]


def test_nobody_is_told_where_nobody_listens(tmp_path: Path):
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()
