"""Clips to frames and vectors, as search hears them, kept on disk as it goes.

Clips are cut as the library cuts recordings and kept as float16, as it stores them; or left
`whole`, as the published figures were made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiosearch._typing import AnyArray, Floats, Halves, Ints
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.windows import windows
from audiosearch.errors import DatasetError, DecodeError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.pieces import Workers, in_order
from audiosearch.evaluation.work_folder import StageProgress, WorkFolder, save_arrays
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import Model

HOP = 0.5  # of a window: the library's default
CHUNK = 16  # clips encoded and saved together
_ARRAYS = ("frames", "n_frames", "owners", "starts_s", "embedding", "joint", "tags")


@dataclass(frozen=True)
class EncodedDataset:
    """What the encoder says of the windows of some clips, in their order.

    Attributes:
        frames: the decoder's memory of each window, (T_i, D) each.
        owners: (n_windows,) the clip of each window.
        starts_s: (n_windows,) where in its clip each window begins.
        embedding: (n_windows, E).
        joint: (n_windows, J); J is 0 for a bundle without a joint space.
        tags: (n_windows, C) probabilities; C is 0 for a bundle without tags.
        key: names the model, the cut and the clips: what else depends on them can be kept by it.
    """

    frames: tuple[Halves, ...]
    owners: Ints
    starts_s: Floats
    embedding: Floats
    joint: Floats
    tags: Floats
    key: str

    @property
    def n_clips(self) -> int:
        """Clips heard."""
        return int(self.owners[-1]) + 1


def encode(
    clips: Sequence[DatasetClip],
    *,
    model: Model,
    work: WorkFolder,
    progress: StageProgress,
    whole: bool = False,
    workers: Workers | None = None,
) -> EncodedDataset:
    """Encode every clip, in windows or, if `whole`, each in one piece.

    What an earlier run has encoded is read from `work`; `workers` do the rest, or this process.

    Raises:
        DatasetError: clips that cannot be decoded; the message names them.
    """
    cut = "whole" if whole else f"windows {HOP}"
    keys = [model.bundle.fingerprint, cut, *(_identity(clip) for clip in clips)]
    folder = work.part("heard", *keys)
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    files = [folder / f"{number:06d}.npz" for number in range(len(chunks))]
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    done = len(clips) - sum(len(chunks[number]) for number in missing)
    progress.start("listening", total=len(clips), done=done)
    failures: list[str] = []
    heard = _heard([chunks[number] for number in missing], model, whole=whole, workers=workers)
    for number, chunk in zip(missing, heard, strict=True):
        failures += chunk.failures
        if not chunk.failures:  # otherwise the run ends with an error, and the next one tries again
            arrays = {**chunk.arrays, "owners": chunk.arrays["owners"] + number * CHUNK}
            save_arrays(files[number], arrays.keys(), arrays.values())
        progress.advance(len(chunks[number]))
    if failures:
        shown = "; ".join(failures[:10])
        raise DatasetError(f"{counted(len(failures), 'clip')} cannot be decoded: {shown}")
    return _joined(files, key=folder.name)


def _identity(clip: DatasetClip) -> str:
    facts = clip.path.stat()
    return f"{clip.path.absolute()} {facts.st_size} {facts.st_mtime_ns}"


@dataclass(frozen=True, eq=False)
class HeardClips:
    """Arrays of some clips, whose owners are counted from the first, or why there are none."""

    arrays: Mapping[str, AnyArray]
    failures: tuple[str, ...]


def _heard(
    chunks: Sequence[Sequence[DatasetClip]],
    model: Model,
    *,
    whole: bool,
    workers: Workers | None,
) -> Iterator[HeardClips]:
    """Each chunk, heard by the workers, or here by one decoding process.

    What workers cannot read is tried here once more: that may be their machine's fault.
    """
    if workers is not None:
        placed = [[replace(clip, path=clip.path.absolute()) for clip in chunk] for chunk in chunks]
        roots = sorted({os.fsencode(clip.path.parent) for chunk in placed for clip in chunk})
        heard = in_order(
            hear_clips, iter(placed), common=whole, model=model, workers=workers, roots=roots
        )
        for clips, found in zip(placed, heard, strict=True):
            yield hear_clips(model, whole, clips) if found.failures else found
    elif chunks:
        with Worker() as decoder:
            for chunk in chunks:
                yield _hear(chunk, decoder, model, whole=whole)


def hear_clips(model: Model, whole: bool, clips: Sequence[DatasetClip]) -> HeardClips:
    """A piece of work: decode and encode clips."""
    with Worker() as decoder:
        return _hear(clips, decoder, model, whole=whole)


def _hear(
    clips: Sequence[DatasetClip], decoder: Worker, model: Model, *, whole: bool
) -> HeardClips:
    pieces: list[Floats] = []
    owners: list[int] = []
    starts_s: list[float] = []
    failures: list[str] = []
    for place, clip in enumerate(clips):
        try:
            for start_s, samples in _cut(clip, decoder, model, whole=whole):
                pieces.append(samples)
                owners.append(place)
                starts_s.append(start_s)
        except DecodeError as error:
            failures.append(str(error))
    if failures:
        return HeardClips({}, tuple(failures))
    encoded = model.encoder.encode_many(pieces)
    arrays: dict[str, AnyArray] = {
        "frames": np.concatenate([one.frames for one in encoded]).astype(np.float16),
        "n_frames": np.array([len(one.frames) for one in encoded], dtype=np.int64),
        "owners": np.array(owners, dtype=np.int64),
        "starts_s": np.array(starts_s, dtype=np.float32),
        "embedding": np.stack([one.embedding for one in encoded]),
        "joint": _stack(encoded, "joint"),
        "tags": _stack(encoded, "tags"),
    }
    return HeardClips(arrays, ())


def _cut(
    clip: DatasetClip, worker: Worker, model: Model, *, whole: bool
) -> list[tuple[float, Floats]]:
    """The pieces of a clip that the encoder hears, with their starts in seconds."""
    rate, window_s = model.bundle.sample_rate, model.bundle.window_s
    worker.open(bytes(clip.path), sample_rate=rate)
    blocks = worker.blocks()
    if whole:
        return [(0.0, np.concatenate(list(blocks)))]
    cut = windows(blocks, sample_rate=rate, window_s=window_s, hop_s=HOP * window_s)
    return [(window.start_s, window.samples) for window in cut]


def _stack(encoded: Sequence[Encoded], name: str) -> Floats:
    """One output of all rows; (n, 0) where the bundle has none."""
    rows: list[Floats | None] = [getattr(one, name) for one in encoded]
    given = [row for row in rows if row is not None]
    return np.stack(given) if given else np.zeros((len(rows), 0), dtype=np.float32)


def _joined(files: Sequence[Path], *, key: str) -> EncodedDataset:
    arrays: dict[str, list[AnyArray]] = {name: [] for name in _ARRAYS}
    frames: list[Halves] = []
    for file in files:
        with np.load(file, allow_pickle=False) as saved:
            for name in _ARRAYS[1:]:
                arrays[name].append(saved[name])
            frames += np.split(saved["frames"], np.cumsum(saved["n_frames"])[:-1])
    one = {name: np.concatenate(parts) for name, parts in arrays.items() if parts}
    return EncodedDataset(
        frames=tuple(frames),
        owners=one["owners"].astype(np.int64),
        starts_s=one["starts_s"].astype(np.float32),
        embedding=one["embedding"].astype(np.float32),
        joint=one["joint"].astype(np.float32),
        tags=one["tags"].astype(np.float32),
        key=key,
    )
