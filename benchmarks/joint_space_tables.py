"""The tables of `joint_spaces`: systems, ensembles of them, and what one is worth beside another.

In: similarities `(captions, scenes)` of each system and seed, higher is more alike, and which
scene each caption was written for. It trains nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Bools, Doubles, Floats
from audiosearch.evaluation.ranking import (
    MAP_DEPTH,
    best_ranks,
    figures,
    hits_in_order,
    rank_order,
)


def z_scored(similarities: Floats) -> Floats:
    """Similarities less their mean over all pairs, over their deviation, as ensembles count."""
    centred = similarities - similarities.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-9), np.float32)


def averaged(parts: Sequence[Floats], *, z: bool) -> Floats:
    """An ensemble: the mean similarity, z-scored before or not."""
    scores = [z_scored(part) if z else part for part in parts]
    return np.asarray(np.mean(scores, axis=0), np.float32)


def precisions(found: Sequence[Floats], right: Bools) -> Doubles:
    """`(scenes,)` mAP@10 of each scene's captions, the mean over the given matrices.

    A scene has as many captions as any other.
    """
    each = np.zeros(len(right))
    for similarities in found:
        hits = hits_in_order(rank_order(-similarities), right)
        ranks = best_ranks(hits)
        each += np.where(ranks <= MAP_DEPTH, 1 / ranks, 0.0) / len(found)
    return np.asarray(each.reshape(right.shape[1], -1).mean(axis=1))


@dataclass(frozen=True)
class Gain:
    """How much higher one mAP@10 is than another, by a bootstrap over scenes."""

    mean: float
    low: float
    high: float
    """2.5 and 97.5 % of the draws."""

    @classmethod
    def between(cls, one: Doubles, other: Doubles, *, draws: int = 4000) -> Gain:
        """Of the same scenes `(scenes,)`."""
        gained = one - other
        rows = np.random.default_rng(0).integers(len(gained), size=(draws, len(gained)))
        low, high = np.percentile(gained[rows].mean(axis=1), [2.5, 97.5])
        return cls(float(gained.mean()), float(low), float(high))


def figures_row(name: str, found: Sequence[Floats], right: Bools) -> str:
    """A line of the table: means over the given matrices, in brackets their standard deviation."""
    each = [figures(-similarities, right) for similarities in found]
    measured = [[one.recall_1, one.recall_5, one.recall_10, one.map_10] for one in each]
    cells = [
        f"{np.mean(column):.3f} ({np.std(column):.3f})" for column in zip(*measured, strict=True)
    ]
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


def ensembles(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[list[tuple[str, int]]]]:
    """Which systems (kind, seed) are averaged, by what the ensembles are called."""
    every = list(itertools.product(names, seeds))
    without_msle = [name for name in names if not name.endswith("MSLE")]
    found = {
        **{
            f"{len(seeds)} of {name}": [[(name, seed) for seed in seeds]]
            for name in (names[0], names[-1])
        },
        "4 kinds, one seed": [[(name, seed) for name in without_msle] for seed in seeds],
        "5 kinds, one seed": [[(name, seed) for name in names] for seed in seeds],
        "10: 5 kinds, two seeds": [
            [(name, seed) for name in names for seed in pair]
            for pair in itertools.combinations(seeds, 2)
        ],
        f"all {len(every)}": [every],
    }
    return {name: groups for name, groups in found.items() if groups}


def table(names: Sequence[str], found: dict[tuple[str, int], Floats], right: Bools) -> str:
    """All systems and ensembles as a table, and what one is worth beside another.

    Args:
        names: of the systems, CLAP first and CLAIP-TAG last.
        found: similarities `(captions, scenes)` by system and seed.
        right: `(captions, scenes)`.
    """
    seeds = sorted({seed for _, seed in found})
    lines = ["| | runs | R@1 | R@5 | R@10 | mAP@10 |", "|---|---|---|---|---|---|"]
    lines += [figures_row(name, [found[name, seed] for seed in seeds], right) for name in names]
    scores = {name: [found[name, seed] for seed in seeds] for name in names}
    for name, groups in ensembles(names, seeds).items():
        for z in (False, True):
            called = f"{name}{', z-scored' if z else ''}"
            scores[called] = [averaged([found[part] for part in group], z=z) for group in groups]
            lines.append(figures_row(called, scores[called], right))
    lines += ["", "| | beside | mAP@10 higher by | 95 % |", "|---|---|---|---|"]
    best, ten, every = f"{len(seeds)} of {names[-1]}", "10: 5 kinds, two seeds", f"all {len(found)}"
    pairs = [(name, names[0]) for name in names[1:]]
    pairs += [("CLAP-TAG MAE", "CLAP-TAG MSLE"), ("CLAIP-TAG", "CLAIP"), (best, names[-1])]
    pairs += [(four := "4 kinds, one seed", names[-1]), (ten, four), (every, ten), (ten, best)]
    for one, other in pairs:
        if one in scores and other in scores and len(seeds) > 1:
            gain = Gain.between(*(precisions(scores[name], right) for name in (one, other)))
            cells = f"{gain.mean:+.3f} | {gain.low:+.3f} to {gain.high:+.3f}"
            lines.append(f"| {one} | {other} | {cells} |")
    return "\n".join(lines) + "\n"
