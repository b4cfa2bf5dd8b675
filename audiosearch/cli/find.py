"""`audiosearch find` and `audiosearch similar`: a text or a sound in, ranked sounds out."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch._wording import counted
from audiosearch.cli.filter_options import FilterOptions, filter_options
from audiosearch.cli.links import linked_path
from audiosearch.cli.minus_words import MinusWords
from audiosearch.cli.options import (
    OutputForm,
    library_options,
    limit_options,
    output_options,
    sort_options,
)
from audiosearch.cli.output import (
    clock_span,
    coloured,
    print_json,
    print_paths,
    remark,
    shown_path,
)
from audiosearch.cli.query_options import SoughtOptions, histogram_option, sought_options
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import display_text
from audiosearch.search.answer_remarks import answer_remarks
from audiosearch.search.filters import Filters
from audiosearch.search.results import FindResult, Hit, TextQuery
from audiosearch.search.rows import is_offline, read_as_row, similar_row, text_row
from audiosearch.server.query_client import open_client

_BAR = 50  # characters of the longest bar of a histogram


@click.command(cls=MinusWords)
@click.argument("text", nargs=-1)
@click.option(
    "--exhaustive", is_flag=True, help="Rerank every window instead of the best candidates (slow)."
)
@click.option(
    "--explain", is_flag=True, help="Show how much each word of the query counted for each hit."
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Print timings, and which process answered, to stderr."
)
@sought_options
@histogram_option
@limit_options
@sort_options
@filter_options
@output_options
@library_options
def find(
    text: tuple[str, ...],
    exhaustive: bool,
    explain: bool,
    verbose: bool,
    sought: SoughtOptions,
    histogram: bool,
    limit: int | None,
    min_score: float | None,
    sort: str | None,
    reverse: bool,
    filters: FilterOptions,
    form: OutputForm,
    config: Config,
    quiet: bool,
) -> int:
    """Find the sounds that TEXT describes, the best match first.

    Order counts: "a dog barks after a man speaks" is not "a man speaks after a dog barks".
    What must not be heard is written "without thunder", "but no thunder" or -thunder.
    """
    if not text and not sought.without:
        raise click.UsageError("Missing argument 'TEXT...'.")
    if histogram and (form.paths or explain):
        raise click.UsageError("--histogram has no paths and no words to explain")
    started = time.perf_counter()
    with open_client(config) as answering:
        answer = answering.find(
            TextQuery(
                text=" ".join(text),
                filters=filters,
                limit=limit,
                min_score=min_score,
                exhaustive=exhaustive,
                explain=explain,
                sort=sort,
                reverse=reverse,
                moments=sought.moments,
                recorded=sought.recorded,
                without=sought.without,
                like=sought.like,
                like_weight=sought.like_weight,
            )
        )
    result = answer.result
    filtered = filters != Filters() or sought.recorded is not None
    say_of_answer(result, quiet=quiet, filtered=filtered)
    if histogram:
        print_histogram(result.hits, as_json=form.json, quiet=quiet)
    else:
        _print_text_hits(result, form, with_clock=sought.moments is not None)
    _say_more(result, form, quiet=quiet)
    if verbose:
        for word, read_as in result.read_as.items():
            say(f"{word!r} is read as {read_as!r}", err=True)
        stages = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in result.timings.items())
        total = time.perf_counter() - started
        how = "exhaustive" if result.exhaustive else counted(result.n_candidates, "candidate")
        say(f"{stages}; {total:.3f} s in all, {how}, on the {answer.device}", err=True)
        say(answering.who, err=True)
    return 0 if result.hits else EXIT_NOTHING


@click.command()
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True)
@click.option("--self", "include_self", is_flag=True, help="Show the CLIPs themselves too.")
@click.option("-v", "--verbose", is_flag=True, help="Print which process answered to stderr.")
@limit_options
@sort_options
@filter_options
@output_options
@library_options
def similar(
    clips: tuple[str, ...],
    include_self: bool,
    verbose: bool,
    limit: int | None,
    min_score: float | None,
    sort: str | None,
    reverse: bool,
    filters: FilterOptions,
    form: OutputForm,
    config: Config,
    quiet: bool,
) -> int:
    """Find the sounds most like CLIP: a file, or a part of one as FILE@START-END in seconds.

    The file need not be in the library. Of several, the mean likeness to each counts.
    """
    with open_client(config) as answering:
        result = answering.similar(
            *clips,
            include_self=include_self,
            filters=filters,
            limit=limit,
            min_similarity=min_score,
            sort=sort,
            reverse=reverse,
        ).result
    say_of_answer(result, quiet=quiet, filtered=filters != Filters())
    _print_similar_hits(result.hits, form)
    _say_more(result, form, quiet=quiet)
    if verbose:
        say(answering.who, err=True)
    return 0 if result.hits else EXIT_NOTHING


def _say_more(result: FindResult, form: OutputForm, *, quiet: bool) -> None:
    if result.n_more and form.for_people:
        is_least = result.n_more_is_least or not result.exhaustive
        least = "at least " if is_least else ""
        remark(f"and {least}{result.n_more} more (-n shows more of them)", quiet=quiet)


def say_of_answer(result: FindResult, *, quiet: bool, filtered: bool) -> None:
    """Say what a person should know about the answer before reading it."""
    for text in answer_remarks(result, filtered=filtered, shown_path=shown_path):
        remark(text, quiet=quiet)


def _print_text_hits(result: FindResult, form: OutputForm, *, with_clock: bool) -> None:
    """The hits, then what is no good match but comes next; of these no bare paths, for programs."""
    if form.paths:
        print_paths((hit.path for hit in result.hits), print0=form.print0)
        return

    def show(hits: Sequence[Hit]) -> None:
        for hit in hits:
            if form.json:
                print_json(text_row(hit, with_clock=with_clock) | read_as_row(result))
            else:
                _print_row(hit, hit.score, links=form.links)

    show(result.hits)
    if result.weaker and not form.json:
        say(style("weaker matches", dim=True))
    show(result.weaker)


def print_histogram(hits: Sequence[Hit], *, as_json: bool, quiet: bool) -> None:
    """How many moments begin in each hour of the day, by the recorders' clocks."""
    from datetime import datetime  # noqa: PLC0415

    from audiosearch.search.clock import by_hour  # noqa: PLC0415 - seldom needed

    starts = [datetime.fromisoformat(x.clock_start) for x in hits if x.clock_start is not None]
    rows = by_hour(starts)
    if as_json:
        for hour, count in rows:
            print_json({"hour": hour, "count": count})
    elif starts:
        scale = min(1.0, _BAR / max(count for _, count in rows))
        for hour, count in rows:
            say(f"{hour:02d}:00  {count:5d}  {'█' * round(count * scale)}".rstrip())
    if len(starts) < len(hits):
        n_unknown = len(hits) - len(starts)
        remark(f"{counted(n_unknown, 'moment')} more at unknown times of the day", quiet=quiet)


def _print_similar_hits(hits: Sequence[Hit], form: OutputForm) -> None:
    if form.paths:
        print_paths((hit.path for hit in hits), print0=form.print0)
        return
    for hit in hits:
        assert hit.similarity is not None
        if form.json:
            print_json(similar_row(hit))
        else:
            _print_row(hit, hit.similarity, links=form.links)


def _print_row(hit: Hit, number: float | None, *, links: bool) -> None:
    """`0.93  dog.wav  0:00-0:05  a dog barks`, with the caption dimmed on a second line."""
    shown = "  -  " if number is None else f"{number:5.2f}"
    when = clock_span(hit.start_s, hit.end_s)
    alike = f"  (+{hit.n_alike} alike)" if hit.n_alike else ""
    away = is_offline(hit)
    offline = "  (offline)" if away else ""
    recorded = "" if hit.clock_start is None else f"  {hit.clock_start.replace('T', ' ')}"
    name = style(shown_path(hit.path), bold=not hit.weak, dim=hit.weak)
    path = linked_path(hit.path, name, links=links and not away)
    say(f"{shown}  {path}  {when}{recorded}{alike}{offline}")
    if hit.caption:
        say(f"       {style(display_text(hit.caption), dim=True)}")
    if hit.matched:
        texts = "; ".join(f"{match.field}: {' '.join(match.words)}" for match in hit.matched)
        say(f"       {style(display_text(texts), dim=True)}")
    if hit.words:
        say(f"       {coloured(hit.words)}")
