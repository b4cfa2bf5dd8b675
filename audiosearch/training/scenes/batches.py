"""An epoch of captioned scenes, cut into batches for the decoder.

Batches hold captions of like length, so that little of them is padding, and twins stand together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiosearch._typing import Ints
from audiosearch.model.tokenizer import EOS, PAD, UNK, Vocabulary
from audiosearch.training.scenes.features import SceneFeatures
from audiosearch.training.scenes.ranking import choose_rivals, contradicts
from audiosearch.training.text.captions import CaptionPair, SceneDescription, write_pair
from audiosearch.training.text.patterns import says_at_once
from audiosearch.training.text.vocabulary import encode_captions, forget_words

LONGEST_CAPTION = 60


@dataclass(frozen=True)
class CaptionedScenes:
    """What the decoder learns from, or is validated on."""

    features: SceneFeatures
    descriptions: tuple[SceneDescription, ...]
    twins: tuple[int | None, ...]
    """For each scene the one of the same events with another relation in time, if there is one."""


@dataclass(frozen=True)
class Batch:
    """One step's data."""

    features: Tensor
    """`(B, T, dim)`."""
    lengths: Tensor
    """`(B,)`."""
    inputs: Tensor
    """`(B, S)` ids from BOS on."""
    targets: Tensor
    """`(B, S)` ids to EOS, then PAD."""
    rivals: Tensor
    """`(B,)`: the row of the batch whose sound each caption is held against."""
    contradicts: Tensor
    """`(B,)` True where the caption says something that is wrong of that row."""
    wrong_rows: Tensor
    """`(W,)`: the rows that have a wrong caption beside their own."""
    wrong_inputs: Tensor
    """`(W, S)` ids of wrong captions, as `inputs`."""
    wrong_targets: Tensor
    """`(W, S)` as `targets`."""


def epoch_batches(
    scenes: CaptionedScenes,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    batch: int,
    pool: int,
    unknown_chance: float,
) -> Iterator[Batch]:
    """All scenes once, in random order; `pool` batches at a time are sorted by length."""
    texts = [write_pair(rng, what) for what in scenes.descriptions]
    words = np.array([len(text.caption.split()) for text in texts])
    for rows in shuffled_rows(rng, words, scenes.twins, batch=batch, pool=pool):
        if len(rows) > 1:  # a single row has no rival and nothing to mix with
            chosen = [texts[row] for row in rows]
            yield make_batch(scenes, rows, chosen, vocabulary, rng, unknown_chance=unknown_chance)


def shuffled_rows(
    rng: np.random.Generator,
    words: Ints,
    twins: tuple[int | None, ...],
    *,
    batch: int,
    pool: int,
) -> list[Ints]:
    """Every row once, in batches of at most `batch` rows; twins stand in one batch."""
    units = [
        (index,) if twin is None else (index, twin)
        for index, twin in enumerate(twins)
        if twin is None or twin >= len(twins) or index < twin
    ]
    length = np.array([max(words[row] for row in unit) for unit in units])
    order = rng.permutation(len(units))
    groups: list[Ints] = []
    for part in np.array_split(order, max(1, round(len(words) / (batch * pool)))):
        # A little noise, or each batch would hold one length only.
        by_length = part[np.argsort(length[part] + rng.uniform(0, 2, len(part)), kind="stable")]
        rows: list[int] = []
        for unit in by_length:
            if len(rows) + len(units[unit]) > batch:
                groups.append(np.array(rows, dtype=np.int64))
                rows = []
            rows += units[unit]
        groups.append(np.array(rows, dtype=np.int64))
    return [groups[index] for index in rng.permutation(len(groups))]


def make_batch(
    scenes: CaptionedScenes,
    rows: Ints,
    texts: Sequence[CaptionPair],
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    unknown_chance: float,
) -> Batch:
    """Features and captions of the scenes at `rows`.

    A forgotten word is unknown as an input only; what is to be said stays the word itself, so
    that "unknown" is never what the decoder learns to say.
    """
    wrong = [(row, text.wrong) for row, text in enumerate(texts) if text.wrong is not None]
    said = [*(text.caption for text in texts), *(text for _, text in wrong)]
    ids = encode_captions(vocabulary, said, limit=LONGEST_CAPTION)
    heard = forget_words(rng, ids, chance=unknown_chance, function_words=vocabulary.repeatable)
    lengths = scenes.features.lengths[rows]
    values = scenes.features.values[rows, : lengths.max()].astype(np.float32)
    rivals = choose_rivals(rng, rows, scenes.descriptions, scenes.twins)
    told = [
        contradicts(
            scenes.descriptions[row],
            scenes.descriptions[rows[rival]],
            at_once=says_at_once(text.caption),
        )
        for row, rival, text in zip(rows, rivals, texts, strict=True)
    ]
    inputs = np.where(heard[:, :-1] == EOS, PAD, heard[:, :-1])  # EOS is never an input
    targets = np.where(ids[:, 1:] == UNK, PAD, ids[:, 1:])
    return Batch(
        features=torch.from_numpy(values),
        lengths=torch.from_numpy(lengths),
        inputs=torch.from_numpy(inputs[: len(rows)]),
        targets=torch.from_numpy(targets[: len(rows)]),
        rivals=torch.from_numpy(rivals),
        contradicts=torch.tensor(told),
        wrong_rows=torch.tensor([row for row, _ in wrong], dtype=torch.long),
        wrong_inputs=torch.from_numpy(inputs[len(rows) :]),
        wrong_targets=torch.from_numpy(targets[len(rows) :]),
    )
