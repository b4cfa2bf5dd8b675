"""`audiosearch export`: answers taken to other programs, from rows on stdin or from a question."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch._wording import counted
from audiosearch.cli.clips_in import say_cut
from audiosearch.cli.filter_options import FilterOptions, filter_options
from audiosearch.cli.find import say_of_answer
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.minus_words import MinusWords
from audiosearch.cli.options import FiniteRange, library_options, limit_options, sort_options
from audiosearch.cli.output import remark, shown_path
from audiosearch.cli.query_options import SoughtOptions, sought_options
from audiosearch.cli.terminal import write_data
from audiosearch.config import Config
from audiosearch.exchange.documents import CSV_LAYOUTS, DocumentOptions
from audiosearch.exchange.names import FIELDS, TEMPLATE, NameTemplate
from audiosearch.exchange.stretches import Row, read_rows
from audiosearch.exchange.timelines import FRAME_RATES
from audiosearch.library import open_library
from audiosearch.library.exports import Exported, Exporter
from audiosearch.search.filters import Filters
from audiosearch.search.results import TextQuery
from audiosearch.search.rows import similar_row, text_row
from audiosearch.server.query_client import open_client

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """Where the rows of an export come from: a question, or else stdin."""

    text: tuple[str, ...]
    similar: str | None
    sought: SoughtOptions
    limit: int | None
    min_score: float | None
    sort: str | None
    reverse: bool
    filters: FilterOptions

    def rows(self, config: Config, *, quiet: bool) -> list[Row]:
        """The rows, best first.

        Raises:
            QueryError: the question cannot be answered, or stdin holds no rows.
        """
        if self.text and self.similar is not None:
            raise click.UsageError("TEXT and --similar are two questions")
        if self.similar is not None and self.sought != SoughtOptions():
            raise click.UsageError("--moments, --without, --like and the clock need TEXT")
        if not self.text and self.similar is None and not self.sought.without:
            return self._given(quiet=quiet)
        filtered = self.filters != Filters() or self.sought.recorded is not None
        with open_client(config) as client:
            if self.similar is None:
                question = TextQuery(
                    text=" ".join(self.text),
                    filters=self.filters,
                    limit=self.limit,
                    min_score=self.min_score,
                    sort=self.sort,
                    reverse=self.reverse,
                    moments=self.sought.moments,
                    recorded=self.sought.recorded,
                    without=self.sought.without,
                    like=self.sought.like,
                    like_weight=self.sought.like_weight,
                )
                result = client.find(question).result
                with_clock = self.sought.moments is not None
                found = [text_row(hit, with_clock=with_clock) for hit in result.hits]
            else:
                result = client.similar(
                    self.similar,
                    include_self=False,
                    filters=self.filters,
                    limit=self.limit,
                    min_similarity=self.min_score,
                    sort=self.sort,
                    reverse=self.reverse,
                ).result
                found = [similar_row(hit) for hit in result.hits]
        say_of_answer(result, quiet=quiet, filtered=filtered)
        query = {"query": " ".join(self.text)} if self.text else {}
        return [{**row, **query} for row in found]

    def _given(self, *, quiet: bool) -> list[Row]:
        asked = self.min_score is not None or self.sort is not None or self.reverse
        if asked or self.filters != Filters() or self.sought != SoughtOptions():
            raise click.UsageError(
                "filters, order and what is sought are for a question: give TEXT or --similar"
            )
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError(
                "give TEXT to search for, or rows on stdin: audiosearch find ... --json |"
                " audiosearch export ..."
            )
        lines = [line for line in sys.stdin.buffer if line.strip()]
        rows = read_rows(lines)
        if lines and not rows:
            remark("the rows are weak matches alone (find --min-score 0 gives all)", quiet=quiet)
        return rows[: self.limit]


def _row_options(command: F) -> F:
    """TEXT, `--similar`, `--label`, filters: the command gets `source` and `label`."""

    @click.argument("text", nargs=-1)
    @click.option("--similar", metavar="CLIP", help="The sounds most like this one instead.")
    @click.option("--label", metavar="WORDS", help="Call every stretch so, whatever is heard.")
    @sought_options
    @limit_options
    @sort_options
    @filter_options
    @library_options
    @functools.wraps(command)
    def with_rows(
        *args: Any,
        text: tuple[str, ...],
        similar: str | None,
        sought: SoughtOptions,
        limit: int | None,
        min_score: float | None,
        sort: str | None,
        reverse: bool,
        filters: FilterOptions,
        **kwargs: Any,
    ) -> Any:
        source = RowSource(
            text=text,
            similar=similar,
            sought=sought,
            limit=limit,
            min_score=min_score,
            sort=sort,
            reverse=reverse,
            filters=filters,
        )
        return command(*args, source=source, **kwargs)

    return with_rows  # type: ignore[return-value]  # the decorator adds parameters


def _force_option(command: F) -> F:
    return click.option("--force", is_flag=True, help="Write over files that are there.")(command)


def _to_option(*, what: str, required: bool = False) -> Callable[[F], F]:
    return click.option("--to", type=click.Path(path_type=Path), required=required, help=what)


@click.group(cls=CommandGroup)
def export() -> None:
    """Take an answer to other programs: clips, playlists, labels, tables, vectors.

    What is found by TEXT or --similar is exported; without either, the rows on stdin, as `find`,
    `similar`, `describe`, `label` and `files` print them with --json. Files that are there are
    kept, unless --force is given, and the sounds themselves are never written to.

    \b
      audiosearch export clips --to clips "dog barks" --moments
      audiosearch find "dog barks" --json | audiosearch export raven --to tables
      audiosearch similar bell.wav --json | audiosearch export m3u8 --to bells.m3u8
    """


@export.command(cls=MinusWords)
@_to_option(what="Folder that the clips go into.", required=True)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["wav", "flac"]),
    default="wav",
    show_default=True,
    help="Format of the clips.",
)
@click.option(
    "--template",
    default=TEMPLATE,
    show_default=True,
    metavar="NAME",
    help=f"Names of the clips, of the fields {', '.join(FIELDS)}.",
)
@click.option(
    "--as-ucs",
    "clip_ucs",
    metavar="CATID",
    help="Category of all clips (default: each source's own).",
)
@click.option(
    "--fade",
    type=FiniteRange(0.0, 10.0),
    default=0.0,
    show_default=True,
    help="Seconds of fade at both ends; 0 leaves every sample as it is.",
)
@_force_option
@_row_options
def clips(
    to: Path,
    kind: str,
    template: str,
    clip_ucs: str | None,
    fade: float,
    force: bool,
    source: RowSource,
    label: str | None,
    config: Config,
    quiet: bool,
) -> int:
    """Cut each stretch out of its file, sample by sample: its rate, channels and bit depth stay.

    Clips keep what a Broadcast Wave says of itself (bext and iXML), their time reference moved
    along. Sources in lossy formats are decoded, into floats (WAV) or 24 bits (FLAC).
    """
    from audiosearch.exchange.clips import ClipForm  # noqa: PLC0415 - libsndfile

    names = NameTemplate(template, ucs=clip_ucs)
    form = ClipForm(kind=kind, fade_s=fade, template=names, ucs=clip_ucs)
    rows = source.rows(config, quiet=quiet)
    if not rows:
        return _nothing(quiet=quiet)
    with (
        open_library(config) as library,
        _counting(len(rows), quiet=quiet) as advance,
    ):
        done = Exporter(library.database, config.index).clips(
            rows, to, form, label=label, force=force, advance=advance
        )
    _report(done, to, "clip", quiet=quiet)
    return 0


@export.command()
@click.option("--npz", type=click.Path(path_type=Path, dir_okay=False), help="File for numpy.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Parquet file; needs the extra [parquet].",
)
@click.option(
    "--kind",
    type=click.Choice(["embedding", "joint"]),
    default="embedding",
    show_default=True,
    help="Vectors in which sounds are compared, or those of the space shared with text.",
)
@_force_option
@library_options
def embeddings(
    npz: Path | None, parquet: Path | None, kind: str, force: bool, config: Config, quiet: bool
) -> int:
    """Write the vectors of all windows, with their ids, paths and times.

    An .npz holds ids, vectors, path, start_s, end_s, duration_s, recording_id, caption, and about
    (JSON: model, version, kind). Windows of silence have no vector.
    """
    from audiosearch.store.vector_cache import VectorKind  # noqa: PLC0415 - only here

    if (npz is None) == (parquet is None):
        raise click.UsageError("give --npz FILE or --parquet FILE")
    ending, to = (".npz", npz) if npz is not None else (".parquet", parquet)
    assert to is not None
    if to.suffix.lower() != ending:
        raise click.UsageError(f"--{ending[1:]} wants a name that ends in {ending}")
    with open_library(config) as library:
        done = Exporter(library.database, config.index).vectors(
            library.answering.bundle, VectorKind(kind), to, force=force
        )
    _report(done, to, "vector", quiet=quiet)
    return 0


def _document_command(
    kind: str, text: str, *options: Callable[[Any], Any], to: str, required: bool = False
) -> None:
    """Define `audiosearch export KIND`, of a format that is a text."""

    def command(
        to: Path | None,
        force: bool,
        source: RowSource,
        label: str | None,
        config: Config,
        quiet: bool,
        **chosen: Any,
    ) -> int:
        rows = source.rows(config, quiet=quiet)
        if not rows:
            return _nothing(quiet=quiet)
        told = replace(
            DocumentOptions(title=" ".join(source.text) or "audiosearch"), **_chosen(chosen)
        )
        with open_library(config) as library:
            exporter = Exporter(library.database, config.index)
            if to is None:
                made, n_cut = exporter.text(kind, rows, label=label, options=told)
                say_cut(n_cut, quiet=quiet)
                write_data(made)
                return 0
            done = exporter.write(kind, rows, to, label=label, options=told, force=force)
        _report(done, to, "stretch", quiet=quiet)
        return 0

    command.__doc__ = text
    made = _row_options(command)
    for option in (*options, _force_option, _to_option(what=to, required=required)):
        made = option(made)
    export.command(kind, cls=MinusWords)(made)


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    if "fps" in options:
        options["rate"] = FRAME_RATES[options.pop("fps")]
    return options


_EACH = "Folder for a file of each recording, or one file by its name (default: stdout)."
_ONE = "File to write (default: stdout)."
_document_command(
    "m3u8",
    """A playlist: VLC and its kin play the stretches, other players the whole files.""",
    to=_ONE,
)
_document_command(
    "audacity",
    """Label tracks for Audacity, one for each recording.

    Frequencies are written where all labels of a recording have them (low_hz and high_hz in rows).
    """,
    to=_EACH,
)
_document_command(
    "raven",
    """Selection tables for Raven, one for each recording, or one for all.

    In one for all (--to FILE.txt) the recordings follow each other, as Raven shows several files.
    """,
    to=_EACH,
)
_document_command(
    "reaper",
    """Regions for REAPER's region and marker manager, a list for each recording.

    Times are minutes and seconds: set the ruler so before you import them.
    """,
    click.option("--markers", is_flag=True, help="Markers at the starts instead of regions."),
    to=_EACH,
)
_document_command(
    "edl",
    """An edit decision list (CMX3600): the stretches one behind the other.

    Source times count from the file's time reference where it has one.
    """,
    click.option(
        "--fps",
        type=click.Choice(list(FRAME_RATES)),
        default="25",
        show_default=True,
        help="Frame rate of the timecode.",
    ),
    to=_ONE,
)
_document_command(
    "aoef",
    """An annotation set for soundevent and Whombat, in the Acoustic Objects Exchange Format.""",
    to=_ONE,
)
_document_command(
    "csv",
    """A table of all that the rows tell.""",
    click.option(
        "--layout",
        type=click.Choice(CSV_LAYOUTS),
        default=CSV_LAYOUTS[0],
        show_default=True,
        help="Columns: all that rows tell, or those of opensoundscape's annotations.",
    ),
    to=_ONE,
)
_document_command("jsonl", """The rows themselves, one JSON object a line.""", to=_ONE)


@export.command(cls=MinusWords)
@_to_option(what="File to write.", required=True)
@_force_option
@_row_options
def parquet(
    to: Path, force: bool, source: RowSource, label: str | None, config: Config, quiet: bool
) -> int:
    """A Parquet table of all that the rows tell; needs the extra [parquet]."""
    rows = source.rows(config, quiet=quiet)
    if not rows:
        return _nothing(quiet=quiet)
    with open_library(config) as library:
        exporter = Exporter(library.database, config.index)
        done = exporter.write("parquet", rows, to, label=label, force=force)
    _report(done, to, "stretch", quiet=quiet)
    return 0


def _nothing(*, quiet: bool) -> int:
    remark("nothing to export; nothing was written", quiet=quiet)
    return EXIT_NOTHING


def _counting(n: int, *, quiet: bool) -> AbstractContextManager[Callable[[], None]]:
    """A bar on a terminal; call what it gives after each clip."""
    if quiet or n < 2 or not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415 - slow

    from audiosearch.cli.progress import StderrProgress  # noqa: PLC0415 - slow to load

    bar = StderrProgress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), quiet=quiet
    )
    return bar.counting("cutting", total=n)


def _report(done: Exported, to: Path, what: str, *, quiet: bool) -> None:
    for error in done.failed:
        remark(str(error), quiet=quiet)
    several = {"stretch": "stretches"}.get(what)
    written = f"{counted(done.n_stretches, what, several)} to {shown_path(bytes(to))}"
    files = f" ({counted(len(done.files), 'file')})" if len(done.files) > 1 else ""
    remark(f"{written}{files if what != 'clip' else ''}", quiet=quiet)
    say_cut(done.n_cut, quiet=quiet)
    if done.failed:
        remark(f"{counted(len(done.failed), 'clip')} could not be cut", quiet=quiet)
    if done.n_decoded:
        remark(
            f"{done.n_decoded} decoded, since the source is lossy or its header is wrong: not bit"
            " for bit what the file holds",
            quiet=quiet,
        )
    if done.n_narrowed:
        remark(
            f"{done.n_narrowed} of more than 24 bits or floats cut down to 24 bits, which is what"
            " FLAC holds (--as wav keeps all)",
            quiet=quiet,
        )
