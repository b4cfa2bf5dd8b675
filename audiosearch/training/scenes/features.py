"""Frames of the frozen encoder for many scenes, computed once and kept on disk.

In: planned scenes and an encoder. Out: `(n_scenes, T, dim)` float16 with the number of frames that
count. The decoder and the joint space are trained on these alone; audio is not opened again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from audiosearch._files import atomic_write
from audiosearch._typing import Floats, Halves, Ints, Samples
from audiosearch.training.checkpoints import Report, TrainingProgress
from audiosearch.training.data.dataset import SoundCache
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel
from audiosearch.training.networks.tags import tag_evidence
from audiosearch.training.scenes.clip_pool import ClipPool
from audiosearch.training.scenes.planner import SceneLayout
from audiosearch.training.scenes.rendering import render
from audiosearch.training.trainer import prefetch

BATCH = 32
REPORT_EVERY = 1000
CLIP_S = 5.0
TAG_BLOCK = 256  # scenes whose tags are read at a time


@dataclass(frozen=True)
class SceneFeatures:
    """Encoder frames of scenes, padded with zeros to the longest."""

    values: Halves
    """`(n_scenes, T, dim)`."""
    lengths: Ints
    """`(n_scenes,)` frames that count."""

    def first(self, count: int) -> SceneFeatures:
        """Those of the first `count` scenes."""
        return SceneFeatures(self.values[:count], self.lengths[:count])


def encode_scenes(
    encoder: ConvNext,
    scenes: list[SceneLayout],
    pool: ClipPool,
    *,
    varied: bool,
    path: Path,
    report: Report,
) -> SceneFeatures:
    """Frames of all scenes, from `path` if they were computed before.

    Args:
        encoder: Frozen; its weights are part of what "before" means.
        scenes: What to render.
        pool: The clips they are made of.
        varied: Whether the clips are changed in speed, colour and room, as for training.
        path: A `.npz` file.
        report: Told of progress.
    """
    key = _key(encoder, scenes, varied)
    if path.exists():
        with np.load(path) as stored:
            if str(stored["key"]) == key:
                return SceneFeatures(values=stored["values"], lengths=stored["lengths"])
    features = encode_waveforms(
        encoder,
        [scene.length for scene in scenes],
        lambda index: render(scenes[index], pool, varied=varied),
        report=report,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        np.savez(file, key=np.array(key), values=features.values, lengths=features.lengths)
    return features


def _key(encoder: ConvNext, scenes: list[SceneLayout], varied: bool) -> str:
    plan = [varied, [asdict(scene) for scene in scenes]]
    digest = hashlib.sha256(json.dumps(plan).encode())
    for value in encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def encode_waveforms(
    encoder: ConvNext, counts: list[int], waveform: Callable[[int], Samples], *, report: Report
) -> SceneFeatures:
    """Frames of sounds that are made one at a time.

    Args:
        encoder: Frozen.
        counts: How many samples each sound has.
        waveform: Gives the samples of sound i.
        report: Told of progress.
    """
    encoder.eval()
    log_mel = LogMel(STARTER_FRONTEND)
    parts: dict[int, Halves] = {}

    def make(rows: list[int]) -> Samples:
        return np.stack([waveform(index) for index in rows])

    for rows, waves in prefetch(_groups_of_one_length(counts), make):
        decibels = log_mel(torch.from_numpy(waves))
        with torch.autocast("cpu", torch.bfloat16):
            frames = encoder(decibels).frames.float().numpy().astype(np.float16)
        before, after = len(parts) // REPORT_EVERY, (len(parts) + len(rows)) // REPORT_EVERY
        parts |= dict(zip(rows, frames, strict=True))
        if after > before or len(parts) == len(counts):
            report(TrainingProgress("features", len(parts), len(counts), "encoding scenes"))
    lengths = np.array([parts[i].shape[0] for i in range(len(counts))], dtype=np.int64)
    values = np.zeros((len(counts), lengths.max(), parts[0].shape[1]), np.float16)
    for index, part in parts.items():
        values[index, : part.shape[0]] = part
    return SceneFeatures(values=values, lengths=lengths)


def encode_clips(
    encoder: ConvNext, sounds: SoundCache, clips: Sequence[int], *, report: Report
) -> SceneFeatures:
    """Frames of the first five seconds of clips, shorter ones padded with silence."""
    length = int(CLIP_S * sounds.sample_rate)

    def waveform(index: int) -> Samples:
        wave = sounds.waveform(clips[index])[:length]
        return np.pad(wave, (0, length - wave.size))

    return encode_waveforms(encoder, [length] * len(clips), waveform, report=report)


def _groups_of_one_length(counts: list[int]) -> list[list[int]]:
    """Rows in batches: sounds of one length go together, since padding would be heard."""
    order = sorted(range(len(counts)), key=lambda index: counts[index])
    return [
        rows[at : at + BATCH]
        for _, same in itertools.groupby(order, key=lambda index: counts[index])
        for rows in [list(same)]
        for at in range(0, len(rows), BATCH)
    ]


@torch.no_grad()
def scene_logits(encoder: ConvNext, features: SceneFeatures) -> Floats:
    """Logits `(n_scenes, 2 C)`, as in `tag_evidence`; no audio is opened."""
    encoder.eval()
    classes = encoder.config.classes
    found = np.zeros((len(features.values), 2 * classes), np.float32)
    # A running program never pads, so rows of one length go together.
    for length in sorted(set(features.lengths.tolist())):
        rows = np.flatnonzero(features.lengths == length)
        for some in np.array_split(rows, len(rows) // TAG_BLOCK + 1):
            frames = torch.from_numpy(features.values[some, :length].astype(np.float32))
            found[some] = tag_evidence(encoder, frames).numpy()
    return found
