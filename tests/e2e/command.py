"""Runs the real command in a child process, with a library and settings of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command said and how it left."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Stdout as text."""
        return self.out.decode()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.text.splitlines()]


@dataclass(frozen=True)
class Command:
    """`audiosearch` with a data folder, no settings file, and a given model (or none)."""

    data_dir: Path
    bundle: str
    environ: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m", "audiosearch")

    def environment(self) -> dict[str, str]:
        """The environment that the command sees: nothing of the user's own settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIOSEARCH_")}
        return {
            **kept,
            "AUDIOSEARCH_DATA_DIR": str(self.data_dir),
            **({"AUDIOSEARCH_MODEL_BUNDLE": self.bundle} if self.bundle else {}),
            "AUDIOSEARCH_MODEL_DEVICE": "cpu",
            "XDG_CONFIG_HOME": str(self.data_dir / "no-config"),
            **self.environ,
        }

    def __call__(
        self, *arguments: str | Path | bytes, cwd: Path | None = None, given: bytes = b""
    ) -> Answer:
        """Run it to its end, with what it is `given` on stdin."""
        done = subprocess.run(  # noqa: PLW1510  # the status is what tests look at
            [*self.program, *arguments],
            capture_output=True,
            cwd=cwd,
            env=self.environment(),
            input=given,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout, done.stderr.decode())
