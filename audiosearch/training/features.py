"""Frames of the frozen encoder for many scenes, computed once and kept on disk.

In: planned scenes and an encoder. Out: `(n_scenes, T, dim)` float16 with the number of frames that
count. The decoder and the joint space are trained on these alone; audio is not opened again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from audiosearch.training.checkpoints import Progress, Report
from audiosearch.training.convnext import ConvNext
from audiosearch.training.frontend import STARTER_FRONTEND, LogMel
from audiosearch.training.material import Material, Samples
from audiosearch.training.rendering import render
from audiosearch.training.scenes import Scene

BATCH = 32


@dataclass(frozen=True)
class SceneFeatures:
    """Encoder frames of scenes, padded with zeros to the longest."""

    values: npt.NDArray[np.float16]
    """`(n_scenes, T, dim)`."""
    lengths: npt.NDArray[np.int64]
    """`(n_scenes,)` frames that count."""


def encode_scenes(
    encoder: ConvNext, scenes: list[Scene], material: Material, *, path: Path, report: Report
) -> SceneFeatures:
    """Frames of all scenes, from `path` if they were computed before.

    Args:
        encoder: Frozen; its weights are part of what "before" means.
        scenes: What to render.
        material: The clips they are made of.
        path: A `.npz` file.
        report: Told of progress.
    """
    key = _key(encoder, scenes)
    if path.exists():
        with np.load(path) as stored:
            if str(stored["key"]) == key:
                return SceneFeatures(values=stored["values"], lengths=stored["lengths"])
    features = _encode(encoder, scenes, material, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, key=np.array(key), values=features.values, lengths=features.lengths)
    partial.replace(path)
    return features


def _key(encoder: ConvNext, scenes: list[Scene]) -> str:
    digest = hashlib.sha256(json.dumps([asdict(scene) for scene in scenes]).encode())
    for value in encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _encode(
    encoder: ConvNext, scenes: list[Scene], material: Material, report: Report
) -> SceneFeatures:
    return encode_waveforms(
        encoder,
        [scene.length for scene in scenes],
        lambda index: render(scenes[index], material),
        report=report,
    )


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
    # Sounds of one length go together: padding would be heard.
    order = sorted(range(len(counts)), key=lambda index: counts[index])
    parts: dict[int, npt.NDArray[np.float16]] = {}
    at = 0
    while at < len(order):
        rows = [i for i in order[at : at + BATCH] if counts[i] == counts[order[at]]]
        decibels = log_mel(torch.from_numpy(np.stack([waveform(i) for i in rows])))
        with torch.autocast("cpu", torch.bfloat16):
            frames = encoder(decibels).frames.float().numpy().astype(np.float16)
        parts |= dict(zip(rows, frames, strict=True))
        at += len(rows)
        if at % (20 * BATCH) < len(rows) or at == len(order):
            report(Progress(stage="features", step=at, total=len(order), text="encoding scenes"))
    lengths = np.array([parts[i].shape[0] for i in range(len(counts))], dtype=np.int64)
    values = np.zeros((len(counts), lengths.max(), parts[0].shape[1]), np.float16)
    for index, part in parts.items():
        values[index, : part.shape[0]] = part
    return SceneFeatures(values=values, lengths=lengths)
