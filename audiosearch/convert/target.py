"""Where a new bundle goes, and which names it may have."""

from __future__ import annotations

import re
from pathlib import Path

from audiosearch.errors import BundleError
from audiosearch.model.bundle import MANIFEST

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def target_folder(name: str, *, folder: Path, replace: bool) -> Path:
    """The folder of a new bundle in `folder`.

    Raises:
        BundleError: the name is unfit, or taken and not to be replaced.
    """
    target = folder / name
    if not _NAME.fullmatch(name):
        raise BundleError(f"{name!r} is no name for a bundle", remedy="use letters, digits, . _ -")
    if (target / MANIFEST).exists() and not replace:
        raise BundleError("is there already", path=target, remedy="--force writes over it")
    return target
