"""`audiosearch status` and `audiosearch failed`: what is in the library, what is not and why."""

from __future__ import annotations

from collections.abc import Sequence

import click

from audiosearch._wording import counted
from audiosearch.cli.options import OutputForm, json_option, library_options, output_options
from audiosearch.cli.output import path_fields, print_json, print_paths, remark, shown_path, size
from audiosearch.cli.status_watch import watch_lines, watch_row
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.library import Status, open_library
from audiosearch.store.queries.failed import RemarkedFile
from audiosearch.watch.indexer import running_daemon
from audiosearch.watch.status import nudge

_REMEDIES = {
    "empty": "the file has no content: copy it again",
    "unreadable": "check its permissions, then audiosearch failed --retry",
    "unsupported": "no sound file, or of a kind that FFmpeg cannot read",
    "no-audio": "it holds no sound",
    "no-samples": "its header promises sound, but there is none: copy it again",
    "damaged": "it breaks off or is damaged: copy it again",
    "changed": "it was being written to: it is taken in at the next index",
    "timeout": "decoding it did not come to an end (index.worker_stall_s)",
    "memory": "decoding it took too much memory (index.worker_memory_mb)",
    "encoding": "the model cannot take it: its samples are not those of a sound",
    "crashed": "it crashes the decoder: convert it to another format",
    "program": "an error of audiosearch or of a library it uses, not of the file: update them,"
    " then audiosearch failed --retry",
}
_REMARK_REMEDY = "what is there was heard; if more is expected, copy it again"


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
        print_json({**_row(told), "watch": None if daemon is None else watch_row(daemon)})
        return
    for name, value in [*_lines(told), *watch_lines(daemon)]:
        say(f"{style(f'{name:<11}', dim=True)} {value}")


def _row(told: Status) -> dict[str, object]:
    counts = told.counts
    return {
        "database": str(told.database),
        "database_bytes": told.database_bytes,
        "roots": counts.n_roots,
        "files": {str(state): n for state, n in counts.files.items()},
        "failures": dict(counts.failures),
        "recordings": counts.n_recordings,
        "hours": counts.hours,
        "captions": counts.n_captions,
        "model": {
            "name": told.model_name,
            "version": told.model_version,
            "provider": told.provider,
        },
        "bundles": [
            {
                "name": bundle.name,
                "version": bundle.version,
                "fingerprint": bundle.fingerprint,
                "recordings": bundle.n_recordings,
                "windows": bundle.n_windows,
                "silent": bundle.n_silent,
                "captioned": bundle.n_captioned,
            }
            for bundle in counts.bundles
        ],
    }


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
            print_json(
                {
                    **path_fields(file.full_path),
                    "code": file.error_code,
                    "reason": file.error_text,
                    "remedy": _REMEDIES.get(file.error_code),
                }
            )
        else:
            say(f"{shown_path(file.full_path)}: {file.error_text}")
            if file.error_code in _REMEDIES:
                say(style(f"    {_REMEDIES[file.error_code]}", dim=True))
    _print_remarked(remarked, form)


def _print_remarked(files: Sequence[RemarkedFile], form: OutputForm) -> None:
    if files and not form.json:
        say(style("Heard all the same:", bold=True))
    for file in files:
        if form.json:
            print_json(
                {
                    **path_fields(file.full_path),
                    "code": "remark",
                    "reason": file.remark,
                    "remedy": _REMARK_REMEDY,
                }
            )
        else:
            say(f"{shown_path(file.full_path)}: {file.remark}")
