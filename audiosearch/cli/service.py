"""`audiosearch service`: have the daemon started at login, by systemd or launchd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark
from audiosearch.cli.service_manager import install_service, remove_service
from audiosearch.cli.service_unit import (
    ServiceSettings,
    launchd_agent,
    launchd_path,
    systemd_path,
    systemd_unit,
)
from audiosearch.cli.terminal import say, write_data
from audiosearch.config import Config, default_config_path
from audiosearch.errors import AudiosearchError, FeatureUnavailable
from audiosearch.library import open_library
from audiosearch.watch.indexer import running_daemon
from audiosearch.watch.status import watch_row

_MAC = sys.platform == "darwin"


@click.group(cls=CommandGroup)
def service() -> None:
    """Run `audiosearch watch` in the background, from login on."""


@service.command()
@click.option(
    "--print", "only_print", is_flag=True, help="Only print the file that would be written."
)
@click.option("--no-start", is_flag=True, help="Write the file only; do not start the service.")
@click.option(
    "--memory",
    default="50%",
    show_default=True,
    help="Most memory that it may use: 4G, 50% (systemd).",
)
@click.option(
    "--no-sandbox",
    is_flag=True,
    help="Leave out what needs user namespaces, where the unit cannot start with it (systemd).",
)
@library_options
def install(
    only_print: bool, no_start: bool, memory: str, no_sandbox: bool, config: Config, quiet: bool
) -> None:
    """Start the daemon now and at each login, with the settings of this moment.

    Variables AUDIOSEARCH_... of the environment are kept with it, and so is --config.
    """
    settings = ServiceSettings(
        program=_program(config),
        environment={k: v for k, v in os.environ.items() if k.startswith("AUDIOSEARCH_")},
        data_dir=config.data_dir,
        database=config.database,
        memory=memory,
        sandbox=not no_sandbox,
        page=config.serve.enabled,
    )
    text = launchd_agent(settings) if _MAC else systemd_unit(settings)
    if only_print:
        write_data(text)
        return
    path = _path()
    # The service itself never makes one.
    if not config.store.url and not config.database.exists():
        with open_library(config, writable=True):
            pass
    install_service(path, text, logs=config.data_dir / "logs", mac=_MAC, start=not no_start)
    remark(f"written: {path}", quiet=quiet)
    if not no_start:
        remark("started; audiosearch status tells how it goes", quiet=quiet)


@service.command()
@json_option
@library_options
def status(as_json: bool, config: Config, quiet: bool) -> int:  # noqa: ARG001
    """Tell whether the service is installed, and whether a daemon keeps this library.

    Exit status 1 if it is not installed.
    """
    path = _path()
    daemon = running_daemon(config)
    if as_json:
        print_json(
            {
                "installed": path.exists(),
                "file": str(path),
                "watch": None if daemon is None else watch_row(daemon),
            }
        )
    else:
        say(f"{'installed' if path.exists() else 'not installed'}: {path}")
        running = "not running" if daemon is None else f"pid {daemon.pid}: {daemon.activity}"
        say(f"daemon: {running}")
    return 0 if path.exists() else EXIT_NOTHING


@service.command()
@library_options
def remove(config: Config, quiet: bool) -> None:
    """Stop the service and remove its file. The library stays as it is.

    What is gone already is no error.
    """
    path = _path()
    there = path.exists()
    refused = remove_service(path, mac=_MAC)
    daemon = running_daemon(config) if there and refused is not None else None
    if refused is not None and daemon is not None:
        raise AudiosearchError(
            f"its file is removed, but {refused.reason}",
            path=path,
            remedy=f"process {daemon.pid} still keeps this library: kill {daemon.pid} ends it",
        )
    remark(f"removed: {path}" if there else f"not installed: {path}", quiet=quiet)


def _path() -> Path:
    if sys.platform == "win32":
        raise FeatureUnavailable(
            "there is no service for this system",
            remedy="have the Task Scheduler run: audiosearch watch",
        )
    return launchd_path() if _MAC else systemd_path()


def _program(config: Config) -> tuple[str, ...]:
    named = config.config_file
    given = () if named == default_config_path() else ("--config", str(named.absolute()))
    return (sys.executable, "-m", "audiosearch", "watch", *given)
