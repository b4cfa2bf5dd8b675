"""`audiosearch`: the root of all commands, and the one place where errors become exit statuses.

Commands are imported when they are called, so that `audiosearch find` does not pay for what
`audiosearch index` needs. Exit statuses: 0 found, 1 nothing matched, 2 an error or bad use,
130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import logging
import os
import sys
import threading
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from audiosearch import __version__
from audiosearch._statuses import EXIT_ERROR, EXIT_INTERRUPTED
from audiosearch.cli.terminal import PlainFormatter, say, style
from audiosearch.cli.unforeseen import DEBUG, catch_in_threads, is_debugging, show_unforeseen
from audiosearch.errors import AudiosearchError, OutOfResources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
from audiosearch._wording import nearest

# Before numpy is loaded: what it multiplies here is small, and to start threads for it takes a
# tenth of the start, as long again for each further core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class CommandGroup(click.Group):
    """As click's, whose older releases suggest options only, and none commands imported on use."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; see `click.Group`.

        Raises:
            UsageError: there is none of that name; says which is meant.
        """
        name = args[0]
        is_option = name.startswith("-")  # click tells what is wrong with these
        if not (is_option or ctx.resilient_parsing or self.get_command(ctx, name)):
            meant = nearest(name, self.list_commands(ctx))
            suggestion = "" if meant is None else f" Did you mean {meant!r}?"
            ctx.fail(f"No such command {name!r}.{suggestion}")
        return super().resolve_command(ctx, args)


# command -> module that defines it under that name (`list` → `list_`)
_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "index": "index",
        "find": "find",
        "similar": "find",
        "files": "files",
        "info": "info",
        "describe": "describe",
        "label": "label",
        "tag": "annotations",
        "rate": "annotations",
        "favourite": "annotations",
        "note": "annotations",
        "annotations": "annotations",
        "collection": "collection",
        "search": "saved_search",
        "duplicates": "duplicates",
        "backup": "backup",
        "restore": "backup",
        "migrate-store": "migrate_store",
        "export": "export",
        "status": "status",
        "failed": "status",
        "watch": "watch",
        "serve": "serve",
        "mcp": "mcp",
        "service": "service",
        "roots": "roots",
        "purge": "verify",
        "captions": "captions",
        "models": "models",
        "config": "config",
        "verify": "verify",
        "doctor": "doctor",
        "evaluate": "evaluate",
        "completion": "completion",
    }
)


class LazyGroup(CommandGroup):
    """A group whose commands live in modules of `audiosearch.cli`, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and take the command out of it."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"audiosearch.cli.{_COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="audiosearch")
@click.option(DEBUG, is_flag=True, help="Show where an error comes from.")
def audiosearch(debug: bool) -> None:
    """Search the sounds on your own machine by what is heard in them.

    \b
      audiosearch index ~/sounds
      audiosearch find "a dog barks after a man speaks"
      audiosearch similar clip.wav@3.5-6
      audiosearch describe clip.wav
    """


def main() -> None:
    """Run the command line and leave with its exit status."""
    # Nothing imported is garbage, and looking for some after every 700 objects takes a tenth of
    # the start.
    gc.set_threshold(50_000)
    status = run(sys.argv[1:])
    _leave_at_once(status)
    sys.exit(status)


def _leave_at_once(status: int) -> None:
    """End the process without taking a thousand modules apart; return where somebody would miss it.

    All that was to be done at the end is done: what is registered with `atexit` (temporary files,
    logs), output written out. Other threads that are to be waited for, and output that cannot be
    written, are left to Python.
    """
    others = (each for each in threading.enumerate() if each is not threading.main_thread())
    if any(not each.daemon for each in others) or sys.gettrace() or sys.getprofile():
        return
    atexit._run_exitfuncs()  # the function that Python itself calls here
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run the command line; turn every deliberate error into one line on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("audiosearch: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.raiseExceptions = False  # a log on a full disk is no reason for a traceback
    catch_in_threads(arguments)
    if "_AUDIOSEARCH_COMPLETE" in os.environ:  # a shell asks; it may be one that click knows not
        importlib.import_module("audiosearch.cli.completion")
    try:
        result = audiosearch.main(arguments, prog_name="audiosearch", standalone_mode=False)
        if not sys.stdout.closed:  # as it is once a protocol that spoke on it has ended
            sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except BrokenPipeError:
        return _closed_pipe()
    except (click.Abort, KeyboardInterrupt):
        say("audiosearch: interrupted", err=True)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - each becomes a line, by the last net at the latest
        _show_error(error, arguments)
        return EXIT_ERROR
    return result if isinstance(result, int) else 0


def _show_error(error: Exception, arguments: Sequence[str]) -> None:
    """One line on stderr, and a second one where there is something to do about it."""
    known = error if isinstance(error, AudiosearchError) else OutOfResources.of(error)
    if isinstance(error, click.ClickException):
        shown = io.StringIO()
        error.show(file=shown)
        say(shown.getvalue(), err=True, nl=False)
    elif known is not None:
        _show(known)
        if is_debugging(arguments):
            traceback.print_exception(error)
    else:
        show_unforeseen(error, arguments)


def _show(error: AudiosearchError) -> None:
    text = error.reason if error.path is None else f"{error.path}: {error.reason}"
    say(f"{style('audiosearch:', fg='red', bold=True)} {text}", err=True)
    if error.remedy is not None:
        say(f"  {error.remedy}", err=True)


def _closed_pipe() -> int:
    """The reader of our output went away (`| head`): that is no error, and not ours to report."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
