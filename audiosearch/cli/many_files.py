"""Commands over many files: folders opened up, a bar, results kept, and going on after a stop.

Results are JSON lines, on stdout or appended to a file. A file of results says itself how far the
work came: sounds with rows in it are passed over by the next run, all but the last one, whose rows
may have been cut short and are written anew.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from audiosearch._files import read_bounded
from audiosearch.cli.output import remark
from audiosearch.cli.terminal import write_data
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, DecodeError, QueryError
from audiosearch.search.rows import json_line

_MOST_BYTES = 4 << 30  # of a file of results to go on with

Row = dict[str, object]


def output_option(command: Callable[..., object]) -> Callable[..., object]:
    """`--output FILE`; the command gets `output: Path | None`."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Append JSON lines to this file; sounds that it already has are skipped, so the same "
        "command continues where it was stopped.",
    )(command)


def expand(places: Sequence[str], *, config: IndexConfig) -> list[str]:
    """The sounds that a command was given: clips as they are, of folders all the files.

    Raises:
        QueryError: there is no sound file in the folders.
    """
    clips: dict[str, None] = {}
    for place in places:
        names = _sound_files(place, config=config) if os.path.isdir(place) else [place]  # noqa: PTH112 - may be no name
        clips |= dict.fromkeys(names)
    if not clips:
        raise QueryError("no sound file in here", path=places[0])
    return list(clips)


def _sound_files(folder: str, *, config: IndexConfig) -> list[str]:
    from audiosearch.library.roots import sound_files  # noqa: PLC0415 - single files need none

    return sound_files(folder, config=config)


def each_sound(
    clips: Sequence[str], work: Callable[[str], None], *, quiet: bool, done: frozenset[bytes]
) -> int:
    """Do `work` for each clip that is not done; returns how many could not be read.

    One that cannot be read is told on stderr and passed over, unless it is the only one.

    Raises:
        AudiosearchError: what is wrong with the only one, or with the last if all failed.
    """
    waiting = [clip for clip in clips if os.fsencode(os.path.abspath(clip)) not in done]  # noqa: PTH100
    if len(waiting) < len(clips):
        remark(f"{len(clips) - len(waiting)} of {len(clips)} are done already", quiet=quiet)
    failed: AudiosearchError | None = None
    n_failed = 0
    for clip in _with_bar(waiting, quiet=quiet or len(clips) == 1):
        try:
            work(clip)
        except (DecodeError, QueryError) as error:
            if len(clips) == 1:
                raise
            failed, n_failed = error, n_failed + 1
            remark(str(error), quiet=quiet)
    if failed is not None and n_failed == len(clips):
        raise failed
    if n_failed:
        remark(f"{n_failed} of {len(clips)} could not be read", quiet=quiet)
    return n_failed


def _with_bar(clips: Sequence[str], *, quiet: bool) -> Iterator[str]:
    if quiet or not sys.stderr.isatty():
        yield from clips
        return
    from audiosearch.cli.progress import with_bar  # noqa: PLC0415 - slow to load, seldom needed

    yield from with_bar(clips)


def take_up(output: Path | None) -> frozenset[bytes]:
    """The absolute paths of the sounds that a file of results is done with.

    The rows of its last sound are cut off, since they may not be all.

    Raises:
        QueryError: it is no file of results.
    """
    if output is None or not output.exists():
        return frozenset()
    try:
        content = read_bounded(output, _MOST_BYTES)
    except OSError as error:
        raise QueryError(error.strerror or str(error), path=output) from error
    whole = content[: content.rfind(b"\n") + 1]
    done: dict[bytes, int] = {}  # where the first row of each sound begins
    start = 0
    for line in whole.splitlines(keepends=True):
        done.setdefault(_path_of(line, output), start)
        start += len(line)
    if done:
        _, begins = done.popitem()
        whole = whole[:begins]
    if len(whole) < len(content):
        with output.open("r+b") as file:
            file.truncate(len(whole))
    return frozenset(done)


def _path_of(line: bytes, output: Path) -> bytes:
    try:
        row = json.loads(line)
        if "path_b64" in row:
            return base64.b64decode(row["path_b64"])
        return os.fsencode(row["path"])
    except (ValueError, KeyError, TypeError):
        raise QueryError(
            "holds something else than results", path=output, remedy="give another --output"
        ) from None


def csv_option(command: Callable[..., object]) -> Callable[..., object]:
    """`--csv`; the command gets `as_csv: bool`."""
    return click.option(
        "--csv", "as_csv", is_flag=True, help="A table with a line of names, for other programs."
    )(command)


def row_writer(
    output: Path | None, *, as_json: bool, as_csv: bool
) -> Callable[[Sequence[Row]], None] | None:
    """What writes the rows of one sound as the options ask; None: people are to read them.

    Raises:
        UsageError: they exclude each other.
    """
    if as_csv and (as_json or output is not None):
        raise click.UsageError("--csv excludes --json and --output")
    if as_csv:
        return _CsvRows()
    return functools.partial(write_rows, output=output) if as_json or output is not None else None


class _CsvRows:
    """Writes rows under one line of names, those of the first row; later rows have the same."""

    def __init__(self) -> None:
        self._names: list[str] | None = None

    def __call__(self, rows: Sequence[Row]) -> None:
        from audiosearch.exchange.tables import column_names, csv_table  # noqa: PLC0415

        if not rows:
            return
        header = self._names is None
        # The bytes of a path that is no text have their column always: any later one may need it.
        names = self._names = self._names or [*column_names(rows[:1]), "path_b64"]
        whole = [{name: row.get(name) for name in names} for row in rows]
        write_data(csv_table(whole, header=header))


def write_rows(rows: Sequence[Row], output: Path | None) -> None:
    """The rows of one sound, to stdout or in one piece to the end of a file."""
    text = "".join(f"{json_line(row)}\n" for row in rows)
    if output is None:
        write_data(text)
        return
    with output.open("ab") as file:
        file.write(text.encode("utf-8"))
