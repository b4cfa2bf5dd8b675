"""Captions for a sound: which way of making captions comparable ranks the right one first.

Scenes of held-out recordings, two captions each, against all captions of all scenes; by raw
cross-entropy, lift, min-max and z-score with scales from samples of several sizes (means over
draws), by the mean rank of min-max and lift, and by the bundle's own score (lift and likeness).
`distinct` is how many different captions come first for some sound.

python -m benchmarks.caption_ranking manifest.csv [--folds 5] [--work FOLDER]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from audiosearch.config import load_config
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.evidence import Trial
from audiosearch.evaluation.held_out import only_held_out
from audiosearch.evaluation.normalise import Normalisation, normalised, scale_of
from audiosearch.evaluation.pooling import pool_least
from audiosearch.evaluation.progress import NoProgress
from audiosearch.evaluation.ranking import figures_of_hits, hits_in_order, rank_order
from audiosearch.evaluation.retrieval import Evidence
from audiosearch.evaluation.retrieval_benchmark import gather
from audiosearch.evaluation.scene_audio import write_scenes
from audiosearch.evaluation.scenes import SceneSettings, plan_scenes
from audiosearch.evaluation.subject import Subject
from audiosearch.evaluation.work_folder import WorkFolder
from audiosearch.library import find_model
from audiosearch.model.runtime import RuntimeOptions

Costs = npt.NDArray[np.floating]

SIZES = (16, 64, 256, 1024)
DRAWS = 5


def ranks(costs: Costs) -> Costs:
    """(n_windows, n_captions) places of captions within each window."""
    places: Costs = np.argsort(np.argsort(costs, axis=1), axis=1).astype(np.float64)
    return places


def ways(evidence: Evidence, *, seed: int) -> Iterator[tuple[str, int, list[Costs]]]:
    """Name, size of the sample (0: none) and costs (n_windows, n_captions) of each draw."""
    losses, alone = evidence.cross_entropies, evidence.without_sound
    n = len(losses)
    generator = np.random.default_rng(seed)
    lift: Costs = normalised(
        losses, how=Normalisation.LIFT, scale=scale_of(losses), without_sound=alone
    )
    yield "raw", 0, [losses.astype(np.float64)]
    yield "lift", 0, [lift]
    combined = evidence.combined()
    if combined is not None and evidence.cosine is not None:
        yield "joint", 0, [-evidence.cosine]
        yield "score", 0, [combined]
    for size in (*(s for s in SIZES if s < n), n):
        samples = [
            losses[generator.choice(n, size, replace=False)]
            for _ in range(DRAWS if size < n else 1)
        ]
        for how in (Normalisation.MINMAX, Normalisation.ZSCORE):
            costs: list[Costs] = [
                normalised(losses, how=how, scale=scale_of(sample), without_sound=alone)
                for sample in samples
            ]
            yield str(how), size, costs
            if how is Normalisation.MINMAX:
                yield "minmax+lift", size, [ranks(each) + ranks(lift) for each in costs]
                if combined is not None:
                    yield "minmax+score", size, [ranks(each) + ranks(combined) for each in costs]


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bundle", default=None, help="Model (default: the one in use).")
@click.option("--folds", default="", help="Only clips of these folds.")
@click.option("--ordered", default=100, show_default=True)
@click.option("--together", default=100, show_default=True)
@click.option("--three", default=50, show_default=True)
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
    """Print the table."""
    config = load_config()
    path = find_model(config, bundle or config.model.bundle)
    names = tuple(name for name in folds.split(",") if name)
    dataset = only_held_out(read_dataset(manifest, folds=names), bundle=path)
    settings = SceneSettings(seed=seed, ordered=ordered, together=together, three=three)
    with tempfile.TemporaryDirectory() as place:
        folder = WorkFolder(work or Path(place))
        trial = Trial(Subject.open(path, options=RuntimeOptions()), folder, NoProgress())
        scenes = plan_scenes(dataset.clips, settings)
        composed = write_scenes(
            scenes,
            dataset.clips,
            folder=folder.part("scenes", repr(settings)),
            progress=NoProgress(),
        )
        heard, evidence = gather(composed, trial)
    print(
        f"{len(composed.clips)} scenes of {len(dataset.clips)} held-out clips, "
        f"{len(heard.frames)} windows, {len(composed.captions)} captions, {path.name}"
    )
    print(f"{'ranked by':<14} {'sample':>6} {'R@1':>6} {'R@5':>6} {'R@10':>6} {'distinct':>8}")
    raw = pool_least(evidence.cross_entropies, evidence.owners)
    for name, size, draws in ways(evidence, seed=seed):
        orders = [rank_order(pool_least(each, evidence.owners), ties=raw) for each in draws]
        found = [figures_of_hits(hits_in_order(each, evidence.relevant)) for each in orders]
        distinct = np.mean([len(np.unique(each[:, 0])) for each in orders])
        print(
            f"{name:<14} {size or '':>6} {np.mean([f.recall_1 for f in found]):6.3f}"
            f" {np.mean([f.recall_5 for f in found]):6.3f}"
            f" {np.mean([f.recall_10 for f in found]):6.3f} {distinct:8.0f}"
        )


if __name__ == "__main__":
    main()
