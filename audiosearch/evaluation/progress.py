"""What long evaluations tell the outside while they work."""

from __future__ import annotations

from typing import Protocol


class StageProgress(Protocol):
    """Called by every stage that may take long; the display is the command's business."""

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        """A stage begins: `total` steps, `done` of them by an earlier run."""
        ...

    def advance(self, n: int) -> None:
        """`n` more steps are done."""
        ...


class NoStageProgress:
    """Nobody watches."""

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        """Say nothing."""

    def advance(self, n: int) -> None:
        """Say nothing."""
