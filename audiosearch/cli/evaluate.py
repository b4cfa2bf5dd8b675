"""`audiosearch evaluate`: how good a model is, by the measures of the field and by our own.

Each command reads a data set, runs the model on it and says what came out: tables on the terminal,
`--json`, or a page with `--report`. Long work is kept as it goes; the same command goes on where it
was stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import click

from audiosearch.cli.evaluate_options import EvaluationOptions, evaluation_options
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.output import print_json, remark
from audiosearch.cli.progress import EvaluationProgress
from audiosearch.cli.terminal import say, style
from audiosearch.cluster.opening import open_hearing
from audiosearch.evaluation.captioning import evaluate_captions
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.pieces import Workers
from audiosearch.evaluation.query_benchmark import evaluate_queries
from audiosearch.evaluation.relation_benchmark import evaluate_relations
from audiosearch.evaluation.report import write_report
from audiosearch.evaluation.retrieval_benchmark import (
    evaluate_retrieval,
    evaluate_shortlist,
)
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.scale_benchmark import evaluate_scale
from audiosearch.evaluation.scenes.benchmark import evaluate_scenes
from audiosearch.evaluation.scenes.plan import SceneSettings
from audiosearch.evaluation.splits import held_out, only_held_out, refuse_trained
from audiosearch.evaluation.tables import Outcome, Table, averaged, json_rows, shown
from audiosearch.evaluation.tagging import evaluate_tags
from audiosearch.evaluation.work_folder import WorkFolder
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import Bundle
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions

Benchmark = Callable[[Dataset, EvaluationRun], Outcome]


@click.group(cls=CommandGroup)
def evaluate() -> None:
    """Measure a model on data sets with known answers.

    DATA.csv lists sounds with captions (columns file_name,caption_1... as Clotho has them;
    youtube_id,start_time,caption as AudioCaps; or path,caption...), with labels (path,label and,
    where known, group and fold) or with free-text queries (path,query). An evaluation that is
    stopped goes on when it is called again.

    \b
      audiosearch evaluate retrieval clotho_captions_evaluation.csv --audio evaluation --whole
      audiosearch evaluate scenes manifest.csv --folds 4 --report report
    """


@evaluate.command()
@click.option(
    "--no-engine",
    is_flag=True,
    help="Do not measure `find` and `describe` on a library of the sounds.",
)
@evaluation_options
def retrieval(options: EvaluationOptions, no_engine: bool) -> None:
    """Do captions find their sounds, and sounds their captions?

    Recall at 1, 5 and 10 and mAP@10 in both directions, by raw cross-entropy, min-max, z-score,
    lift, the joint space, cross-entropy and joint space scaled, lift and joint space together, and
    by `find` and `describe` themselves.
    """
    engine = None if no_engine else options.config
    _run(options, lambda data, run: evaluate_retrieval(data, run, engine=engine))


@evaluate.command()
@click.option("--no-engine", is_flag=True, help="Leave out the two-step search over a library.")
@evaluation_options
def queries(options: EvaluationOptions, no_engine: bool) -> None:
    """Do free-text queries find the sounds that answer them?

    DATA.csv has a row for each query that a sound answers (path,query and, where there are several,
    wording and part); a sound that answers none has one row without a query. Recall and mAP@10 by
    every score and by `find` itself, and how many queries it would refuse, or answer wrongly, at
    its least score.
    """
    engine = None if no_engine else options.config
    _run(options, lambda data, run: evaluate_queries(data, run, engine=engine))


@evaluate.command()
@evaluation_options
def shortlist(options: EvaluationOptions) -> None:
    """What is lost by reranking 50, 100, 200 or 500 candidates instead of every window?"""
    options = replace(options, whole=False)  # the library cuts windows
    _run(options, lambda data, run: evaluate_shortlist(data, run, config=options.config))


@evaluate.command()
@evaluation_options
def scale(options: EvaluationOptions) -> None:
    """How many sounds does it take to know a caption's range of cross-entropy?"""
    _run(options, lambda data, run: evaluate_scale(data, run, seed=options.seed))


@evaluate.command()
@click.option(
    "--skip-idioms", is_flag=True, help='Pass over "as" in "as well as", "such as", "as if" ...'
)
@evaluation_options
def relations(options: EvaluationOptions, skip_idioms: bool) -> None:
    """Does the model hear before from after, and then from while?

    Words of time in captions are replaced, or what stands around them is exchanged; the model
    should find the true caption likelier.
    """
    _run(
        options,
        lambda data, run: evaluate_relations(data, run, seed=options.seed, skip_idioms=skip_idioms),
    )


@evaluate.command()
@evaluation_options
def captions(options: EvaluationOptions) -> None:
    """How good are the model's own captions?

    CIDEr-D, BLEU, ROUGE-L and METEOR with the extra `eval` (and Java); SPICE, SPIDEr, SPIDEr-FL
    and FENSE where aac-metrics and its models are installed.
    """
    _run(options, evaluate_captions)


@evaluate.command()
@click.option("--template", metavar="TEXT", help='Sentence for a label, such as "the sound of {}".')
@evaluation_options
def tags(options: EvaluationOptions, template: str | None) -> None:
    """How well are labelled sounds named: by the model's tags, and by labels put into words?"""
    _run(options, lambda data, run: evaluate_tags(data, run, template=template))


@evaluate.command()
@click.option("--ordered", default=100, show_default=True, help="Scenes of two sounds in order.")
@click.option("--together", default=100, show_default=True, help="Scenes of two sounds at once.")
@click.option("--three", default=50, show_default=True, help="Scenes of three sounds in order.")
@click.option("--sentences", default=2, show_default=True, help="Sentences for each scene.")
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the scenes here, with scenes.csv, for other programs.",
)
@click.option(
    "--no-engine",
    is_flag=True,
    help="Do not measure `find` and `describe` on a library of the sounds.",
)
@evaluation_options
def scenes(
    options: EvaluationOptions,
    ordered: int,
    together: int,
    three: int,
    sentences: int,
    folder: Path | None,
    no_engine: bool,
) -> None:
    """Compose scenes from labelled sounds, and find them by who comes before whom.

    Each scene in order stands beside its twin, the same sounds the other way round: order accuracy
    says how often the right one comes first. The same clips and seed give the same scenes.
    """
    settings = SceneSettings(
        seed=options.seed, ordered=ordered, together=together, three=three, captions=sentences
    )
    engine = None if no_engine else options.config

    def benchmark(data: Dataset, run: EvaluationRun) -> Outcome:
        return evaluate_scenes(data, run, settings=settings, folder=folder, engine=engine)

    _run(options, benchmark)


def _run(options: EvaluationOptions, benchmark: Benchmark) -> None:
    """Run a benchmark on each model and show what came out."""
    dataset = read_dataset(
        options.data,
        audio=options.audio,
        layout=options.layout,
        folds=options.folds,
        skip_missing=options.skip_missing,
    )
    if options.held_out:
        for name in options.bundles:
            dataset = only_held_out(dataset, bundle=find_model(options.config, name))
    if options.sounds is not None:
        dataset = dataset.sample(options.sounds, seed=options.seed)
    outcomes = [_one_model(options, name, dataset, benchmark) for name in options.bundles]
    outcome = averaged(outcomes)
    print_outcome(outcome, as_json=options.as_json)
    if options.report is not None:
        path = write_report(outcome, options.report)
        remark(f"report: {path}", quiet=options.quiet)


def _one_model(
    options: EvaluationOptions, name: str, dataset: Dataset, benchmark: Benchmark
) -> Outcome:
    runtime = RuntimeOptions.of(options.config.model)
    path = find_model(options.config, name)
    model = Model.open(path, options=runtime)
    found = held_out(dataset.clips, bundle=path)
    if not options.allow_trained:
        refuse_trained(found)
    remark(f"{model.bundle.name}: {found.remark}", quiet=options.quiet and not found.trained)
    with (
        EvaluationProgress(quiet=options.quiet) as progress,
        _workers(options, model.bundle, progress) as workers,
    ):
        run = EvaluationRun(
            model, WorkFolder(options.work), progress, whole=options.whole, workers=workers
        )
        try:
            outcome = benchmark(dataset, run)
        except KeyboardInterrupt:
            remark("what is done is kept; the same command goes on from here", quiet=options.quiet)
            raise
        timings = progress.timings()
    return replace(
        outcome,
        facts=(*outcome.facts, ("time", timings)),
        remarks=(found.remark, *outcome.remarks),
    )


def _workers(
    options: EvaluationOptions, bundle: Bundle, progress: EvaluationProgress
) -> AbstractContextManager[Workers | None]:
    """Who does the long parts; None: this process."""
    if options.on is None:
        return nullcontext()
    return open_hearing(
        options.on, config=options.config, bundle=bundle, task="", warn=progress.warn
    )


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """The tables of an outcome, for people or as JSON lines; the first line says what it was."""
    if as_json:
        facts = {name.replace(" ", "_"): value for name, value in outcome.facts}
        row = {"evaluation": outcome.name, "table": "facts", **facts}
        print_json({**row, "remarks": list(outcome.remarks)})
        for fields in json_rows(outcome):
            print_json(fields)
        return
    say(style(outcome.title, bold=True))
    for name, value in outcome.facts:
        say(f"  {style(f'{name:<14}', dim=True)} {value}")
    for table in outcome.tables:
        say(f"\n{style(table.title, bold=True)}")
        for line in table_lines(table):
            say(line)
    for text in outcome.remarks:
        say(f"\n{style('!', fg='yellow')} {text}")


def table_lines(table: Table) -> list[str]:
    """A table as aligned text: words to the left, numbers to the right."""
    if not table.rows:
        return ["  (nothing)"]
    cells = [[shown(cell) for cell in row] for row in table.rows]
    words = [all(isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    widths = [
        max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(table.columns)
    ]

    def line(texts: list[str]) -> str:
        padded = (
            text.ljust(width) if word else text.rjust(width)
            for text, width, word in zip(texts, widths, words, strict=True)
        )
        return f"  {'  '.join(padded)}".rstrip()

    return [style(line(list(table.columns)), dim=True), *map(line, cells)]
