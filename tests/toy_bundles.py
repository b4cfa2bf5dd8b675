"""Tiny bundles of the real form with random weights, kept in `tests/data/bundles`.

They are kept so that tests need no torch; `python -m tests.toy_bundles`, which does, makes them
anew. A test of the export compares what is kept with what would be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

KEPT = Path(__file__).parent / "data" / "bundles"
TOY = KEPT / "toy"
OTHER = KEPT / "other"
"""The same form as `TOY`, other weights."""
PLAIN = KEPT / "plain"
"""Without a space shared by text and sound."""
MEANING = KEPT / "meaning"
"""With a tower that reads pieces of words, and bridges that lead to known words."""
JOINT = KEPT / "joint"
"""A space shared by text and sound, and no captioner."""

SETTINGS: Mapping[Path, Mapping[str, Any]] = MappingProxyType(
    {TOY: {"seed": 0}, OTHER: {"seed": 1}, PLAIN: {"joint": False}, MEANING: {"meaning": True}}
)
"""What `write_toy_bundle` is given for each."""


def write_toy_bundles(folder: Path) -> None:
    """Write all of them into `folder`."""
    from audiosearch.training.export.toy import (  # noqa: PLC0415 - imports torch
        write_toy_bundle,
        write_toy_joint,
    )

    for kept, settings in SETTINGS.items():
        write_toy_bundle(folder / kept.name, **settings)
    write_toy_joint(folder / JOINT.name)


if __name__ == "__main__":
    write_toy_bundles(KEPT)
