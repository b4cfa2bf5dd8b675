"""The manifest of recordings, who is held out, and one decoded cache of all the sound.

A group (one original recording, or one reader) is always in one split.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

from audiosearch._typing import Floats, Ints
from audiosearch.errors import AudiosearchError
from audiosearch.training.synth.made_sounds import MAKERS, make_sound

SYNTHETIC_SOURCE = "synthetic"
SYNTHETIC_SECONDS = 5.0


class Split(StrEnum):
    """What a clip may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"  # held out; calibrates the score
    TEST = "test"  # held out; reported
    BREADTH = "breadth"  # held out; the breadth benchmark's alone


@dataclass(frozen=True)
class ManifestClip:
    """One row of the manifest, or one made sound."""

    path: str
    label: str
    source: str
    group: str
    fold: str
    licence: str
    attribution: str
    split: Split
    folder: Path = Path()
    """What `path` is relative to: the folder of its manifest."""


@dataclass(frozen=True)
class SplitRule:
    """Which groups are held out: one fold, and a share of the groups that have no fold."""

    hold_out_fold: str
    share: float
    seed: int


def _unit_hash(text: str) -> float:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read_manifest(manifest: Path, *, rule: SplitRule) -> list[ManifestClip]:
    """All clips of a manifest with their splits.

    A group with any clip in the held-out fold is held out whole. A group without a fold is held
    out by a hash of its name and the seed, unless that would leave one of its labels with no
    group to train on. A third of the held-out groups is for validation, the rest for test.

    Raises:
        AudiosearchError: The manifest is missing or lacks a column.
    """
    try:
        with manifest.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        held = _held_out_groups(rows, rule)
        return [replace(_clip(row, held, rule), folder=manifest.parent) for row in rows]
    except OSError as error:
        raise AudiosearchError(f"cannot read the manifest: {error}", path=manifest) from error
    except KeyError as error:
        raise AudiosearchError(f"the manifest lacks the column {error}", path=manifest) from error


def _held_out_groups(rows: list[dict[str, str]], rule: SplitRule) -> set[str]:
    folds: dict[str, set[str]] = {}
    labels: dict[str, set[str]] = {}
    for row in rows:
        folds.setdefault(row["group"], set()).add(row["fold"])
        labels.setdefault(row["group"], set()).add(row["label"])
    held = {group for group, seen in folds.items() if rule.hold_out_fold in seen - {""}}
    remaining: dict[str, int] = {}
    for group in folds.keys() - held:
        for label in labels[group]:
            remaining[label] = remaining.get(label, 0) + 1
    chances = {group: _unit_hash(f"{rule.seed}/hold-out/{group}") for group in folds}
    for group in sorted(folds.keys() - held, key=lambda name: (chances[name], name)):
        if folds[group] != {""} or chances[group] >= rule.share:
            continue
        if all(remaining[label] > 1 for label in labels[group]):
            held.add(group)
            for label in labels[group]:
                remaining[label] -= 1
    return held


def _clip(row: dict[str, str], held: set[str], rule: SplitRule) -> ManifestClip:
    return ManifestClip(
        path=row["path"],
        label=row["label"],
        source=row["source"],
        group=row["group"],
        fold=row["fold"],
        licence=row["licence"],
        attribution=row["attribution"],
        split=_held_out_split(row["group"], rule) if row["group"] in held else Split.TRAIN,
    )


def synthetic_clips(*, per_label: int, rule: SplitRule) -> list[ManifestClip]:
    """Made sounds as clips; each is its own group, so some are held out like the rest."""
    return [
        _synthetic_clip(label, number, rule)
        for label in sorted(MAKERS)
        for number in range(per_label)
    ]


def _synthetic_clip(label: str, number: int, rule: SplitRule) -> ManifestClip:
    group = f"synthetic-{label}-{number}"
    held = _unit_hash(f"{rule.seed}/hold-out/{group}") < rule.share
    return ManifestClip(
        path=f"{label}#{number}",
        label=label,
        source=SYNTHETIC_SOURCE,
        group=group,
        fold="",
        licence="MIT (made by this package)",
        attribution="audiosearch.training.synth.made_sounds",
        split=_held_out_split(group, rule) if held else Split.TRAIN,
    )


def _held_out_split(group: str, rule: SplitRule) -> Split:
    third = _unit_hash(f"{rule.seed}/validation/{group}") < 1 / 3
    return Split.VALIDATION if third else Split.TEST


def decode_mono(path: Path, *, sample_rate: int) -> Floats:
    """A whole sound file as mono float32 `(N,)` at the given rate, channels averaged."""
    parts: list[Floats] = []
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            blocks = resampler.resample(frame)
            parts += [block.to_ndarray().mean(axis=0, dtype=np.float32) for block in blocks]
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if rate != sample_rate:
        samples = soxr.resample(samples, rate, sample_rate, quality="HQ")
    return np.asarray(samples, dtype=np.float32)


@dataclass(frozen=True)
class SoundCache:
    """Every clip's samples, one after the other in an int16 memory map."""

    clips: tuple[ManifestClip, ...]
    offsets: Ints
    """`(n_clips + 1,)`: clip i is `samples[offsets[i]:offsets[i + 1]]`."""
    samples: npt.NDArray[np.int16]
    sample_rate: int

    def waveform(self, index: int) -> Floats:
        """Samples `(N,)` of one clip in [-1, 1]."""
        part = self.samples[self.offsets[index] : self.offsets[index + 1]]
        return part.astype(np.float32) / 32768.0

    def indices(self, split: Split) -> list[int]:
        """Which clips belong to a split."""
        return [index for index, clip in enumerate(self.clips) if clip.split is split]


def open_cache(
    clips: list[ManifestClip], *, cache: Path, sample_rate: int, seed: int
) -> SoundCache:
    """The decoded cache of these clips, made on first use.

    Args:
        clips: In the order they are stored.
        cache: The folder for `sounds.i16` and its index.
        sample_rate: Samples per second of the cache.
        seed: Of the made sounds.
    """
    cache.mkdir(parents=True, exist_ok=True)
    listing = json.dumps([[clip.source, clip.path] for clip in clips])
    key = hashlib.sha256(f"{sample_rate}/{seed}/{listing}".encode()).hexdigest()
    index_path, data_path = cache / "sounds.json", cache / "sounds.i16"
    index = json.loads(index_path.read_text("utf-8")) if index_path.exists() else {}
    if index.get("key") != key:
        offsets = _write_cache(clips, data_path, sample_rate, seed)
        index = {"key": key, "offsets": offsets}
        index_path.write_text(json.dumps(index), "utf-8")
    samples = np.memmap(data_path, dtype=np.int16, mode="r")
    return SoundCache(
        clips=tuple(clips),
        offsets=np.asarray(index["offsets"], dtype=np.int64),
        samples=samples,
        sample_rate=sample_rate,
    )


def _write_cache(
    clips: list[ManifestClip], data_path: Path, sample_rate: int, seed: int
) -> list[int]:
    offsets = [0]
    with data_path.open("wb") as out:
        for clip in clips:
            if clip.source == SYNTHETIC_SOURCE:
                number = int(clip.path.rpartition("#")[2])
                samples = make_sound(
                    label=clip.label,
                    seed=seed * 100_003 + number,
                    seconds=SYNTHETIC_SECONDS,
                    rate=sample_rate,
                )
            else:
                samples = decode_mono(clip.folder / clip.path, sample_rate=sample_rate)
            scaled = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
            out.write(scaled.tobytes())
            offsets.append(offsets[-1] + scaled.size)
    return offsets
