"""Sentences whose words show how much the sound speaks for each: coloured, or as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from audiosearch.search.results import Word

_CLEAR = 0.5  # nats; a word e^0.5 = 1.6 times as likely, or less so, is worth a colour
_STRONG = 1.5  # nats; 4.5 times as likely


def coloured(words: Sequence[Word]) -> str:
    """The words in one line: green where the sound supports them, red where it speaks against.

    Without colour nothing would be seen, so each clear word has its lift beside it.
    """
    return " ".join(_shown(word) for word in words)


def _shown(word: Word) -> str:
    text = word.text if word.read_as is None else f"{word.text}→{word.read_as}"
    if word.lift is None:
        return click.style(f"{text}(?)", dim=True)
    if abs(word.lift) < _CLEAR:
        return click.style(text, dim=True)
    colour = "green" if word.lift > 0 else "red"
    shown = f"{text}({word.lift:+.1f})"
    return click.style(shown, fg=colour, bold=abs(word.lift) >= _STRONG)


def word_rows(words: Sequence[Word]) -> list[dict[str, object]]:
    """The words for JSON, each with its lift in nats, null for unknown words.

    A word that was read as another has that other word as `read_as`.
    """
    return [
        {
            "word": word.text,
            "lift": None if word.lift is None else round(word.lift, 4),
            **({} if word.read_as is None else {"read_as": word.read_as}),
        }
        for word in words
    ]
