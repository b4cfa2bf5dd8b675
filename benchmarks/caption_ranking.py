"""Captions for a sound: which way of making captions comparable ranks the right one first.

Scenes of held-out recordings, two captions each, against all captions of all scenes. The groups of
recordings are parted in two halves with scenes of their own: what ranks, over how many windows a
scale is taken and how many captions get one is chosen on the first half and measured on the second.
Ways: raw cross-entropy, lift, the joint space, the bundle's score; with scales from samples of
several sizes (means over draws) min-max, z-score, `mean` (the default of `describe`: cross-entropy
and joint likeness, both by min-max and a little of the z-score), the same without the likeness, and
means of cross-entropy and likeness by min-max or by z-score only. `distinct` is how many different
captions come first for some sound. A second table cuts the captions that get a scale to those that
score best.

python -m benchmarks.caption_ranking manifest.csv [--folds 4] [--work FOLDER]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from audiosearch._typing import AnyFloats, Ints
from audiosearch.config import load_config
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.ranking import figures_of_hits, hits_in_order, pool_least, rank_order
from audiosearch.evaluation.retrieval import ScoreMatrices
from audiosearch.evaluation.retrieval_benchmark import gather
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.scenes.plan import SceneSettings, plan_scenes
from audiosearch.evaluation.scenes.render import write_scenes
from audiosearch.evaluation.splits import only_held_out
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.library.model_selection import find_model
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.search.describe import TRIED
from audiosearch.search.normalise import Normalise

SIZES = (16, 64, 128, 256)
DRAWS = 5
SHORTLISTS = (10, 20, 40, 80, TRIED)
SAMPLE = 128  # windows, in the table of shortlists


@dataclass(frozen=True)
class Row:
    """What one way comes to, a mean over draws of the sample."""

    way: str
    size: int | None  # windows in the sample
    recall: tuple[float, float, float]  # at 1, 5, 10
    distinct: float


def samples(evidence: ScoreMatrices, size: int, *, seed: int) -> list[Ints]:
    """`DRAWS` samples of `size` windows; one where that is all of them."""
    n_windows = len(evidence.cross_entropies)
    if size >= n_windows:
        return [np.arange(n_windows)]
    generator = np.random.default_rng([seed, size])
    return [generator.choice(n_windows, size, replace=False) for _ in range(DRAWS)]


def ways(
    evidence: ScoreMatrices, *, seed: int
) -> Iterator[tuple[str, int | None, list[AnyFloats]]]:
    """Name, size of the sample (None: none) and costs (n_windows, n_captions) of each draw."""
    raw, lift = evidence.normalised(Normalise.NONE), evidence.normalised(Normalise.LIFT)
    yield "none", None, [raw]
    yield "lift", None, [lift]
    combined = evidence.combined()
    if combined is not None and evidence.cosine is not None:
        yield "joint", None, [-evidence.cosine]
        yield "score", None, [combined]
    n_windows = len(raw)
    for size in (*(s for s in SIZES if s < n_windows), n_windows):
        drawn = samples(evidence, size, seed=seed)
        for how in (Normalise.MINMAX, Normalise.ZSCORE, Normalise.MEAN):
            yield str(how), size, [evidence.normalised(how, sample=each) for each in drawn]
        unlike = replace(evidence, cosine=None)
        alone: list[AnyFloats] = [unlike.normalised(Normalise.MEAN, sample=each) for each in drawn]
        yield "mean of one", size, alone
        if evidence.cosine is not None:
            likeness = replace(evidence, cross_entropies=-evidence.cosine)
            for how in (Normalise.MINMAX, Normalise.ZSCORE):
                both: list[AnyFloats] = [
                    evidence.normalised(how, sample=each) + likeness.normalised(how, sample=each)
                    for each in drawn
                ]
                yield f"both {how}", size, both


def shortlisted(evidence: ScoreMatrices, sample: Ints, *, n_scaled: int) -> AnyFloats:
    """`mean` as `describe` has it: of the `TRIED` nearest captions, those that score best."""
    combined = evidence.combined()
    if combined is None or evidence.cosine is None:
        raise click.ClickException("the bundle has no joint space")
    every = evidence.normalised(Normalise.MEAN, sample=sample)
    costs: AnyFloats = np.full(every.shape, np.inf)
    for row, (cosines, scores) in enumerate(zip(evidence.cosine, combined, strict=True)):
        tried = np.argsort(-cosines, kind="stable")[:TRIED]
        best = tried[np.argsort(scores[tried], kind="stable")[:n_scaled]]
        costs[row, best] = every[row, best]
    return costs


def measured(way: str, size: int | None, draws: list[AnyFloats], evidence: ScoreMatrices) -> Row:
    """The figures of costs (n_windows, n_captions)."""
    raw = pool_least(evidence.cross_entropies, evidence.owners)
    orders = [rank_order(pool_least(each, evidence.owners), ties=raw) for each in draws]
    found = [figures_of_hits(hits_in_order(each, evidence.relevant)) for each in orders]
    recall = (
        float(np.mean([f.recall_1 for f in found])),
        float(np.mean([f.recall_5 for f in found])),
        float(np.mean([f.recall_10 for f in found])),
    )
    distinct = float(np.mean([len(np.unique(each[:, 0])) for each in orders]))
    return Row(way, size, recall, distinct)


def halves(dataset: Dataset, *, seed: int) -> list[Dataset]:
    """The clips of one half of the groups, and those of the other."""
    groups = sorted({clip.group for clip in dataset.clips})
    np.random.default_rng(seed).shuffle(groups)
    first = set(groups[: len(groups) // 2])
    return [
        replace(dataset, clips=tuple(c for c in dataset.clips if (c.group in first) is wanted))
        for wanted in (True, False)
    ]


def show(title: str, found: list[tuple[Row, Row]]) -> None:
    """One table; the way that is best on the first half is marked."""
    best = max(found, key=lambda pair: pair[0].recall)[0]
    print(f"\n{title}")
    print("                        chosen on the first half      measured on the second half")
    head = f"{'R@1':>6} {'R@5':>6} {'R@10':>6} {'distinct':>8}"
    print(f"  {'ranked by':<12} {'sample':>6}  {head}  {head}")
    for pair in found:
        cells = "  ".join(
            " ".join(f"{value:6.3f}" for value in row.recall) + f" {row.distinct:8.0f}"
            for row in pair
        )
        mark = "*" if pair[0] is best else " "
        print(f"{mark} {pair[0].way:<12} {pair[0].size or '':>6}  {cells}")


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bundle", default=None, help="Model (default: the one in use).")
@click.option("--folds", default="", help="Only clips of these folds.")
@click.option("--ordered", default=60, show_default=True)
@click.option("--together", default=60, show_default=True)
@click.option("--three", default=30, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keeps half-done work.")
def main(
    manifest: Path,
    bundle: str | None,
    folds: str,
    ordered: int,
    together: int,
    three: int,
    seed: int,
    work: Path | None,
) -> None:
    """Print the tables."""
    started = time.monotonic()
    config = load_config()
    path = find_model(config, bundle or config.model.bundle)
    names = tuple(name for name in folds.split(",") if name)
    dataset = only_held_out(read_dataset(manifest, folds=names), bundle=path)
    settings = SceneSettings(seed=seed, ordered=ordered, together=together, three=three)
    both: list[ScoreMatrices] = []
    with tempfile.TemporaryDirectory() as place:
        folder = WorkFolder(work or Path(place))
        run = EvaluationRun(Model.open(path, options=RuntimeOptions()), folder, NoStageProgress())
        for number, half in enumerate(halves(dataset, seed=seed), start=1):
            composed = write_scenes(
                plan_scenes(half.clips, settings),
                half.clips,
                folder=folder.part("scenes", repr(settings), *(c.name for c in half.clips)),
                progress=NoStageProgress(),
            )
            heard, evidence = gather(composed, run)
            both.append(evidence)
            print(
                f"half {number}: {len(composed.clips)} scenes of {len(half.clips)} clips in "
                f"{len({c.group for c in half.clips})} groups, {len(heard.frames)} windows, "
                f"{len(composed.captions)} captions"
            )
    first, second = both
    name = run.model.bundle
    print(f"model: {name.name} {name.version} ({name.fingerprint[:12]})")
    show(
        "Captions for a sound, all captions compete",
        [
            (measured(*one, first), measured(*two, second))
            for one, two in zip(ways(first, seed=seed), ways(second, seed=seed), strict=True)
        ],
    )
    rows = []
    for n_scaled in SHORTLISTS:
        pair = [
            measured(
                f"best {n_scaled}",
                SAMPLE,
                [
                    shortlisted(each, sample, n_scaled=n_scaled)
                    for sample in samples(each, SAMPLE, seed=seed)
                ],
                each,
            )
            for each in both
        ]
        rows.append((pair[0], pair[1]))
    show(f"`mean`, of the {TRIED} nearest captions only those that score best", rows)
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
