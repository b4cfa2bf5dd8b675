"""Sounds with captions, and perhaps with pictures, as a run takes them.

Sounds are decoded once and kept beside the checkpoints; a run that was stopped decodes none again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from audiosearch._files import atomic_write
from audiosearch._typing import Floats
from audiosearch.errors import AudiosearchError
from audiosearch.exchange.dataset_folders import best_folder, sound_folders
from audiosearch.model.wordpiece import PAD, Pieces
from audiosearch.training.data.dataset import decode_mono
from audiosearch.training.trainer import step_generator


@dataclass(frozen=True)
class CaptionedSound:
    """A sound file with its captions."""

    name: str
    path: Path
    captions: tuple[str, ...]


def read_table(table: Path, *, audio: Path | None = None) -> list[CaptionedSound]:
    """The sounds of a CSV: `file_name,caption_1,...` as Clotho's, or `path,caption,...`.

    A sound may have several rows.

    Args:
        table: the CSV.
        audio: folder of the sounds; None: the one that holds the most of them among those where
            data sets have theirs, as evaluation finds it.

    Raises:
        AudiosearchError: the table cannot be read, a sound is not there or has no caption.
    """
    found: dict[str, list[str]] = {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                name = row.get("file_name") or row.get("path") or ""
                given = [text for key, text in row.items() if str(key).startswith("caption")]
                captions = found.setdefault(name, [])
                captions += [text.strip() for text in given if text and text.strip()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AudiosearchError(f"cannot be read: {error}", path=table) from error
    folder = audio or best_folder(sound_folders(table), list(found), by_stem=False)
    missing = [name for name in found if not name or not (folder / name).is_file()]
    if missing or not found:
        raise AudiosearchError(
            f"{len(missing)} of {len(found)} sounds are not in {folder}: {', '.join(missing[:5])}",
            path=table,
            remedy="--audio FOLDER says where they are",
        )
    if silent := [name for name, captions in found.items() if not captions]:
        raise AudiosearchError(f"has no caption for {', '.join(silent[:5])}", path=table)
    return [
        CaptionedSound(name, folder / name, tuple(captions)) for name, captions in found.items()
    ]


def read_images(path: Path) -> dict[str, Floats]:
    """Embeddings of pictures from a `.npz` with `ids` `(n,)` and `vectors` `(n, V)`.

    An id is the name of a sound, or a caption.

    Raises:
        AudiosearchError: the file is of another form.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            ids, vectors = stored["ids"], stored["vectors"].astype(np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise AudiosearchError(f"holds no ids and vectors: {error}", path=path) from error
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or not np.isfinite(vectors).all():
        raise AudiosearchError(
            f"ids {ids.shape} and vectors {vectors.shape} do not pair up", path=path
        )
    return dict(zip(ids.astype(str).tolist(), vectors, strict=True))


@dataclass(frozen=True)
class PairBatch:
    """One step's data; rows belong together."""

    waveforms: Tensor
    """`(B, N)`, zero-padded at the end."""
    tokens: Tensor
    """`(B, S)`."""
    images: Tensor
    """`(B, V)`; V is 0 where there are no pictures at all."""
    has_image: Tensor
    """`(B,)`."""


class PairData:
    """Draws batches of sounds, each with one of its captions."""

    def __init__(
        self,
        sounds: Sequence[CaptionedSound],
        pieces: Pieces,
        *,
        folder: Path,
        sample_rate: int,
        seconds: float,
        most_pieces: int,
        images: Mapping[str, Floats] | None = None,
    ) -> None:
        """Decode what was not decoded before, into `folder`.

        Raises:
            AudiosearchError: a sound cannot be decoded; too few are there to compete.
        """
        if len(sounds) < 2:
            raise AudiosearchError("a sound by itself has nothing to compete with")
        self._sounds = sounds
        self._pieces, self._most = pieces, most_pieces
        self._samples = round(seconds * sample_rate)
        self._images = images or {}
        self._image_dim = len(next(iter(self._images.values()), ()))
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / f"{place:06d}.npy" for place in range(len(sounds))]
        for sound, file in zip(sounds, self._files, strict=True):
            if not file.is_file():
                samples = decode_mono(sound.path, sample_rate=sample_rate)
                with atomic_write(file) as out:
                    np.save(out, samples.astype(np.float16))

    def __len__(self) -> int:
        return len(self._sounds)

    @property
    def image_dim(self) -> int:
        """Numbers of a picture's embedding; 0 without any."""
        return self._image_dim

    def batches(self, size: int, *, seed: int, epoch: int, first: int) -> Iterator[PairBatch]:
        """The batches of an epoch from number `first` on; a last sound alone is left out."""
        order = np.random.default_rng([seed, epoch]).permutation(len(self._sounds))
        for start in range(0, len(order), size):
            rows = order[start : start + size].tolist()
            if start // size >= first and len(rows) > 1:
                rng = step_generator(seed, epoch * len(order) + start)
                yield self._batch(rows, rng)

    def steps(self, size: int) -> int:
        """Batches of an epoch."""
        whole, rest = divmod(len(self._sounds), size)
        return whole + (rest > 1)

    def _batch(self, rows: Sequence[int], rng: Generator) -> PairBatch:
        captions = [
            self._sounds[row].captions[_draw(len(self._sounds[row].captions), rng)] for row in rows
        ]
        ids = [self._pieces.encode(text)[: self._most] or (PAD,) for text in captions]
        tokens = torch.full((len(rows), max(map(len, ids))), PAD)
        for row, each in zip(tokens, ids, strict=True):
            row[: len(each)] = torch.tensor(each)
        waveforms = torch.stack([self._cut(self._files[row], rng) for row in rows])
        pictures = [
            self._images.get(caption, self._images.get(self._sounds[row].name))
            for row, caption in zip(rows, captions, strict=True)
        ]
        images = torch.zeros(len(rows), self._image_dim)
        for row, picture in zip(images, pictures, strict=True):
            if picture is not None:
                row.copy_(torch.from_numpy(picture))
        has_image = torch.tensor([picture is not None for picture in pictures])
        return PairBatch(waveforms, tokens, images, has_image)

    def _cut(self, file: Path, rng: Generator) -> Tensor:
        """`(N,)` from a random place of a sound that is longer."""
        samples = np.load(file, mmap_mode="r", allow_pickle=False)
        start = _draw(max(0, len(samples) - self._samples) + 1, rng)
        cut = np.zeros(self._samples, np.float32)
        part = samples[start : start + self._samples]
        cut[: len(part)] = part
        return torch.from_numpy(cut)


def _draw(count: int, rng: Generator) -> int:
    return int(torch.randint(count, (1,), generator=rng))
