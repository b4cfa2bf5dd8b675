"""Would another score tell better what is there from what is not? Trials on the breadth benchmark.

What the score could be given besides a pair's own cross-entropy and likeness: the query's own scale
over the library, and what the encoder's tags say of it through the likeness of their names. A row
a trial; nothing is fitted here. The balanced error is the smallest share of queries that both are
refused though there and answered though not; below `1 - r1` over two no scale can bring it, since
a wrong sound that is ahead of the right one stays ahead.

python -m benchmarks.score_trials sounds2/manifest.csv --other sounds/manifest.csv [--bundle FOLDER]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from audiosearch._typing import Bools, Doubles
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.ranking import figures, pool_greatest
from audiosearch.evaluation.retrieval import ScoreMatrices
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.training.calibrate import balanced_error
from audiosearch.training.distillation.named import names_of_tag
from benchmarks.breadth import WORDINGS, other_option, read_queries, write_dataset
from benchmarks.evaluation_tables import place

SHARPNESS = 10.0  # of the likeness of a query to the tags' names
FAINT = 0.25  # the power of a tag's probability


@dataclass(frozen=True)
class Heard:
    """A data set and what the model says of it."""

    dataset: Dataset
    encoded: EncodedDataset
    matrices: ScoreMatrices

    @property
    def evidence(self) -> Doubles:
        """`(n_windows, n_queries)` what the score is made of."""
        combined = self.matrices.combined()
        assert combined is not None
        return -combined.astype(np.float64)

    @property
    def likeness(self) -> Doubles:
        """`(n_windows, n_queries)` in the joint space, weighed as in the score."""
        assert self.matrices.cosine is not None
        return self.matrices.weights.joint * self.matrices.cosine.astype(np.float64)


def hear(model: Model, data: Path, audio: Path, work: WorkFolder) -> Heard:
    """The benchmark's sounds, and every query against each."""
    dataset = read_dataset(data, audio=audio)
    run = EvaluationRun(model, work, NoStageProgress())
    texts = [query.text for query in dataset.queries]
    relevant = np.array([[text in clip.captions for text in texts] for clip in dataset.clips])
    encoded = run.encode(dataset)
    return Heard(dataset, encoded, run.score_matrices(texts, encoded, relevant=relevant))


def tag_evidence(model: Model, heard: Heard) -> Doubles:
    """`(n_windows, n_queries)` the tags that are heard, weighed by how like the query they are."""
    assert model.tower is not None
    means = []
    for tag in model.bundle.tags:
        mean = model.tower.embed(names_of_tag(tag)).mean(axis=0)
        means.append(mean / max(1e-9, float(np.linalg.norm(mean))))
    asked = model.tower.embed([query.text for query in heard.dataset.queries])
    near = np.exp(SHARPNESS * (asked @ np.stack(means).T).astype(np.float64))
    near /= near.sum(axis=1, keepdims=True)
    weighed: Doubles = heard.encoded.tags.astype(np.float64) ** FAINT @ near.T
    return weighed


def own_scale(evidence: Doubles, quantile: float) -> Doubles:
    """Less what the library gives the query at a quantile."""
    scaled: Doubles = evidence - np.quantile(evidence, quantile, axis=0)
    return scaled


def standardised(evidence: Doubles) -> Doubles:
    """In standard deviations above the library's mean, for each query."""
    spread: Doubles = (evidence - evidence.mean(axis=0)) / evidence.std(axis=0)
    return spread


def trials(heard: Heard, tags: Doubles) -> Mapping[str, Doubles]:
    """Evidence `(n_windows, n_queries)` by the name of the trial."""
    evidence, likeness = heard.evidence, heard.likeness
    unit = likeness.std() / tags.std()
    lifts = heard.matrices.lifts()
    return {
        "cross-entropy (lift)": lifts,
        "joint space": likeness,
        "the score": evidence,
        "the score, less the query's median": own_scale(evidence, 0.5),
        "the score, less the query's .9 quantile": own_scale(evidence, 0.9),
        "the score, less the query's .99 quantile": own_scale(evidence, 0.99),
        "the score, standardised by query": standardised(evidence),
        "the lift, standardised by query": standardised(lifts),
        "the score and tags, a fifth": evidence + 0.2 * unit * tags,
        "the score and tags, a third": evidence + 0.35 * unit * tags,
        "the joint space and tags, a third": likeness + 0.35 * unit * tags,
    }


def row(evidence: Doubles, heard: Heard) -> Iterator[str]:
    """The figures of a trial in each wording."""
    pooled = pool_greatest(evidence, heard.matrices.owners).astype(np.float64)
    for wording in WORDINGS:
        own = [i for i, query in enumerate(heard.dataset.queries) if query.wording == wording]
        unseen = [i for i in own if heard.dataset.queries[i].part == "unseen"]
        right = heard.matrices.relevant
        ranked = figures(-pooled[:, own].T, right[:, own].T)
        rare = figures(-pooled[:, unseen].T, right[:, unseen].T)
        error = balanced_error(*best_of_both(pooled[:, own], right[:, own]))
        yield from (f"{value:.3f}" for value in (ranked.recall_1, ranked.recall_5))
        yield from (f"{rare.recall_5:.3f}", f"{error:.3f}")


def best_of_both(evidence: Doubles, right: Bools) -> tuple[Doubles, Doubles]:
    """Of each query the best right sound and the best wrong one, `(n_queries,)` each."""
    present: Doubles = np.where(right, evidence, -np.inf).max(axis=0)
    absent: Doubles = np.where(right, -np.inf, evidence).max(axis=0)
    return present, absent


def lines(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The table."""
    columns = [
        f"{wording}: {name}"
        for wording in WORDINGS
        for name in ("R@1", "R@5", "unseen R@5", "balanced error")
    ]
    yield f"| | {' | '.join(columns)} |"
    yield f"|{'---|' * (1 + len(columns))}"
    for name, values in found.items():
        yield f"| {name} | {' | '.join(values)} |"


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@other_option
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("models/starter"))
@click.option("--work", type=click.Path(path_type=Path), help="Keeps half-done work.")
def main(manifest: Path, others: tuple[Path, ...], bundle: Path, work: Path | None) -> None:
    """Print Markdown."""
    model = Model.open(bundle, options=RuntimeOptions())
    with place(work) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "breadth.csv"
        write_dataset(data, manifest, others, read_queries())
        heard = hear(model, data, manifest.parent, WorkFolder(folder / "data" / "evaluation"))
        tags = tag_evidence(model, heard)
        made = {name: list(row(each, heard)) for name, each in trials(heard, tags).items()}
    for line in lines(made):
        print(line)


if __name__ == "__main__":
    main()
