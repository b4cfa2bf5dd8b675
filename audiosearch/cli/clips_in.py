"""Sounds given to a command: as arguments, or one a line on stdin, as other commands print them.

A line is `FILE`, `FILE@START-END`, or a row of `find --json` and the like, with its stretch.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import click

from audiosearch._statuses import EXIT_ERROR, EXIT_NOTHING
from audiosearch._wording import counted
from audiosearch.audio.clip import ClipRange, stretch_fault
from audiosearch.cli.output import print_json, remark
from audiosearch.errors import QueryError
from audiosearch.library.annotations import Written

MOST_BYTES: Final = 256 * 2**20  # of stdin

F = TypeVar("F", bound=Callable[..., Any])
Clip = str | ClipRange


def clips_argument(command: F) -> F:
    """`[CLIP]...`, `-0` and `--whole`; the command gets `clips`, from stdin where none is given."""

    @click.argument("clips", nargs=-1, metavar="[CLIP]...")
    @click.option(
        "-0", "--null", is_flag=True, help="Clips on stdin end with NUL, as find -0 prints them."
    )
    @click.option(
        "--whole", is_flag=True, help="Take whole sounds, also where JSON rows name stretches."
    )
    @functools.wraps(command)
    def with_clips(
        *args: Any, clips: tuple[str, ...], null: bool, whole: bool, **kwargs: Any
    ) -> Any:
        found: list[Clip] = []
        for clip in clips or ("-",):
            found += read_clips(null=null) if clip == "-" else [clip]
        if whole:
            found = [
                each if isinstance(each, str) else replace(each, start_s=0.0, end_s=None)
                for each in found
            ]
        return command(*args, clips=found, **kwargs)

    return with_clips  # type: ignore[return-value]  # the decorator adds parameters


def read_clips(*, null: bool) -> list[Clip]:
    """The clips on stdin.

    Raises:
        UsageError: it is a terminal: nobody gave any.
        QueryError: a row has no path, or a stretch that is none.
    """
    if sys.stdin.isatty():
        raise click.UsageError("give sounds: as CLIP, or on stdin (find ... -0 | ... -0)")
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise QueryError(f"more than {MOST_BYTES:,} bytes on stdin")
    return list(clips_of(content, null=null))


def clips_of(content: bytes, *, null: bool) -> Iterator[Clip]:
    """The clips in what another command printed; empty lines and weak matches are passed over.

    Raises:
        QueryError: as `read_clips`.
    """
    lines = content.split(b"\0") if null else content.split(b"\n")
    for number, line in enumerate(lines, 1):
        text = line if null else line.removesuffix(b"\r")
        row = _row(text)
        if row is not None:
            if row.get("weak") is not True:  # shown to people, but no answer
                yield _clip(row, number)
        elif text:
            yield os.fsdecode(text)


def _clip(row: dict[str, Any], number: int) -> Clip:
    try:
        if "path_b64" in row:
            path = base64.b64decode(row["path_b64"], validate=True)
        else:
            path = os.fsencode(row["path"])
        start_s, end_s = row.get("start_s"), row.get("end_s")
        start_s = 0.0 if start_s is None else float(start_s)
        end_s = None if end_s is None else float(end_s)
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
        raise QueryError(f"line {number} of stdin: no row with a path") from None
    if fault := stretch_fault(start_s, end_s):
        raise QueryError(f"line {number} of stdin: {fault}")
    return ClipRange(path, start_s, end_s)


def _row(line: bytes) -> dict[str, Any] | None:
    """The row that a line is; None for a path, though it begin with a brace."""
    if not line.startswith(b"{"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def report(written: Written, what: str, *, as_json: bool, quiet: bool) -> int:
    """Say what became of it: `2 sounds tagged (1 was so before)`; the exit status."""
    if as_json:
        print_json(
            {
                "sounds": written.n_stretches,
                "changed": written.n_changed,
                "problems": len(written.problems),
                **({"cut": written.n_cut} if written.n_cut else {}),
            }
        )
    for problem in written.problems:
        remark(f"audiosearch: {problem}", quiet=False)  # an error, which no --quiet hides
    if not written.n_stretches and not written.problems:
        remark("no sounds were given", quiet=quiet)
        return EXIT_NOTHING
    say_cut(written.n_cut, quiet=quiet)
    n_before = written.n_stretches - written.n_changed
    before = f" ({n_before} as before)" if n_before > 0 else ""
    remark(f"{counted(written.n_changed, 'sound')} {what}{before}", quiet=quiet)
    return EXIT_ERROR if written.problems else 0


def say_cut(n_cut: int, *, quiet: bool) -> None:
    """Say of how many stretches less was taken than was named."""
    if n_cut:
        went = (
            "goes on past the end of its sound, and ends"
            if n_cut == 1
            else ("go on past the ends of their sounds, and end")
        )
        remark(f"{counted(n_cut, 'stretch', 'stretches')} {went} there", quiet=quiet)


def report_removal(written: Written, what: str, *, as_json: bool, quiet: bool) -> int:
    """The same where something was to be taken away; where nothing was, that is nothing found."""
    status = report(written, what, as_json=as_json, quiet=quiet)
    return status or (0 if written.n_changed else EXIT_NOTHING)
