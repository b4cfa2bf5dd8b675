"""`audiosearch config`: where the settings are, what they are, and a file to start from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import (
    describe_settings,
    library_options,
    settings_file_options,
)
from audiosearch.cli.settings_file import write_settings
from audiosearch.cli.terminal import say, write_data
from audiosearch.config import SECTIONS, Config, example_config
from audiosearch.errors import ConfigError


@click.group(cls=CommandGroup)
def config() -> None:
    """Show the settings, or write a file of them."""


@config.command()
@settings_file_options
def path(file: Path, quiet: bool) -> None:  # noqa: ARG001
    """Print the path of the settings file, there or not."""
    write_data(f"{file}\n")


@config.command()
@library_options
def show(config: Config, quiet: bool) -> None:
    """Print the settings in force, as TOML."""
    if not quiet:
        say(f"# {describe_settings(config)}", err=True)
    write_data(f"data_dir = {_toml(str(config.data_dir))}\n")
    for section in SECTIONS:
        write_data(f"\n[{section}]\n")
        for key, value in dataclasses.asdict(getattr(config, section)).items():
            write_data(f"{key} = {_toml(value)}\n")


@config.command()
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@settings_file_options
def init(file: Path, quiet: bool, force: bool) -> None:
    """Write a settings file with every key, its default and what it does.

    It is the file that --config or AUDIOSEARCH_CONFIG names, or else the usual one.
    """
    if file.exists() and not force:
        raise ConfigError("is there already", path=file, remedy="--force writes over it")
    write_settings(file, example_config())
    if not quiet:
        write_data(f"{file}\n")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # JSON's quoting of a text is also TOML's
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
