"""Clips to frames and vectors, as search hears them, kept on disk as it goes.

Clips are cut as the library cuts recordings and kept as float16, as it stores them; or left
`whole`, as the published figures were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import AnyArray, Floats, Halves, Ints
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.windows import windows
from audiosearch.errors import DatasetError, DecodeError
from audiosearch.evaluation.datasets import DatasetClip
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
) -> EncodedDataset:
    """Encode every clip, in windows or, if `whole`, each in one piece.

    What an earlier run has encoded is read from `work`.

    Raises:
        DatasetError: clips that cannot be decoded; the message names them.
    """
    cut = "whole" if whole else f"windows {HOP}"
    keys = [model.bundle.fingerprint, cut, *(_identity(clip) for clip in clips)]
    folder = work.part("heard", *keys)
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    files = [folder / f"{number:06d}.npz" for number in range(len(chunks))]
    done = sum(len(chunk) for chunk, file in zip(chunks, files, strict=True) if file.is_file())
    progress.start("listening", total=len(clips), done=done)
    failures: list[DecodeError] = []
    with Worker() as worker:
        for number, (chunk, file) in enumerate(zip(chunks, files, strict=True)):
            if not file.is_file():
                _encode_chunk(chunk, file, number * CHUNK, worker, model, failures, whole=whole)
                progress.advance(len(chunk))
    if failures:
        shown = "; ".join(str(failure) for failure in failures[:10])
        raise DatasetError(f"{counted(len(failures), 'clip')} cannot be decoded: {shown}")
    return _joined(files, key=folder.name)


def _identity(clip: DatasetClip) -> str:
    facts = clip.path.stat()
    return f"{clip.path.absolute()} {facts.st_size} {facts.st_mtime_ns}"


def _encode_chunk(
    chunk: Sequence[DatasetClip],
    file: Path,
    first: int,
    worker: Worker,
    model: Model,
    failures: list[DecodeError],
    *,
    whole: bool,
) -> None:
    """Decode and encode `chunk`, whose clips are numbered from `first`, into `file`."""
    pieces: list[Floats] = []
    owners: list[int] = []
    starts_s: list[float] = []
    n_failed = len(failures)
    for place, clip in enumerate(chunk):
        try:
            for start_s, samples in _cut(clip, worker, model, whole=whole):
                pieces.append(samples)
                owners.append(first + place)
                starts_s.append(start_s)
        except DecodeError as error:
            failures.append(error)
    if len(failures) > n_failed:
        return  # not saved: the run ends with an error, and the next one tries again
    encoded = model.encoder.encode_many(pieces)
    save_arrays(
        file,
        _ARRAYS,
        (
            np.concatenate([one.frames for one in encoded]).astype(np.float16),
            np.array([len(one.frames) for one in encoded], dtype=np.int64),
            np.array(owners, dtype=np.int64),
            np.array(starts_s, dtype=np.float32),
            np.stack([one.embedding for one in encoded]),
            _stack(encoded, "joint"),
            _stack(encoded, "tags"),
        ),
    )


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
