"""Which bundles there are, by name, path or memory, and where a new one goes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audiosearch._files import PRIVATE_FILE, atomic_write, make_private_folder, read_bounded
from audiosearch._wording import did_you_mean
from audiosearch.errors import BundleError
from audiosearch.model.bundle_files import MANIFEST

KNOWN = "known.json"  # in the folder of the user's bundles
PULLED: Final = (  # by `models pull`; said here for whoever has one no more, or not yet
    *("conette", "clap", "clap-fused", "clap-general", "msclap", "cnn14"),
    *("convnext-471", "convnext-465-70k", "convnext-465-75k"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def list_bundles(*, search: Sequence[Path], others: Sequence[Path] = ()) -> list[Path]:
    """The bundles in the folders `search`, then those in `others`; the first of a name counts."""
    found: dict[str, Path] = {}
    for folder in search:
        if folder.is_dir():
            for entry in sorted(folder.iterdir()):
                if (entry / MANIFEST).is_file():
                    found.setdefault(entry.name, entry)
    for entry in others:
        found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]


def find_bundle(name_or_path: str, *, search: Sequence[Path], others: Sequence[Path] = ()) -> Path:
    """The folder of a bundle given by its name in the `search` folders or `others`, or by its path.

    A text with a path separator is a path, any other a name.

    Raises:
        BundleError: there is no such bundle.
    """
    given = Path(name_or_path).expanduser()
    # The text itself is asked, since Path("./name") forgets what it began with.
    if any(sign in name_or_path for sign in "/\\") or name_or_path in ("~", ".", ".."):
        if (given / MANIFEST).is_file():
            return given
        raise BundleError(
            f"no model bundle: it holds no {MANIFEST}", path=given, remedy="audiosearch models list"
        )
    bundles = list_bundles(search=search, others=others)
    for bundle in bundles:
        if bundle.name == name_or_path:
            return bundle
    names = [bundle.name for bundle in bundles]
    known, meant = ", ".join(names) or "none", did_you_mean(name_or_path, names)
    raise BundleError(
        f"no model bundle is named {name_or_path!r}; there are: {known}{meant}",
        remedy=fetching(name_or_path) or "audiosearch models list",
    )


def fetching(name: str) -> str | None:
    """The command that fetches a published bundle; None where none has this name."""
    return f"audiosearch models pull {name} fetches it" if name in PULLED else None


def known_bundles(models: Path) -> list[Path]:
    """The remembered folders that hold a bundle, the last used first.

    A damaged list counts as empty: it is a convenience, and is written anew.
    """
    try:
        listed = json.loads(read_bounded(models / KNOWN, 1 << 20))
    except (OSError, ValueError, RecursionError):
        return []
    texts = listed if isinstance(listed, list) else []
    folders = [Path(text) for text in texts if isinstance(text, str)]
    return [folder for folder in folders if (folder / MANIFEST).is_file()]


def remember_bundle(folder: Path, *, models: Path) -> None:
    """Remember a bundle that stands elsewhere than in `models`; it is not copied.

    Raises:
        OSError: the list cannot be written.
    """
    place = folder.absolute()
    known = known_bundles(models)
    if place.parent == models.absolute() or known[:1] == [place]:
        return
    make_private_folder(models)
    content = [str(place), *(str(each) for each in known if each != place)]
    with atomic_write(models / KNOWN, shared=True, mode=PRIVATE_FILE) as file:
        file.write(f"{json.dumps(content, indent=1)}\n".encode())


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
