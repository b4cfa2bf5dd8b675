"""Rendered stretches with what the teacher makes of them, on disk, a shard at a time.

A larger pool begins with the shards of a smaller one. Clips are kept by name, so that what is held
out is chosen when the pool is read, not when it is made.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import Report, TrainingProgress
from audiosearch.training.data.dataset import ManifestClip, SoundCache
from audiosearch.training.distillation.stretches import (
    NOBODY,
    Stretches,
    StretchRecipe,
    draw_stretches,
    drawing_chances,
)
from audiosearch.training.distillation.yamnet import ByteScale, Teacher
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel

SHARD = 500
BATCH = 50
FACTS_FILE = "pool.json"
FLOOR_DB, STEP_DB = -100.0, 0.5
"""Decibels are kept in bytes: half a decibel a step from the floor of the front end on."""
ARRAYS = ("bands", "logits", "features", "parts", "shares")


@dataclass(frozen=True)
class PoolFacts:
    """What a pool was made of and how to read its numbers."""

    seed: int
    recipe: StretchRecipe
    clips: tuple[tuple[str, str], ...]
    """Source and path of each clip that its rows may name."""
    classes: tuple[str, ...]
    logit_scale: ByteScale
    feature_scale: ByteScale

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> PoolFacts:
        """As it was written."""
        return cls(
            seed=fields["seed"],
            recipe=StretchRecipe(**fields["recipe"]),
            clips=tuple((source, path) for source, path in fields["clips"]),
            classes=tuple(fields["classes"]),
            logit_scale=ByteScale(**fields["logit_scale"]),
            feature_scale=ByteScale(**fields["feature_scale"]),
        )


@dataclass(frozen=True)
class Pool:
    """The rows of a pool, those of some shards one after the other."""

    facts: PoolFacts
    shards: tuple[dict[str, npt.NDArray[Any]], ...]
    """Each of `ARRAYS` for each shard, memory-mapped."""

    def __len__(self) -> int:
        return SHARD * len(self.shards)

    def rows(self, name: str, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows of one array, in the order of `places`."""
        return np.stack([self.shards[place // SHARD][name][place % SHARD] for place in places])

    def all_rows(self, name: str) -> npt.NDArray[Any]:
        """All rows of one array."""
        return np.concatenate([shard[name] for shard in self.shards])


def render_pool(
    sounds: SoundCache,
    chosen: list[int],
    teacher: Teacher,
    *,
    folder: Path,
    shards: int,
    seed: int,
    recipe: StretchRecipe,
    report: Report,
) -> Pool:
    """Render the shards that are not there yet.

    Args:
        sounds: all clips.
        chosen: those that may be heard.
        teacher: who listens.
        folder: where the pool lies.
        shards: how many in all, of `SHARD` stretches each.
        seed: of all randomness.
        recipe: how stretches are drawn.
        report: told of progress.

    Raises:
        AudiosearchError: the folder holds a pool of other sounds, or by another recipe.
    """
    facts = PoolFacts(
        seed=seed,
        recipe=recipe,
        clips=tuple((clip.source, clip.path) for clip in sounds.clips),
        classes=teacher.classes,
        logit_scale=teacher.logit_scale,
        feature_scale=teacher.feature_scale,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FACTS_FILE
    if path.exists() and _read_facts(folder) != facts:
        raise AudiosearchError(
            "holds a pool of other sounds or by another recipe",
            path=folder,
            remedy="choose another folder, or delete this one",
        )
    path.write_text(json.dumps(facts.as_json()), encoding="utf-8")
    chances = drawing_chances(sounds.clips, chosen, recipe=recipe)
    log_mel = LogMel(STARTER_FRONTEND)
    for shard in range(shards):
        if not _shard(folder, shard).exists():
            _render_shard(sounds, chances, teacher, log_mel, facts, folder=folder, shard=shard)
            report(TrainingProgress("pool", shard + 1, shards, f"{(shard + 1) * SHARD} stretches"))
    return open_pool(folder, shards=shards)


def _render_shard(
    sounds: SoundCache,
    chances: npt.NDArray[np.float64],
    teacher: Teacher,
    log_mel: LogMel,
    facts: PoolFacts,
    *,
    folder: Path,
    shard: int,
) -> None:
    rows: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ARRAYS}
    for batch in range(SHARD // BATCH):
        drawn = draw_stretches(
            sounds,
            chances,
            recipe=facts.recipe,
            count=BATCH,
            seed=[facts.seed, shard, batch],
        )
        for name, values in _taught(drawn, teacher, log_mel).items():
            rows[name].append(values)
    partial = _shard(folder, shard).with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, parts in rows.items():
        np.save(partial / f"{name}.npy", np.concatenate(parts))
    partial.rename(_shard(folder, shard))


def _taught(drawn: Stretches, teacher: Teacher, log_mel: LogMel) -> dict[str, npt.NDArray[Any]]:
    heard = [teacher.hear(waveform) for waveform in drawn.waveforms]
    with torch.no_grad():
        bands = log_mel(torch.from_numpy(drawn.waveforms)).numpy()
    return {
        "bands": to_bytes(bands),
        "logits": np.stack([one.logits for one in heard]),
        "features": np.stack([one.features for one in heard]),
        "parts": drawn.parts,
        "shares": drawn.shares,
    }


def to_bytes(decibels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Decibels as they are kept; what is out of range becomes its nearest end."""
    steps: npt.NDArray[np.uint8] = (
        np.rint((decibels - FLOOR_DB) / STEP_DB).clip(0, 255).astype(np.uint8)
    )
    return steps


def to_decibels(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Decibels as they were kept."""
    return values.astype(np.float32) * np.float32(STEP_DB) + np.float32(FLOOR_DB)


def open_pool(folder: Path, *, shards: int | None = None) -> Pool:
    """The rendered shards of a pool, the first `shards` or all that follow one another.

    Raises:
        AudiosearchError: there are none, or fewer than `shards`.
    """
    facts = _read_facts(folder)
    found: list[dict[str, npt.NDArray[Any]]] = []
    while (shards is None or len(found) < shards) and _shard(folder, len(found)).exists():
        place = _shard(folder, len(found))
        found.append({name: np.load(place / f"{name}.npy", mmap_mode="r") for name in ARRAYS})
    if not found or (shards is not None and len(found) < shards):
        raise AudiosearchError(f"holds only {len(found)} shards", path=folder)
    return Pool(facts, tuple(found))


def usable_rows(
    pool: Pool, clips: tuple[ManifestClip, ...], chosen: list[int]
) -> npt.NDArray[np.int64]:
    """Rows in which nothing is heard but clips among `chosen`; rows of nothing at all too.

    Raises:
        AudiosearchError: the pool knows other clips.
    """
    if pool.facts.clips != tuple((clip.source, clip.path) for clip in clips):
        raise AudiosearchError("the pool was made of other clips")
    allowed = np.zeros(len(clips) + 1, bool)  # the last place is what NOBODY reads
    allowed[chosen] = True
    allowed[NOBODY] = True
    return np.flatnonzero(allowed[pool.all_rows("parts")].all(axis=1))


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}"


def _read_facts(folder: Path) -> PoolFacts:
    path = folder / FACTS_FILE
    try:
        return PoolFacts.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AudiosearchError(f"no pool of stretches: {error}", path=path) from error
