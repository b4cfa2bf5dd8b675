"""The last net: an error that no rule foresaw is one line, and its traceback stands in a file."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from audiosearch import __version__
from audiosearch._files import PRIVATE_FILE, make_private_folder
from audiosearch.cli.terminal import say, style

LOG: Final = "errors.log"
MOST_BYTES: Final = 1_000_000  # of the file; the one before it is kept beside it
_MOST_TEXT: Final = 100_000  # characters of one traceback, whose middle is left out
DEBUG: Final = "--debug"

log = logging.getLogger(__name__)


def show_unforeseen(error: BaseException, arguments: Sequence[str]) -> None:
    """Say in one line what went wrong; the traceback goes to a file, or to stderr in debugging."""
    text = _text(error, arguments)
    what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    if isinstance(error, MemoryError):
        what = "there is not enough memory for this"
    elif isinstance(error, RecursionError):
        what = "something is nested too deeply"
    say(f"{style('audiosearch:', fg='red', bold=True)} an unforeseen error: {what}", err=True)
    if is_debugging(arguments):
        say(text, err=True)
        return
    file = write_report(text)
    if file is None:
        say(f"  audiosearch {DEBUG} ... shows where it comes from", err=True)
    else:
        say(f"  please report it, with what {file} says of it", err=True)


def is_debugging(arguments: Sequence[str]) -> bool:
    """Whether tracebacks are asked for: an option in front of the command."""
    for each in arguments:
        if each == DEBUG:
            return True
        if not each.startswith("-"):
            return False
    return False


def catch_in_threads(arguments: Sequence[str]) -> None:
    """Have what a thread of this process does not catch written down, not printed."""

    def note(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and failed.exc_type is not SystemExit:
            file = write_report(_text(failed.exc_value, arguments))
            log.error("an unforeseen error: %s; see %s", failed.exc_type.__name__, file)

    threading.excepthook = note


def write_report(text: str) -> Path | None:
    """Put a text at the end of the file for errors; where that is, None where none can be written.

    In the library's folder, or where the system keeps programs' logs.
    """
    for folder in _folders():
        try:
            make_private_folder(folder)
            file = folder / LOG
            if file.exists() and file.stat().st_size > MOST_BYTES:
                file.replace(file.with_name(f"{LOG}.1"))
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe in its place keeps nobody waiting
            with os.fdopen(os.open(file, flags, PRIVATE_FILE), "a", encoding="utf-8") as out:
                out.write(text)
        except (OSError, ValueError):
            continue
        return file
    return None


def _folders() -> Iterator[Path]:
    from audiosearch.config import APP, load_config  # noqa: PLC0415 - nothing went wrong, mostly
    from audiosearch.errors import AudiosearchError  # noqa: PLC0415

    try:
        data_dir = load_config().data_dir
    except (AudiosearchError, OSError, RecursionError, ValueError):
        pass
    else:
        if data_dir.is_dir():
            yield data_dir / "logs"
    import tempfile  # noqa: PLC0415

    import platformdirs  # noqa: PLC0415

    yield Path(platformdirs.user_log_dir(APP, appauthor=False))
    try:
        yield Path(tempfile.mkdtemp(prefix="audiosearch-errors-"))
    except OSError:
        return


def _text(error: BaseException, arguments: Sequence[str]) -> str:
    import traceback  # noqa: PLC0415 - as in `_folders`
    from datetime import datetime  # noqa: PLC0415

    when = datetime.now().astimezone().isoformat(timespec="seconds")
    trace = "".join(traceback.format_exception(error))
    if len(trace) > _MOST_TEXT:
        half = _MOST_TEXT // 2
        trace = f"{trace[:half]}\n[...]\n{trace[-half:]}"
    shown = " ".join(map(ascii, arguments))[:2000]
    python = sys.version.split()[0]
    head = f"{when} audiosearch {__version__}, Python {python}, {sys.platform}: {shown}"
    return f"{head}\n{trace}\n".encode("utf-8", "backslashreplace").decode()
