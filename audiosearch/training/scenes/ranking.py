"""Ranking terms beside cross-entropy: a caption should be likelier for its scene than for another.

No part of Labbé et al. 2023; added because cross-entropy ranks here, and the order of two events is
worth few nats in it. The loss is minus the log of the posterior chance of the right candidate of
two that are equally likely at first.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional

from audiosearch._typing import Ints
from audiosearch.training.text.captions import Relation, SceneDescription

TWIN_CHANCE = 0.6
"""How often a scene with a twin is held against it, rather than against any other."""
ALIKE_CHANCE = 0.5
"""How often, otherwise, it is held against one that shares a sound with it."""


def meaning_of(what: SceneDescription) -> tuple[Relation, tuple[str, ...], str | None, int]:
    """What a caption says: two descriptions with the same could have the same caption."""
    sounds = what.sounds
    if what.relation is Relation.TOGETHER:
        sounds = tuple(sorted(sounds))
    return what.relation, sounds, what.background, what.count


def contradicts(
    caption: SceneDescription, other: SceneDescription, *, at_once: bool = False
) -> bool:
    """Whether a caption of the first says something that is wrong of the second.

    `at_once`: the caption says in so many words that its sounds overlap (`says_at_once`).
    """
    if meaning_of(caption) == meaning_of(other):
        return False
    named = {*caption.sounds, caption.background} - {None}
    heard = {*other.sounds, other.background} - {None}
    if named - heard:
        return True
    if caption.relation is not Relation.SEQUENCE:
        # "a dog and a bell" is not wrong of one after the other, "a dog during a bell" is.
        return at_once and other.relation is Relation.SEQUENCE and other.background not in named
    if other.relation is not Relation.SEQUENCE:
        return True
    later = iter(other.sounds)
    return not all(sound in later for sound in caption.sounds)  # in this order


def choose_rivals(
    rng: np.random.Generator,
    rows: Ints,
    descriptions: tuple[SceneDescription, ...],
    twins: tuple[int | None, ...],
) -> Ints:
    """For each row of a batch the position `(B,)` of the row that its caption is held against.

    The scene's twin, if it is in the batch, by `TWIN_CHANCE`; else, by `ALIKE_CHANCE`, one that
    shares a sound with it and lacks another; else any other row.
    """
    at = {int(row): position for position, row in enumerate(rows)}
    count = len(rows)
    rivals = (np.arange(count) + rng.integers(1, count, count)) % count
    named = [{*descriptions[row].sounds, descriptions[row].background} - {None} for row in rows]
    for position, row in enumerate(rows):
        twin = twins[row]
        if twin is not None and twin in at and rng.random() < TWIN_CHANCE:
            rivals[position] = at[twin]
        elif rng.random() < ALIKE_CHANCE:
            own = named[position]
            alike = [place for place, other in enumerate(named) if own & other and own - other]
            if alike:
                rivals[position] = alike[int(rng.integers(len(alike)))]
    return np.asarray(rivals, dtype=np.int64)


def log_likelihood(log_p: Tensor, targets: Tensor, *, ignored: int) -> Tensor:
    """The sum of log p over each row's targets, `(B,)`, of log p `(B, S, V)`."""
    chosen = log_p.gather(2, targets.unsqueeze(2)).squeeze(2)
    return (chosen * (targets != ignored)).sum(dim=1)


def ranking_loss(matched: Tensor, rival: Tensor, contradicts: Tensor) -> Tensor:
    """Mean of -log of the chance of the right scene, over the rows that contradict their rival.

    Args:
        matched: Log-likelihood `(B,)` of each caption for its own scene.
        rival: The same for the scene that it is held against.
        contradicts: `(B,)` True where the caption is wrong of the rival.
    """
    losses = functional.softplus(rival - matched)[contradicts]
    return losses.sum() / max(1, int(contradicts.sum()))


def wording_loss(
    right: Tensor,
    targets: Tensor,
    wrong: Tensor,
    wrong_targets: Tensor,
    heard: Tensor,
    *,
    ignored: int,
) -> Tensor:
    """Mean of -log of the chance of the right caption beside the wrong one for the same scene.

    What is compared is nats a word, as cross-entropy ranks, times the caption's own length: a
    caption must not win by being shorter.

    Args:
        right: log p `(W, S, V)` of the right captions.
        targets: Their ids `(W, S)`.
        wrong: log p `(W, S, V)` of the wrong ones.
        wrong_targets: Their ids `(W, S)`.
        heard: `(W,)` True where there is a sound to tell them apart.
        ignored: The id that fills up.
    """
    length = (targets != ignored).sum(dim=1)
    matched = log_likelihood(right, targets, ignored=ignored)
    other = log_likelihood(wrong, wrong_targets, ignored=ignored)
    scaled = other * length / (wrong_targets != ignored).sum(dim=1)
    return ranking_loss(matched, scaled, heard)
