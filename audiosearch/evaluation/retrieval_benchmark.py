"""The benchmarks of retrieval: the full table, and what the shortlist loses."""

from __future__ import annotations

from collections import defaultdict

from audiosearch._typing import Bools
from audiosearch._wording import counted
from audiosearch.config import Config
from audiosearch.errors import FeatureUnavailable
from audiosearch.evaluation.candidate_recall import Shortlisted, order_of_answers, shortlisted
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.end_to_end import evaluation_library
from audiosearch.evaluation.ranking import hits_in_order, pool_least
from audiosearch.evaluation.retrieval import (
    Ranking,
    ScoreMatrices,
    loss_figures,
    ranking,
    rankings,
    recall_figures,
    retrieval_table,
)
from audiosearch.evaluation.run import EvaluationRun, need_captions
from audiosearch.evaluation.tables import Cell, Line, LineFigure, Outcome, Table
from audiosearch.model.tokenizer import normalise
from audiosearch.search.audio_to_text import SCALED

SHORTLISTS = (50, 100, 200, 500)


def evaluate_retrieval(dataset: Dataset, run: EvaluationRun, *, engine: Config | None) -> Outcome:
    """Text-to-audio and audio-to-text by every score.

    Args:
        dataset: clips with captions.
        run: the model.
        engine: settings of the two-step search; None leaves it out.

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    if run.model.bundle.decoder is None:
        return _by_likeness(dataset, run, engine=engine)
    encoded, matrices = gather(dataset, run)
    found = rankings(matrices)
    if engine is not None:
        found += engine_rankings(dataset, matrices, run, engine)
    return Outcome(
        name="retrieval",
        title=f"Retrieval on {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(retrieval_table(found),),
        figures=(*recall_figures(found), *loss_figures(matrices)),
    )


def _by_likeness(dataset: Dataset, run: EvaluationRun, *, engine: Config | None) -> Outcome:
    """Both directions by the joint space alone, of a model without a captioner.

    Raises:
        FeatureUnavailable: it has no joint space either.
    """
    need_captions(dataset)
    encoded = run.encode(dataset)
    cosine = run.cosines(dataset.captions, encoded)
    if cosine is None:
        raise FeatureUnavailable(
            "this model has neither a captioner nor a space shared by text and sound",
            path=run.model.bundle.path,
        )
    costs = pool_least(-cosine, encoded.owners)
    found = [
        ranking("text-to-audio", "joint", costs.T, dataset.relevant.T),
        ranking("audio-to-text", "joint", costs, dataset.relevant),
    ]
    if engine is not None:
        found.append(found_by_text(dataset, dataset.relevant.T, run, engine))
    return Outcome(
        name="retrieval",
        title=f"Retrieval on {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(retrieval_table(found),),
        figures=tuple(recall_figures(found)),
    )


def gather(dataset: Dataset, run: EvaluationRun) -> tuple[EncodedDataset, ScoreMatrices]:
    """What the model hears, and the matrices for every pair of clip and caption.

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    need_captions(dataset)
    encoded = run.encode(dataset)
    return encoded, run.score_matrices(dataset.captions, encoded, relevant=dataset.relevant)


def engine_rankings(
    dataset: Dataset, matrices: ScoreMatrices, run: EvaluationRun, config: Config
) -> list[Ranking]:
    """What the program itself answers: `find` the captions, and `describe` the sounds.

    Audio-to-text has a row where there is a joint space: without one, captions are candidates only
    if the model has said them of a sound that is alike.
    """
    found = [found_by_text(dataset, matrices.relevant.T, run, config)]
    if matrices.cosine is not None:
        found.append(described(dataset, matrices.relevant, run, config))
    return found


def found_by_text(dataset: Dataset, relevant: Bools, run: EvaluationRun, config: Config) -> Ranking:
    """Search itself over a library of the clips: candidates, then the decoder.

    Args:
        dataset: clips and captions.
        relevant: (n_captions, n_clips).
        run: the model.
        config: the user's settings.
    """
    with evaluation_library(
        dataset.clips,
        model=run.model,
        config=config,
        work=run.work,
        progress=run.progress,
    ) as library:
        run.progress.start("searching", total=len(dataset.captions))
        answers = []
        for caption in dataset.captions:
            answers.append(library.found(caption, limit=len(dataset.clips)))
            run.progress.advance(1)
    order = order_of_answers(answers, relevant)
    return Ranking("text-to-audio", "engine", order, hits_in_order(order, relevant))


def described(dataset: Dataset, relevant: Bools, run: EvaluationRun, config: Config) -> Ranking:
    """`describe` itself over a library of the clips and the captions, as it is configured.

    The first `SCALED` captions of each clip are ranked; of what follows, the right ones come last.

    Args:
        dataset: clips and captions.
        relevant: (n_clips, n_captions).
        run: the model.
        config: the user's settings.
    """
    columns: dict[str, list[int]] = defaultdict(list)
    for column, caption in enumerate(dataset.captions):
        columns[normalise(caption)].append(column)
    with evaluation_library(
        dataset.clips,
        model=run.model,
        config=config,
        work=run.work,
        progress=run.progress,
        captions=dataset.captions,
    ) as library:
        run.progress.start("describing", total=len(dataset.clips))
        answers = []
        for clip in range(len(dataset.clips)):
            texts = library.described(clip, limit=SCALED)
            answers.append([column for text in texts for column in columns[text]])
            run.progress.advance(1)
    order = order_of_answers(answers, relevant)
    return Ranking("audio-to-text", "engine", order, hits_in_order(order, relevant))


def evaluate_shortlist(dataset: Dataset, run: EvaluationRun, *, config: Config) -> Outcome:
    """What candidates of several sizes lose against listening to every window.

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    encoded, matrices = gather(dataset, run)
    scores = {"ce": matrices.cross_entropies}
    combined = matrices.combined()
    if combined is not None:
        scores["combined"] = combined
    with evaluation_library(
        dataset.clips,
        model=run.model,
        config=config,
        work=run.work,
        progress=run.progress,
    ) as library:
        n_queries = len(dataset.captions)
        run.progress.start("listing candidates", total=len(SHORTLISTS) * n_queries)
        lists = {
            k: library.shortlists(dataset.captions, limit=k, encoded=encoded, progress=run.progress)
            for k in SHORTLISTS
        }
    found = {
        (score, k): shortlisted(
            costs, owners=matrices.owners, relevant=matrices.relevant, candidates=lists[k]
        )
        for score, costs in scores.items()
        for k in SHORTLISTS
    }
    remarks = []
    if len(encoded.frames) <= max(SHORTLISTS):
        remarks.append(
            f"the data set has only {counted(len(encoded.frames), 'window')}: "
            "longer lists lose nothing"
        )
    rows = tuple(_shortlist_row(score, k, one) for (score, k), one in found.items())
    return Outcome(
        name="shortlist",
        title=f"Candidates on {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(Table("shortlist", "Candidates against all windows", _SHORTLIST_COLUMNS, rows),),
        figures=(_shortlist_figure(found),),
        remarks=tuple(remarks),
    )


_SHORTLIST_COLUMNS = (
    *("score", "candidates", "right_listed", "best_listed", "top10_listed"),
    *("r1", "r5", "r10", "map10", "loss_r1", "loss_r10", "loss_map10"),
)


def _shortlist_row(score: str, k: int, one: Shortlisted) -> tuple[Cell, ...]:
    some, every = one.end_to_end, one.exhaustive
    return (
        *(score, k, one.right, one.best, one.top),
        *(some.recall_1, some.recall_5, some.recall_10, some.map_10),
        every.recall_1 - some.recall_1,
        every.recall_10 - some.recall_10,
        every.map_10 - some.map_10,
    )


def _shortlist_figure(found: dict[tuple[str, int], Shortlisted]) -> LineFigure:
    score = next(iter(found))[0]
    mine = [(k, one) for (name, k), one in found.items() if name == score]
    xs = tuple(float(k) for k, _ in mine)
    lines = (
        Line("right sound", xs, tuple(one.right for _, one in mine)),
        Line("best sound", xs, tuple(one.best for _, one in mine)),
        Line("ten best", xs, tuple(one.top for _, one in mine)),
    )
    return LineFigure(
        "Recall of the candidate step", "candidates", "share listed", lines, by_doubling=True
    )
