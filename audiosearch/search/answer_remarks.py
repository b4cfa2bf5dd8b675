"""What a person should know about an answer before reading it, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from audiosearch._wording import counted
from audiosearch.search.results import FindResult


def answer_remarks(
    result: FindResult, *, filtered: bool, shown_path: Callable[[bytes], str]
) -> Iterator[str]:
    """How the question was understood, what was not looked at, and why nothing is shown.

    Args:
        result: the answer.
        filtered: whether only some recordings might answer.
        shown_path: a path for people.
    """
    return chain(
        _about_words(result),
        unknown_remarks(result.n_unknown, "sound"),
        _about_left_out(result),
        _about_none(result, filtered=filtered, shown_path=shown_path),
    )


def _about_words(result: FindResult) -> Iterator[str]:
    """How the query was understood."""
    if result.only_excluded:
        yield f"nothing is asked for but what is left out: everything without {_quoted(result)}"
    elif result.excluded:
        yield f"without {_quoted(result)}"
    for word, meant in result.corrected.items():
        yield f"nothing here knows {word!r}: did you mean {meant!r}? Searched so"
    # Of words that were taken for slips of others it is said already what was searched.
    unknown = [word for word in result.unknown_words if word not in result.corrected.values()]
    if unknown:
        words, them = ", ".join(map(repr, unknown)), "it" if len(unknown) == 1 else "them"
        yield (
            f"the model does not know {words};"
            f" file names, tags and metadata were searched for {them}"
        )
    if result.n_left_out:
        yield f"the query is too long: {counted(result.n_left_out, 'word')} at its end left out"
    if result.n_with_unknown:
        named = " ".join(result.unknown_words)
        yield (
            f"{counted(result.n_with_unknown, 'sound')} with {named!r}, but little else of it:"
            f" audiosearch find {shlex.quote(named)}"
        )


def _quoted(result: FindResult) -> str:
    return ", ".join(map(repr, result.excluded))


def _about_none(
    result: FindResult, *, filtered: bool, shown_path: Callable[[bytes], str]
) -> Iterator[str]:
    """Why nothing is shown."""
    if result.hits:
        return
    for path in result.unheard:
        yield (
            f"{shown_path(path)} has these words, but no sound that is heard"
            " (audiosearch info tells more)"
        )
    if not result.n_windows:
        yield "the library is empty: audiosearch index ~/sounds fills it"
    elif result.n_excluded:
        n_found = counted(result.n_excluded, "match", "matches")
        yield f"{n_found}, but {_quoted(result)} is heard in all"
    elif result.n_below_min_score:
        weak = counted(result.n_below_min_score, "weak one")
        if result.weaker:
            yield f"no good match; the nearest of {weak} (--min-score 0 shows all)"
        else:
            yield f"no good match; {weak} left out (--min-score 0 shows all)"
    elif result.unheard:
        return
    else:
        yield _why_none(result, filtered=filtered)


def _why_none(result: FindResult, *, filtered: bool) -> str:
    """Why nothing was found that could be too weak."""
    if result.n_windows and not filtered and result.only_itself:
        return "there is nothing but this sound itself (--self shows it)"
    if not result.weak:
        if result.n_windows and result.moments:
            return "it is heard nowhere well enough (--min-score 0.3 shows weaker moments)"
        return "no sound passes the filters"
    if filtered:
        return "no file that passes the filters has these words in its name, tags or metadata"
    return "no file name, tag or metadata has these words either"


def _about_left_out(result: FindResult) -> Iterator[str]:
    """What was not looked at."""
    if result.n_without_clock:
        yield (
            f"{counted(result.n_without_clock, 'recording')} left out: when they were made is"
            " told neither by their metadata nor by their names"
        )
    if result.n_unheard:
        yield (
            f"{counted(result.n_unheard, 'stretch', 'stretches')} not listened to"
            " (--exhaustive listens to all)"
        )


def unknown_remarks(n_unknown: Mapping[str, int], noun: str) -> Iterator[str]:
    """What filters left out for what is not known of it; `noun` is what is counted."""
    for measure, n in n_unknown.items():
        yield f"{counted(n, noun)} with no known {measure} left out"
