"""`audiosearch serve`: the page on which one searches and listens, and the API beneath it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import click

from audiosearch._signals import leave_within, stop_on_signals
from audiosearch._statuses import EXIT_INTERRUPTED
from audiosearch.cli.options import library_options
from audiosearch.cli.output import remark
from audiosearch.cli.terminal import say
from audiosearch.config import Config
from audiosearch.library import open_library
from audiosearch.server.page_address import PortTaken, open_page, renew_token
from audiosearch.server.server import AnswerServer, answering_pid

_LEAVE_S = 5.0  # for threads that still read, once the server has stopped


@click.command()
@click.option("--host", help="Address to listen on (default: as configured, 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port of the page (default: as configured, 7433); 0 takes any that is free.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--new-token",
    is_flag=True,
    help="Make a new token for other machines; the one before is worth nothing then. Where this"
    " library is served already, that is all.",
)
@library_options
def serve(
    host: str | None,
    port: int | None,
    in_browser: bool,
    new_token: bool,
    config: Config,
    quiet: bool,
) -> int:
    """Give the page on which the library is searched and listened to, until told to stop.

    It is for this machine alone, unless --host names another address: then whoever knows the token,
    which is shown once, can read the whole library.
    """
    given = replace(
        config.serve,
        host=config.serve.host if host is None else host,
        port=config.serve.port if port is None else port,
    )
    config = replace(config, serve=given)
    with open_library(config) as library:  # made if there is none, migrated, and fit to be used
        _ = library.bundle
    try:
        page = open_page(config, new_token=new_token)
    except PortTaken:
        if not new_token or not _renewed(config):
            raise
        return 0
    # Where a daemon answers the commands already, it goes on with it.
    server = AnswerServer(config, page=page, for_commands=answering_pid(config) is None)
    numbers: list[int] = []
    signals = stop_on_signals(on_first=numbers.append, on_second=_leave_at_once)
    with signals as stop, server:
        say(page.socket.url)
        for text in page.remarks():
            remark(text, quiet=False)
        if in_browser:
            click.launch(page.url_to_open)
        stop.wait()
        remark("stopping; once more to stop at once", quiet=quiet)
    status = EXIT_INTERRUPTED if signal.SIGINT in numbers else 0
    leave_within(_LEAVE_S, status)  # a thread that reads the library may take any time
    return status


def _renewed(config: Config) -> bool:
    """Make another token, and tell it; whether the page that is given already takes it."""
    renewed = renew_token(config)
    remark(f"the token, shown this once: {renewed.token}", quiet=False)
    if renewed.is_due:
        remark(f"the page at {renewed.url} takes it from now on, and no other", quiet=False)
    elif renewed.url:
        remark(f"the page at {renewed.url} asks this machine for none", quiet=False)
    return bool(renewed.url)


def _leave_at_once(_number: int) -> None:
    os._exit(EXIT_INTERRUPTED)
