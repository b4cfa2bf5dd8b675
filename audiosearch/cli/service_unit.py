"""What a service manager is told of the daemon: a systemd user unit, or a launchd agent.

In: `ServiceSettings`. Out: the text of a file, and where it belongs. Pure but for the user's home;
nothing is written or started here.
"""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNIT: Final = "audiosearch.service"
LABEL: Final = "org.audiosearch.watch"

_STOP_S: Final = 15  # the daemon drains within ten


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """How the daemon is to run."""

    program: tuple[str, ...]  # the command line
    environment: Mapping[str, str]
    data_dir: Path  # the only folder that it may write to
    database: Path  # without which there is nothing to keep
    memory: str = "50%"  # most that it and its decoders may take, in systemd's words
    sandbox: bool = True
    page: bool = False  # whether it gives the page, for which it has to open a port


def systemd_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a user's units are."""
    config = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd" / "user" / UNIT


def launchd_path() -> Path:
    """Where a user's agents are."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def systemd_unit(settings: ServiceSettings) -> str:
    """The unit: low priority, a cap on memory, and a system that it can only read.

    In a user's own manager `ProtectSystem` needs user namespaces (systemd.exec(5)); where those are
    switched off, `sandbox=False` leaves it out.
    """
    data_dir = str(settings.data_dir)
    # SQLite and Python put temporary files there; all else is closed to writing.
    environment = {**settings.environment, "TMPDIR": data_dir}
    lines = [
        "# Written by `audiosearch service install`.",
        "[Unit]",
        "Description=audiosearch, a searchable library of sounds",
        "StartLimitIntervalSec=600",
        "StartLimitBurst=5",
        # Where a library is gone, as its drive may be, none is to be made in its place.
        *_condition(settings.database),
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={' '.join(_word(each) for each in settings.program)}",
        *(f"Environment={_setting(name, value)}" for name, value in sorted(environment.items())),
        "Restart=on-failure",
        "RestartSec=30",
        "TimeoutStartSec=600",
        f"TimeoutStopSec={_STOP_S}",
        "KillMode=mixed",
        "Nice=10",
        "IOSchedulingClass=idle",
        f"MemoryMax={settings.memory}",
        "NoNewPrivileges=yes",
        "UMask=0077",
        "RestrictAddressFamilies=AF_UNIX" + (" AF_INET AF_INET6" if settings.page else ""),
    ]
    if settings.sandbox:
        lines += [
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            f"ReadWritePaths={_quoted(data_dir)}",
        ]
    lines += ["", "[Install]", "WantedBy=default.target", ""]
    return "\n".join(lines)


def _condition(path: Path) -> list[str]:
    """What has systemd start nothing where a file is not; a path takes no quotes there."""
    text = str(path)
    if "\n" in text or text != text.strip():
        return []
    return [f"ConditionPathExists={text.replace('%', '%%')}"]


def _quoted(text: str) -> str:
    """A word for systemd: in quotes, with nothing in it that means something."""
    for character, meant in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\n", "\\n")):
        text = text.replace(character, meant)
    return f'"{text}"'


def _word(text: str) -> str:
    """A word of a command line, where variables are replaced as well."""
    return _quoted(text.replace("$", "$$"))


def _setting(name: str, value: str) -> str:
    return _quoted(f"{name}={value}")


def launchd_agent(settings: ServiceSettings) -> str:
    """The agent; launchd knows no cap on memory and no read-only system."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(settings.program),
            "EnvironmentVariables": dict(settings.environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "ExitTimeOut": _STOP_S,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "Nice": 10,
            "Umask": 0o077,
            "StandardErrorPath": str(settings.data_dir / "logs" / "launchd.log"),
        }
    ).decode()


def start_commands(path: Path, *, mac: bool) -> Sequence[tuple[str, ...]]:
    """What makes a service known and starts it, now and at each login."""
    if mac:
        return [("launchctl", "bootstrap", f"gui/{os.getuid()}", str(path))]
    systemctl = ("systemctl", "--user")
    return [
        (*systemctl, "daemon-reload"),
        (*systemctl, "enable", UNIT),
        (*systemctl, "restart", UNIT),
    ]


def stop_commands(*, mac: bool) -> Sequence[tuple[str, ...]]:
    """What ends a service, now and for good; its file is removed afterwards.

    Two commands, since `disable --now` stops nothing where the unit's file is gone already.
    """
    if mac:
        return [("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")]
    systemctl = ("systemctl", "--user")
    return [(*systemctl, "stop", UNIT), (*systemctl, "disable", UNIT)]


def forget_commands(*, mac: bool) -> Sequence[tuple[str, ...]]:
    """What makes a manager forget a service whose file is removed, and that it failed."""
    if mac:
        return []
    systemctl = ("systemctl", "--user")
    return [(*systemctl, "daemon-reload"), (*systemctl, "reset-failed", UNIT)]


def is_active_command(*, mac: bool) -> tuple[str, ...]:
    """What succeeds where the service runs."""
    if mac:
        return ("launchctl", "print", f"gui/{os.getuid()}/{LABEL}")
    return ("systemctl", "--user", "is-active", "--quiet", UNIT)


def login_link(path: Path) -> Path:
    """The link by which systemd starts an enabled unit at login; launchd has none such."""
    return path.parent / "default.target.wants" / UNIT
