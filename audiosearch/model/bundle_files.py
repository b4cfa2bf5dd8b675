"""The files that a bundle's manifest lists, each checked before anything of it is used.

Data only, nothing that runs: nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from audiosearch._resources import bundled_models_path, model_hashes_path
from audiosearch.errors import BundleError
from audiosearch.model import onnx_check
from audiosearch.model.manifest import REMEDY, ManifestReader

MANIFEST = "bundle.json"
_SUFFIXES = frozenset({".onnx", ".json", ".txt", ".md"})  # data only: nothing that runs


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """A file of the bundle, as the manifest lists it."""

    path: Path
    sha256: str
    size: int  # bytes

    def read(self) -> bytes:
        """The content, checked against its hash at this very reading.

        Raises:
            BundleError: it cannot be read, or is not what the manifest lists.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            raise BundleError(reason, path=self.path, remedy=REMEDY) from error
        if len(content) != self.size or hashlib.sha256(content).hexdigest() != self.sha256:
            reason = f"is not the file that {MANIFEST} lists: its size or SHA-256 differs"
            raise BundleError(reason, path=self.path, remedy=REMEDY)
        return content


def listed_files(manifest: ManifestReader) -> dict[str, BundleFile]:
    """The files that the manifest lists, by name, in the order of their names.

    Raises:
        BundleError: one is missing, lies outside the folder, or may not be part of a bundle.
    """
    folder = manifest.path.parent
    entries = sorted(manifest.table("files").tables(), key=lambda item: item[0])
    return {name: _listed_file(folder, name, entry) for name, entry in entries}


def files_apart(manifest: ManifestReader, names: Iterable[str]) -> dict[str, BundleFile]:
    """Those of the graphs `names` that are there, listed apart from the other files.

    They are no part of the fingerprint: what was heard by a bundle stays what it is with them.

    Raises:
        BundleError: as for `listed_files`.
    """
    entries = {name: manifest.table(name) for name in names if manifest.has(name)}
    folder = manifest.path.parent
    return {name: _listed_file(folder, each.text("file"), each) for name, each in entries.items()}


def _listed_file(folder: Path, name: str, entry: ManifestReader) -> BundleFile:
    """The file that the manifest lists as `name`, once it is known to stand in the folder."""

    def refused(reason: str) -> BundleError:
        return BundleError(f"{name!r} {reason}", path=folder / MANIFEST, remedy=REMEDY)

    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts):
        raise refused("is listed, which lies outside the bundle")
    if not posix.parts or "\\" in name or "\0" in name or name == MANIFEST:
        raise refused("is listed, which is no file name")
    if posix.suffix.lower() not in _SUFFIXES:
        raise refused(f"is listed; only {', '.join(sorted(_SUFFIXES))} files belong in a bundle")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise refused("is a link that leads out of the bundle")
    if not path.is_file():
        raise BundleError("is missing from the bundle", path=path, remedy=REMEDY)
    sha256 = entry.text("sha256").lower()
    return BundleFile(path=path, sha256=sha256, size=entry.integer("bytes", most=2**40))


def check_bundled(path: Path, content: bytes) -> None:
    """See that a file of a bundle that came along is the one that the wheel was built with.

    What a manifest lists is checked against it; this is what the manifest is checked against. A
    bundle from elsewhere, and any in a checkout, passes.

    Raises:
        BundleError: it is not.
    """
    listed_in, folder = model_hashes_path(), bundled_models_path()
    # A link in the folder that leads out of it names what came along, too.
    places = ((path.absolute(), folder.absolute()), (path.resolve(), folder.resolve()))
    inside = [place.relative_to(top) for place, top in places if place.is_relative_to(top)]
    if listed_in is None or not inside:
        return
    try:
        hashes = json.loads(listed_in.read_bytes())
        expected = hashes[inside[0].as_posix()]
    except (OSError, ValueError, KeyError, TypeError):
        expected = None
    if hashlib.sha256(content).hexdigest() != expected:
        raise BundleError(
            "is not the file that this version of audiosearch came with",
            path=path,
            remedy="install audiosearch anew: pip install --force-reinstall audiosearch",
        )


def check_graph(path: Path, content: bytes) -> None:
    """See that a graph needs nothing but itself.

    Raises:
        BundleError: it is no ONNX model, or holds what may not be in one.
    """
    try:
        found = onnx_check.complaints(content)
    except onnx_check.NotOnnx as error:
        raise BundleError(f"no ONNX model: {error}", path=path, remedy=REMEDY) from error
    if found:
        reason = f"refused, since it holds {found[0]}; a bundle needs nothing from outside"
        raise BundleError(reason, path=path, remedy=REMEDY)


def fingerprint(files: Mapping[str, BundleFile]) -> str:
    """What tells model versions apart: SHA-256 over the names and hashes of all files."""
    lines = [f"{name}\0{file.sha256}\n" for name, file in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
