"""How messages for people are worded: counts with their nouns, and the nearest of known names."""

from __future__ import annotations

from collections.abc import Iterable


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`, `0 files`: a number with what it counts.

    `many` is said of any number but 1; without it, `one` with an s. What agrees with the number
    stands in both: `counted(n, "file is gone", "files are gone")`.
    """
    return f"{n} {one}" if n == 1 else f"{n} {f'{one}s' if many is None else many}"


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name among `known` that `word` was most likely meant to be; None if none is like it.

    Case does not count, nor does it matter whether parts are joined by `-`, `_` or a space.
    `cutoff` is the least likeness, 0..1, twice the letters in common by the letters of both.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only who mistyped something waits

    names = {_plain(name): name for name in known}
    found = get_close_matches(_plain(word), names, n=1, cutoff=cutoff)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], *, form: str = "{}") -> str:
    """`; did you mean find?`, to stand after a message, or nothing; `form` dresses the name."""
    name = nearest(word, known)
    return "" if name is None else f"; did you mean {form.format(name)}?"


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
