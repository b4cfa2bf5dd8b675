"""Saving and loading what a stage needs to go on: atomically, and as tensors only.

In and out: nested dicts of tensors and plain numbers. A file is first written beside its place and
then renamed, so a killed run leaves the last whole one. It does not know what the tensors mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audiosearch._files import atomic_write
from audiosearch.errors import AudiosearchError

State = dict[str, Any]


@dataclass(frozen=True)
class TrainingProgress:
    """One report of a running stage."""

    stage: str
    step: int
    total: int
    text: str


Report = Callable[[TrainingProgress], None]


def save_state(state: State, path: Path) -> None:
    """Write a checkpoint; the old one stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        torch.save(state, file)


def load_state(path: Path) -> State:
    """Read a checkpoint; nothing but tensors and plain containers is accepted.

    Raises:
        AudiosearchError: There is none, or it holds anything else.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise AudiosearchError(
            "no such checkpoint", path=path, remedy="run the stage before this one first"
        ) from error
    except Exception as error:
        raise AudiosearchError(f"not a checkpoint of tensors: {error}", path=path) from error
    return state
