"""What begins with a minus is an option, or a word that must not be heard, as a person meant it."""

from __future__ import annotations

from typing import Any

import click
import pytest

from audiosearch.cli.minus_words import MinusWords


@click.command(cls=MinusWords)
@click.argument("text", nargs=-1)
@click.option("--without", multiple=True)
@click.option("-n", "--limit", type=click.IntRange(min=1))
@click.option("-q", "--quiet", is_flag=True)
@click.option("-r", "--reverse", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--like")
def command(**_: Any) -> None:
    """Nothing is done: the tests look at what was read."""


def read(*args: str) -> dict[str, Any]:
    """What of the defaults the arguments change."""
    with command.make_context("find", list(args)) as context:
        return {name: value for name, value in context.params.items() if value}


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["rain", "-thunder"], {"without": ("thunder",)}),
        (["rain", "-thunder", "-wind"], {"without": ("thunder", "wind")}),
        (["rain", "-nature"], {"without": ("nature",)}),
        (["rain", "-quiet-room"], {"without": ("quiet-room",)}),
        (["rain", "-t-shirt"], {"without": ("t-shirt",)}),
        (["rain", "-heavy thunder"], {"without": ("heavy thunder",)}),
        (["rain", "-a dog"], {"without": ("a dog",)}),
        (["rain", '-"heavy thunder"'], {"without": ("heavy thunder",)}),
        (["rain", "-n3"], {"limit": 3}),
        (["rain", "-n", "3"], {"limit": 3}),
        (["rain", "-qn12"], {"limit": 12, "quiet": True}),
        (["rain", "-qr"], {"quiet": True, "reverse": True}),
        (["rain", "-rn", "2", "-thunder"], {"reverse": True, "limit": 2, "without": ("thunder",)}),
        (["rain", "--like", "-odd.wav"], {"like": "-odd.wav"}),
    ],
)
def test_a_minus_is_read_as_it_was_meant(args: list[str], wanted: dict[str, Any]) -> None:
    assert read(*args) == {"text": ("rain",), **wanted}


def test_behind_two_minuses_nothing_is_an_option() -> None:
    assert read("--", "rain", "-n3", "-thunder") == {"text": ("rain", "-n3", "-thunder")}


@pytest.mark.parametrize("arg", ["-json", "-like", "-limit"])
def test_an_option_with_one_minus_too_few_is_no_word(arg: str) -> None:
    with pytest.raises(click.UsageError, match=f"Did you mean '-{arg}'"):
        read("rain", arg)
