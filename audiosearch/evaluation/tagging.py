"""Tags: how well a model names sounds, by its own tags and by words it was never tied to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Ints
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.ranking import pool_greatest
from audiosearch.evaluation.retrieval import Ranking, rankings
from audiosearch.evaluation.run import EvaluationRun, need_labels
from audiosearch.evaluation.scenes.grammar import wording
from audiosearch.evaluation.tables import Cell, GridFigure, Outcome, Table


def average_precision(scores: AnyFloats, positive: Bools) -> float:
    """Mean, over the positive items, of the precision at the rank of each; higher scores first.

    Of equal scores the earlier item comes first.
    """
    hits = positive[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def evaluate_tags(dataset: Dataset, run: EvaluationRun, *, template: str | None) -> Outcome:
    """MAP and accuracy of the encoder's tags, and the accuracy of zero-shot labels.

    A sound's tag is as probable as in its best window. Only labels that are names of tags can be
    asked of the tag output; the others are counted and named in the remarks.

    Args:
        dataset: clips with labels.
        run: the model.
        template: a sentence with {} for a label's name; None puts labels into words as the scenes
            benchmark does.

    Raises:
        DatasetError: clips have no label, or cannot be decoded.
    """
    need_labels(dataset)
    encoded = run.encode(dataset)
    labels = dataset.labels
    truth = np.array([labels.index(clip.label) for clip in dataset.clips], dtype=np.int64)
    sentences = tuple(in_words(label, template) for label in labels)
    relevant: Bools = truth[:, None] == np.arange(len(labels))[None, :]
    matrices = run.score_matrices(sentences, encoded, relevant=relevant)
    found = rankings(matrices)
    tag_table, tag_figures, remarks = _tag_output(labels, truth, encoded, run)
    named = [one for one in found if one.direction == "audio-to-text"]
    best = max(named, key=lambda one: one.figures.recall_1)
    return Outcome(
        name="tags",
        title=f"Tags on {dataset.name}",
        facts=(*run.facts(dataset, encoded), ("labels", str(len(labels)))),
        tables=(tag_table, zero_shot_table(found)),
        figures=(
            *tag_figures,
            confusion(
                f"Zero-shot labels by {best.score}", labels, truth, best.order[:, 0].tolist()
            ),
        ),
        remarks=remarks,
    )


def in_words(label: str, template: str | None) -> str:
    """A label as a sentence."""
    if template is None:
        return wording(label).thing
    return template.replace("{}", label.replace("_", " "))


def zero_shot_table(found: Sequence[Ranking]) -> Table:
    """Accuracy of naming sounds, and how well the words of a label find its sounds."""
    by_score: dict[str, dict[str, Ranking]] = {}
    for one in found:
        by_score.setdefault(one.score, {})[one.direction] = one
    rows: list[tuple[Cell, ...]] = []
    for score, both in by_score.items():
        named = both["audio-to-text"].figures
        finding = both.get("text-to-audio")
        rows.append(
            (
                *(score, named.n_queries, named.n_items, named.recall_1, named.recall_5),
                None if finding is None else finding.figures.recall_1,
                None if finding is None else finding.figures.map_10,
            )
        )
    columns = ("score", "clips", "labels", "accuracy", "top5", "label_r1", "label_map10")
    return Table("zero_shot", "Zero-shot labels", columns, tuple(rows))


def _tag_output(
    labels: Sequence[str], truth: Ints, encoded: EncodedDataset, run: EvaluationRun
) -> tuple[Table, list[GridFigure], tuple[str, ...]]:
    """Table, confusion and remarks of the encoder's tags."""
    names = [_plain(tag) for tag in run.model.bundle.tags]
    columns = ("clips", "labels", "map", "accuracy", "accuracy_all_tags")
    covered = [place for place, label in enumerate(labels) if _plain(label) in names]
    left_out = [label for label in labels if _plain(label) not in names]
    remarks = []
    if not names:
        remarks.append("the bundle has no tag output: only zero-shot labels are measured")
    elif left_out:
        remarks.append(f"no tag is named {', '.join(left_out[:20])}: left out of the tag figures")
    if not covered:
        return Table("tags", "Tag output", columns, ()), [], tuple(remarks)
    asked = np.isin(truth, covered)
    scores = pool_greatest(encoded.tags, encoded.owners)[asked]
    mine = scores[:, [names.index(_plain(labels[place])) for place in covered]]
    own = np.searchsorted(covered, truth[asked])
    taken = np.argmax(mine, axis=1)
    row: tuple[Cell, ...] = (
        len(own),
        len(covered),
        float(np.mean([average_precision(mine[:, i], own == i) for i in range(len(covered))])),
        float(np.mean(taken == own)),
        float(
            np.mean(
                [
                    names[t] == _plain(labels[covered[o]])
                    for t, o in zip(np.argmax(scores, axis=1), own, strict=True)
                ]
            )
        ),
    )
    figure = confusion(
        "Tag output", [labels[place] for place in covered], own, [int(t) for t in taken]
    )
    return Table("tags", "Tag output", columns, (row,)), [figure], tuple(remarks)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


def confusion(title: str, names: Sequence[str], truth: Ints, taken: Sequence[int]) -> GridFigure:
    """How often each label was taken for each."""
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (truth, np.asarray(taken, dtype=np.int64)), 1)
    values = tuple(tuple(int(n) for n in row) for row in counts)
    return GridFigure(f"Confusion: {title}", "is", "taken for", tuple(names), values)
