"""A bundle that refers to others: its manifest names them, each with its fingerprint.

Nothing of them is copied. A part that is not there any more, or is another version, is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

from audiosearch._files import atomic_write
from audiosearch._resources import bundled_models_path
from audiosearch.errors import BundleError
from audiosearch.model.beam import BeamOptions
from audiosearch.model.bundle import (
    COMBINED,
    MANIFEST,
    NO_WORDS,
    Bundle,
    BundlePart,
    load_bundle,
    read_score,
)
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.manifest import ManifestReader
from audiosearch.model.registry import fetching

MOST_PARTS = 32
_AGAIN = "audiosearch models combine ... --force"


@dataclass(frozen=True, kw_only=True)
class PartEntry:
    """A part as the manifest lists it."""

    name: str
    path: str  # from the folder of the manifest, or absolute
    fingerprint: str
    joint: float
    captions: float


def write_combined(
    path: Path,
    parts: Sequence[BundlePart],
    *,
    score: ScoreCalibration,
    version: str = "1",
    description: str,
) -> Path:
    """Write a bundle that refers to `parts` into folder `path`, and return it.

    Raises:
        BundleError: the parts do not go together, or it cannot be written.
    """
    check_parts(path, parts)
    combined(path, parts, name=path.name, version=version, description=description, score=score)
    manifest = {
        "format": COMBINED,
        "name": path.name,
        "version": version,
        "description": description,
        "parts": [asdict(_entry(part, path)) for part in parts],
        "score": asdict(score),
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        for graph in path.glob("*.onnx"):  # of an older bundle that this one takes the place of
            graph.unlink()
        _write_manifest(path / MANIFEST, manifest)
    except OSError as error:
        raise BundleError(f"cannot be written: {error.strerror}", path=path) from error
    return path


def load_combined(manifest: ManifestReader) -> Bundle:
    """The bundle of a manifest, every file of its parts checked.

    Raises:
        BundleError: a part is missing, another one, or unfit.
    """
    entries = _entries(manifest)
    parts = []
    for entry in entries:
        bundle = load_bundle(_folder_of(entry, manifest))
        if bundle.fingerprint != entry.fingerprint:
            raise BundleError(
                f"refers to another version of {entry.name} than is there now",
                path=manifest.path,
                remedy=_AGAIN,
            )
        parts.append(BundlePart(bundle=bundle, joint=entry.joint, captions=entry.captions))
    return combined(
        manifest.path.parent,
        parts,
        name=manifest.text("name"),
        version=manifest.text("version"),
        description=manifest.optional_text("description") or "",
        score=read_score(manifest.table("score")),
    )


def combined_fingerprint(manifest: ManifestReader) -> str:
    """What the bundle of a manifest is told by; nothing of its parts is read.

    Raises:
        BundleError: the manifest is wrong.
    """
    return _fingerprint(_entries(manifest))


def combined(
    path: Path,
    parts: Sequence[BundlePart],
    *,
    name: str,
    version: str,
    description: str,
    score: ScoreCalibration,
) -> Bundle:
    """The bundle in folder `path` that its parts make up.

    Raises:
        BundleError: they do not go together.
    """
    _check(path, parts)
    joint = [part.bundle for part in parts if part.joint]
    captioners = [part.bundle for part in parts if part.captions]
    heard = joint or captioners
    lead = captioners[0] if captioners else joint[0]
    tagged = [part.bundle for part in parts if part.bundle.tags]
    frame_dim = sum(each.embedding_dim for each in heard)
    if captioners:
        flags = len(captioners) if len(captioners) > 1 else 0
        frame_dim = sum(each.frame_dim for each in captioners) + flags
    return Bundle(
        path=path,
        name=name,
        version=version,
        licence="; ".join(dict.fromkeys(part.bundle.licence for part in parts)),
        description=description,
        sample_rate=max(part.bundle.sample_rate for part in parts),
        window_s=lead.window_s,
        min_samples=1,  # each part pads what it is given
        max_samples=None,
        frame_dim=frame_dim,
        embedding_dim=sum(each.embedding_dim for each in heard),
        joint_dim=sum(each.joint_dim for each in joint),
        decoder=captioners[0].decoder if captioners else None,
        vocabulary=captioners[0].vocabulary if captioners else NO_WORDS,
        start_token=lead.start_token,
        pieces=joint[0].pieces if joint else None,
        beam=lead.beam if captioners else BeamOptions(),
        score=score,
        tags=tagged[0].tags if tagged else (),
        graphs=captioners[0].graphs if len(captioners) == 1 else MappingProxyType({}),
        fingerprint=_fingerprint([_entry(part, path) for part in parts]),
        parts=tuple(parts),
    )


def with_score(bundle: Bundle, score: ScoreCalibration) -> Bundle:
    """A bundle with another calibration, which is written into its manifest.

    What it hears stays the same, and so does its fingerprint.

    Raises:
        BundleError: it cannot be written.
    """
    file = bundle.path / MANIFEST
    try:
        manifest = json.loads(file.read_bytes()) | {"score": asdict(score)}
        _write_manifest(file, manifest)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be written: {error}", path=file) from error
    return replace(bundle, score=score)


def _write_manifest(path: Path, values: Mapping[str, object]) -> None:
    with atomic_write(path, shared=True) as file:
        file.write(f"{json.dumps(values, ensure_ascii=False, indent=1)}\n".encode())


def check_parts(path: Path, parts: Sequence[BundlePart]) -> None:
    """See that bundles go together in a new one at `path`.

    Raises:
        BundleError: they do not, and why.
    """
    _check(path, parts)
    seen: dict[str, str] = {}
    for part in parts:
        name, fingerprint = part.bundle.path.name, part.bundle.fingerprint
        if fingerprint in seen:  # older bundles may be so, and are read all the same
            same = seen[fingerprint]
            which = f"{name} twice" if name == same else f"{same} and {name}, which are the same,"
            raise BundleError(
                f"{which} would be what {same} is by itself",
                path=path,
                remedy="name different bundles; --weights tells what each counts",
            )
        seen[fingerprint] = name


def _check(path: Path, parts: Sequence[BundlePart]) -> None:
    def unfit(reason: str, remedy: str | None = None) -> BundleError:
        return BundleError(reason, path=path, remedy=remedy)

    if not 1 < len(parts) <= MOST_PARTS:
        raise unfit(f"{len(parts)} parts; a combined bundle has 2 to {MOST_PARTS}")
    for part in parts:
        bundle = part.bundle
        if bundle.parts:
            raise unfit(f"{bundle.path.name} is combined itself", "name its parts")
        if part.joint and not bundle.joint_dim:
            raise unfit(f"{bundle.path.name} has no space shared by text and sound")
        if part.captions and bundle.decoder is None:
            raise unfit(f"{bundle.path.name} has no captioner")
        if not (part.joint or part.captions):
            raise unfit(f"{bundle.path.name} counts for nothing")
    captioners = [part.bundle for part in parts if part.captions]
    for bundle in captioners[1:]:
        first = captioners[0]
        if bundle.vocabulary != first.vocabulary or bundle.start_token != first.start_token:
            raise unfit(
                f"{first.path.name} and {bundle.path.name} write in different words",
                "combine captioners of one vocabulary",
            )


def _entry(part: BundlePart, path: Path) -> PartEntry:
    folder = part.bundle.path.absolute()
    near = folder.parent == path.absolute().parent
    return PartEntry(
        name=folder.name,
        path=os.path.join("..", folder.name) if near else str(folder),  # noqa: PTH118 - a relative one
        fingerprint=part.bundle.fingerprint,
        joint=part.joint,
        captions=part.captions,
    )


def _entries(manifest: ManifestReader) -> list[PartEntry]:
    listed = manifest.values.get("parts")
    if not isinstance(listed, list) or not 1 < len(listed) <= MOST_PARTS:
        raise manifest.wrong("parts", f"a list of 2 to {MOST_PARTS} objects")
    tables = []
    for place, values in enumerate(listed):
        if not isinstance(values, dict):
            raise manifest.wrong("parts", "a list of objects")
        tables.append(ManifestReader(values, manifest.path, f"parts.{place}."))
    return [
        PartEntry(
            name=table.text("name"),
            path=table.text("path"),
            fingerprint=table.text("fingerprint"),
            joint=table.number("joint", least=0.0, most=1.0),
            captions=table.number("captions", least=0.0, most=1.0),
        )
        for table in tables
    ]


def _folder_of(entry: PartEntry, manifest: ManifestReader) -> Path:
    """Where a part stands: where it was, beside the manifest, or among those that came along."""
    folder = manifest.path.parent
    places = [folder / entry.path, folder.parent / entry.name, bundled_models_path() / entry.name]
    for place in places:
        if place.resolve() != folder.resolve() and (place / MANIFEST).is_file():
            return place
    raise BundleError(
        f"refers to the bundle {entry.name}, which is not there any more",
        path=manifest.path,
        remedy=fetching(entry.name) or _AGAIN,
    )


def _fingerprint(entries: Sequence[PartEntry]) -> str:
    """Of what decides what is heard: which parts, in which order, and what they count."""
    lines = [f"{each.fingerprint}\0{each.joint!r}\0{each.captions!r}\n" for each in entries]
    return hashlib.sha256("".join(["combined\n", *lines]).encode()).hexdigest()
