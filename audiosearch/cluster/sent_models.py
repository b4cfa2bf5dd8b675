"""Models that a driver sends to machines which lack them: packed there, kept and checked here."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from audiosearch._files import make_private_folder
from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle


def sent_model_folder(fingerprint: str) -> Path:
    """Where a model that a driver sent is kept, for the next run; made when there is one."""
    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"audiosearch-models-{owner}" / fingerprint


def keep_sent_model(folder: Path, model_files: Mapping[str, bytes]) -> None:
    """Write a model's files, and give them the folder's name when they are whole.

    Raises:
        BundleError: the folder around is another user's; a file's name leads out of it.
    """
    above = folder.parent
    make_private_folder(above)
    if hasattr(os, "getuid"):
        facts = above.lstat()
        if facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o077:
            raise BundleError("is another user's, or open to others", path=above)
    with tempfile.TemporaryDirectory(dir=above) as place:
        whole = Path(place) / "model"
        for name, content in model_files.items():
            target = whole / name
            if not target.resolve().is_relative_to(whole.resolve()):
                raise BundleError(f"a file of it is called {name}", path=folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        shutil.rmtree(folder, ignore_errors=True)  # what is there was not the model wanted
        with contextlib.suppress(OSError):  # another worker was first
            whole.rename(folder)


def model_files(bundle: Bundle) -> dict[str, bytes]:
    """The files of a model by their names in its folder, for workers that lack them.

    Raises:
        BundleError: it is combined of others, which stand elsewhere.
        OSError: one cannot be read.
    """
    if bundle.parts:
        raise BundleError(
            "is combined of other models, and cannot be sent",
            path=bundle.path,
            remedy="put it and its parts at the same paths on every machine",
        )
    return {
        file.relative_to(bundle.path).as_posix(): file.read_bytes()
        for file in sorted(bundle.path.rglob("*"))
        if file.is_file()
    }
