"""Bundles that stand elsewhere: folders given by path, remembered so as to be found again.

In: the folder of the user's bundles, where the list is kept (`known.json`). Out: folders that still
hold a bundle. A bundle is only remembered, never copied: what was moved away is forgotten.
"""

from __future__ import annotations

import json
from pathlib import Path

from audiosearch._files import atomic_write
from audiosearch.model.bundle import MANIFEST

KNOWN = "known.json"


def known_bundles(models: Path) -> list[Path]:
    """The remembered folders that hold a bundle, the last used first.

    A damaged list counts as empty: it is a convenience, and is written anew.
    """
    try:
        listed = json.loads((models / KNOWN).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    texts = listed if isinstance(listed, list) else []
    folders = [Path(text) for text in texts if isinstance(text, str)]
    return [folder for folder in folders if (folder / MANIFEST).is_file()]


def remember_bundle(folder: Path, *, models: Path) -> None:
    """Remember a bundle that stands elsewhere than in `models`.

    Raises:
        OSError: the list cannot be written.
    """
    place = folder.absolute()
    known = known_bundles(models)
    if place.parent == models.absolute() or known[:1] == [place]:
        return
    models.mkdir(parents=True, exist_ok=True)
    content = [str(place), *(str(each) for each in known if each != place)]
    with atomic_write(models / KNOWN, shared=True) as file:
        file.write(f"{json.dumps(content, indent=1)}\n".encode())
