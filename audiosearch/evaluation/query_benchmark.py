"""Free-text queries that several sounds may answer: how soon a right one comes, and is it shown.

What `find` shows by default is told too: how many queries it would refuse although a right sound is
there, and how many it would answer if none were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Bools, Doubles
from audiosearch.config import Config
from audiosearch.errors import DatasetError
from audiosearch.evaluation.candidate_recall import order_of_answers
from audiosearch.evaluation.datasets import Dataset, LabelledQuery
from audiosearch.evaluation.end_to_end import evaluation_library
from audiosearch.evaluation.ranking import figures_of_hits, hits_in_order
from audiosearch.evaluation.retrieval import Ranking, ranking, text_to_audio_costs
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.tables import Cell, Outcome, Table

ENGINE = "engine"
COLUMNS = (
    *("wording", "part", "score", "queries", "sounds"),
    *("r1", "r5", "r10", "map10", "median_rank", "present_refused", "absent_answered"),
)
_ALL = "all"


@dataclass(frozen=True)
class Shown:
    """The best scores that `find` gives each query."""

    right: Doubles
    """`(n_queries,)`: of a sound that answers it; 0 where none is found."""
    wrong: Doubles
    """`(n_queries,)`: of any other."""


def evaluate_queries(dataset: Dataset, run: EvaluationRun, *, engine: Config | None) -> Outcome:
    """Queries against sounds, each right for all sounds that are marked with it.

    Args:
        dataset: sounds in the layout `queries`.
        run: the model.
        engine: settings of the two-step search; None leaves it out.

    Raises:
        DatasetError: there are no queries, or clips cannot be decoded.
    """
    queries = _answerable(dataset)
    texts = [query.text for query in queries]
    relevant = np.array([[text in clip.captions for text in texts] for clip in dataset.clips])
    heard = run.encode(dataset)
    matrices = run.score_matrices(texts, heard, relevant=relevant)
    found = [
        ranking("text-to-audio", score, costs, relevant.T)
        for score, costs in text_to_audio_costs(matrices)
    ]
    shown = None
    if engine is not None:
        by_find, shown = _found(dataset, texts, relevant.T, run, engine)
        found.append(by_find)
    least = run.model.bundle.score.min_score
    rows = tuple(_rows(queries, found, shown, least=least))
    facts = [fact for fact in run.facts(dataset, heard) if fact[0] != "captions"]
    return Outcome(
        name="queries",
        title=f"Free-text queries on {dataset.name}",
        facts=(*facts, ("queries", str(len(queries))), ("least score", f"{least:.2f}")),
        tables=(Table("queries", "Queries", COLUMNS, rows),),
    )


def _answerable(dataset: Dataset) -> list[LabelledQuery]:
    """The queries that some sound of the data set answers.

    Raises:
        DatasetError: there are none.
    """
    answered = {text for clip in dataset.clips for text in clip.captions}
    queries = [query for query in dataset.queries if query.text in answered]
    if not queries:
        raise DatasetError(
            f"{dataset.name} has no queries", remedy="it takes the columns path,query"
        )
    return queries


def _found(
    dataset: Dataset, texts: Sequence[str], relevant: Bools, run: EvaluationRun, config: Config
) -> tuple[Ranking, Shown]:
    """What `find` itself answers over a library of the sounds, and how sure it is."""
    right, wrong = np.zeros(len(texts)), np.zeros(len(texts))
    answers: list[list[int]] = []
    with evaluation_library(
        dataset.clips, model=run.model, config=config, work=run.work, progress=run.progress
    ) as library:
        run.progress.start("searching", total=len(texts))
        for query, text in enumerate(texts):
            scored = library.scored(text, limit=len(dataset.clips))
            answers.append([clip for clip, _ in scored])
            for clip, score in scored:
                best = right if relevant[query, clip] else wrong
                best[query] = max(best[query], score)
            run.progress.advance(1)
    order = order_of_answers(answers, relevant)
    ranked = Ranking("text-to-audio", ENGINE, order, hits_in_order(order, relevant))
    return ranked, Shown(right, wrong)


def _rows(
    queries: Sequence[LabelledQuery],
    found: Sequence[Ranking],
    shown: Shown | None,
    *,
    least: float,
) -> Iterator[tuple[Cell, ...]]:
    for wording, part, chosen in _groups(queries):
        for one in found:
            f = figures_of_hits(one.hits[chosen])
            refused = answered = None
            if shown is not None and one.score == ENGINE:
                refused = float(np.mean(shown.right[chosen] < least))
                answered = float(np.mean(shown.wrong[chosen] >= least))
            yield (
                *(wording, part, one.score, f.n_queries, f.n_items),
                *(f.recall_1, f.recall_5, f.recall_10, f.map_10, f.median_rank),
                *(refused, answered),
            )


def _groups(queries: Sequence[LabelledQuery]) -> Iterator[tuple[str, str, list[int]]]:
    """Each wording as a whole and, where there are several parts, each of them."""
    for wording in dict.fromkeys(query.wording for query in queries):
        own = [place for place, query in enumerate(queries) if query.wording == wording]
        yield wording, _ALL, own
        parts = dict.fromkeys(queries[place].part for place in own)
        for part in parts if len(parts) > 1 else ():
            yield wording, part, [place for place in own if queries[place].part == part]
