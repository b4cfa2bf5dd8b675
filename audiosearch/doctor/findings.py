"""What an examination of an installation finds: one thing that was looked at, and how it is.

The words of `check` and `level` are a contract with scripts that read `audiosearch doctor --json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but not as well as it could, or not for long
    ERROR = "error"  # something does not work


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str  # what was looked at: data-folder, database, disk-space ...
    detail: str
    level: Level = Level.OK
    remedy: str | None = None

    def row(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "check": self.check,
            "level": str(self.level),
            "detail": self.detail,
            "remedy": self.remedy,
        }


def warning(check: str, detail: str, remedy: str) -> Finding:
    """Something to be known, with what to do about it."""
    return Finding(check, detail, Level.WARNING, remedy)


def error(check: str, detail: str, remedy: str) -> Finding:
    """Something that does not work, with what to do about it."""
    return Finding(check, detail, Level.ERROR, remedy)
