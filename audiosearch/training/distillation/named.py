"""Stretches of a pool with the names of what is heard in them, for the joint space.

Names are those of our tags and of the teacher's classes, so that words for what no recording here
is labelled with find their place too.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from audiosearch.training.checkpoints import Report, TrainingProgress
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.distillation.pool import open_pool, usable_rows
from audiosearch.training.distillation.recipe import CLIPS, LABELS
from audiosearch.training.distillation.targets import TargetReader
from audiosearch.training.distillation.trainer import TEACHER_TAG
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.tags import tag_evidence
from audiosearch.training.recipes.joint import NamedStretches
from audiosearch.training.text import labels
from audiosearch.training.text.captions import PHRASES
from audiosearch.training.text.paraphrases import PARAPHRASES

SHARDS = 60
BATCH = 64
REPORT_EVERY = 100  # batches


def names_of_tag(tag: str) -> tuple[str, ...]:
    """What people may call a tag of the encoder, ours or a class of the teacher's."""
    if tag.startswith(TEACHER_TAG):
        return _class_names()[tag.removeprefix(TEACHER_TAG)]
    if tag not in PHRASES:
        return (tag.replace("_", " "),)
    phrases = PHRASES[tag]
    return (*phrases.names, *phrases.nouns, *phrases.clauses[:4], *PARAPHRASES[tag].names)


@cache
def _class_names() -> dict[str, tuple[str, ...]]:
    text = files(labels.__package__).joinpath("audioset_names.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" = ")
        found[name] = tuple(each.strip() for each in rest.split(";"))
    return found


@torch.no_grad()
def name_stretches(
    encoder: ConvNext,
    tags: tuple[str, ...],
    folder: Path,
    sounds: SoundCache,
    *,
    shards: int = SHARDS,
    seed: int,
    report: Report,
) -> NamedStretches:
    """What an encoder makes of a pool's stretches, and what is heard in them.

    Args:
        encoder: frozen.
        tags: of its head: ours, then the teacher's classes.
        folder: the pool's.
        sounds: all clips, in the pool's order; only those of the training split are heard.
        shards: of the pool, the first so many.
        seed: of the changes in level, colour and bandwidth.
        report: told of progress.

    Raises:
        AudiosearchError: there is no such pool.
    """
    encoder.eval()
    pool = open_pool(folder, shards=shards)
    rows = usable_rows(pool, sounds.clips, sounds.indices(Split.TRAIN))
    own = tuple(tag for tag in tags if not tag.startswith(TEACHER_TAG))
    reader = TargetReader(pool, rows, sounds.clips, own, share_power=0.5)
    logits, heard = [], []
    for at in range(0, rows.size, BATCH):
        chosen = rows[at : at + BATCH]
        bands = reader.varied_bands(chosen, seed=[seed, at])
        with torch.autocast("cpu", torch.bfloat16):
            frames = encoder.frames(bands).float()
        logits.append(tag_evidence(encoder, frames).numpy().astype(np.float16))
        targets = reader.targets(chosen, of=(LABELS, CLIPS))
        both = torch.cat([targets[LABELS], targets[CLIPS]], dim=1)
        heard.append((both * 255).round().numpy().astype(np.uint8))
        if len(logits) % REPORT_EVERY == 0:
            report(TrainingProgress("joint", at, rows.size, "encoding stretches"))
    return NamedStretches(
        logits=np.concatenate(logits),
        heard=np.concatenate(heard),
        names=tuple(names_of_tag(tag) for tag in tags),
    )
