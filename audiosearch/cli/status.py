"""`audiosearch status` and `audiosearch failed`: what is in the library, what is not and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from audiosearch._wording import counted
from audiosearch.cli.options import OutputForm, json_option, library_options, output_options
from audiosearch.cli.output import duration, print_json, print_paths, remark, shown_path, size
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.library import Status, open_library
from audiosearch.library.status_rows import FAILED_REMEDIES, failed_row, remarked_row, status_row
from audiosearch.store.queries.failed import RemarkedFile
from audiosearch.watch.indexer import running_daemon
from audiosearch.watch.status import RootState, WatchState, nudge, progress_line, watch_row


@click.command()
@json_option
@library_options
def status(as_json: bool, config: Config, quiet: bool) -> None:
    """Show what the library holds, where it is, and which model answers."""
    with open_library(config) as library:
        told = library.status()
    daemon = running_daemon(config)
    if told.note is not None:
        remark(told.note, quiet=quiet)
    if as_json:
        print_json({**status_row(told), "watch": None if daemon is None else watch_row(daemon)})
        return
    for name, value in [*_lines(told), *_watch_lines(daemon)]:
        say(f"{style(f'{name:<11}', dim=True)} {value}")


def _lines(told: Status) -> list[tuple[str, str]]:
    counts = told.counts
    states = ", ".join(f"{n} {state}" for state, n in counts.files.items() if n) or "none"
    lines = [
        ("library", f"{told.database} ({size(told.database_bytes)})"),
        (
            "model",
            f"{told.model_name} {told.model_version} on {told.provider}"
            if told.provider
            else f"{told.model_name}, which cannot be used",
        ),
        ("roots", str(counts.n_roots)),
        ("files", states),
        ("recordings", f"{counts.n_recordings} ({counts.hours:.2f} h of sound)"),
        ("captions", str(counts.n_captions)),
    ]
    for bundle in counts.bundles:
        text = (
            f"{bundle.name} {bundle.version}: {counted(bundle.n_windows, 'window')} of"
            f" {counted(bundle.n_recordings, 'recording')}, {bundle.n_silent} silent"
        )
        lines.append(("heard by", text))
    if counts.failures:
        kinds = ", ".join(f"{n} {code}" for code, n in counts.failures.items())
        lines.append(("failed", f"{kinds} (audiosearch failed)"))
    return lines


@click.command()
@click.option("--retry", is_flag=True, help="Let the next index try them again.")
@output_options
@library_options
def failed(retry: bool, form: OutputForm, config: Config, quiet: bool) -> None:
    """List the files that could not be read, with the reason and what to do.

    A file that failed is not tried again until it changes. Below them come the files that were
    indexed, but whose headers and sound disagree, or that are damaged in part (code "remark" in
    JSON); --paths and --print0 leave these out.
    """
    with open_library(config, writable=retry) as library:
        files, remarked = library.failed(), library.remarked()
        if retry:
            n_files = library.retry_failed()
            nudge(config.data_dir)
            remark(
                f"{counted(n_files, 'file')} to be tried again by audiosearch index, or watch",
                quiet=quiet,
            )
    if form.paths:
        print_paths((file.full_path for file in files), print0=form.print0)
        return
    for file in files:
        if form.json:
            print_json(failed_row(file))
        else:
            say(f"{shown_path(file.full_path)}: {file.error_text}")
            remedy = FAILED_REMEDIES.get(file.error_code)
            if remedy is not None:
                say(style(f"    {remedy}", dim=True))
    _print_remarked(remarked, form)


def _print_remarked(files: Sequence[RemarkedFile], form: OutputForm) -> None:
    if files and not form.json:
        say(style("Heard all the same:", bold=True))
    for file in files:
        if form.json:
            print_json(remarked_row(file))
        else:
            say(f"{shown_path(file.full_path)}: {file.remark}")


def _watch_lines(state: WatchState | None) -> list[tuple[str, str]]:
    """What a daemon is doing, for people: pairs of a name and a text."""
    if state is None:
        return [("watch", "no daemon is running (audiosearch watch)")]
    now = time.time()
    text = f"pid {state.pid}, for {duration(now - state.since)}: {state.activity}"
    if state.note is not None:
        text += f" ({state.note})"
    lines = [("watch", text)]
    if state.progress is not None:
        lines.append(("", progress_line(state.progress)))
    if state.n_settling:
        lines.append(("", f"{counted(state.n_settling, 'path')} changed, and coming to rest"))
    if state.next_scan_at is not None:
        last = "" if state.scanned_at is None else f"last {duration(now - state.scanned_at)} ago, "
        lines.append(
            ("", f"full look: {last}next in {duration(max(0.0, state.next_scan_at - now))}")
        )
    lines += [("", _root_line(root)) for root in state.roots]
    return lines


def _root_line(root: RootState) -> str:
    text = f"{shown_path(root.path)}: {root.mode}"
    if root.why is not None:
        text += f", {root.why}"
    elif root.n_folders is not None:
        text += f", {root.n_watched} of {counted(root.n_folders, 'folder')} watched"
    if root.guarded is not None:
        text += (
            f"; {root.guarded.n_lost} of {counted(root.guarded.n_known, 'file')} gone:"
            " if that is meant, audiosearch roots confirm"
        )
    return text
