"""Where half-done work lies, so that an evaluation can be stopped and go on.

One folder a piece of work, named by a hash of all that its result depends on: another model, other
sounds or other captions are another folder, and nothing stale is ever taken up. Anything in here
can be deleted at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from audiosearch._files import atomic_write, make_private_folder
from audiosearch._typing import AnyArray
from audiosearch.errors import AudiosearchError


@dataclass(frozen=True)
class WorkFolder:
    """A folder for intermediate results."""

    path: Path

    def part(self, kind: str, *keys: str) -> Path:
        """The folder of the piece of work `kind` that depends on `keys`, made if need be.

        Raises:
            AudiosearchError: it cannot be made.
        """
        digest = hashlib.sha256("\0".join(keys).encode("utf-8", "surrogateescape")).hexdigest()
        folder = self.path / f"{kind}-{digest[:16]}"
        try:
            make_private_folder(folder)
        except OSError as error:
            reason = f"cannot be made: {error.strerror}"
            raise AudiosearchError(reason, path=folder, remedy="choose another --work") from error
        return folder


def save_arrays(path: Path, names: Iterable[str], arrays: Iterable[AnyArray]) -> None:
    """Write arrays so that the file is either whole or not there."""
    with atomic_write(path) as out:
        np.savez(out, **dict(zip(names, arrays, strict=True)))  # type: ignore[arg-type]


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
