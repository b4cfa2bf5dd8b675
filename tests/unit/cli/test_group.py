"""A mistyped command or option names the nearest right one, at every level."""

from __future__ import annotations

import click
import pytest

from audiosearch.cli.main import audiosearch


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fnd", "x"], "No such command 'fnd'. Did you mean 'find'?"),
        (["Find", "x"], "No such command 'Find'. Did you mean 'find'?"),
        (["roots", "lsit"], "No such command 'lsit'. Did you mean 'list'?"),
        (["captions", "imprt"], "No such command 'imprt'. Did you mean 'import'?"),
        (["config", "int"], "No such command 'int'. Did you mean 'init'?"),
        (["service", "instal"], "No such command 'instal'. Did you mean 'install'?"),
        (["models", "qunatise"], "No such command 'qunatise'. Did you mean 'quantise'?"),
        (["evaluate", "retreival"], "No such command 'retreival'. Did you mean 'retrieval'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
    ],
)
def test_commands(arguments: list[str], said: str):
    with pytest.raises(click.UsageError) as caught:
        audiosearch.main(arguments, standalone_mode=False)
    assert caught.value.format_message() == said


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["find", "--exhuastive", "x"], "--exhaustive"),
        (["index", "--acept-missing"], "--accept-missing"),
        (["--versoin"], "--version"),
    ],
)
def test_options(arguments: list[str], meant: str):
    with pytest.raises(click.UsageError) as caught:
        audiosearch.main(arguments, standalone_mode=False)
    assert f"Did you mean {meant}" in caught.value.format_message().replace("'", "")
