"""What a person should know about an answer before reading it, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from audiosearch._wording import counted
from audiosearch.search.results import FindResult


@dataclass(frozen=True, kw_only=True)
class Advice:
    """How whoever asked can ask for more; None: not in the way in which it was asked.

    Attributes:
        every_hit: for those that are no good match too.
        weaker_moments: for moments that are none.
        every_window: for windows to be listened to that were not.
        itself: for the sound that is asked about.
        about_file: what tells more of a file.
        find: what other words are asked for with, before them.
        tags: what lists the tags that there are.
    """

    every_hit: str | None = None
    weaker_moments: str | None = None
    every_window: str | None = None
    itself: str | None = None
    about_file: str | None = None
    find: str | None = None
    tags: str | None = None


COMMANDS: Final = Advice(
    every_hit="--min-score 0",
    weaker_moments="--min-score 0.3",
    every_window="--exhaustive",
    itself="--self",
    about_file="audiosearch info",
    find="audiosearch find ",
    tags="audiosearch tag list",
)
HTTP: Final = Advice(
    every_hit="min-score=0",
    weaker_moments="min-score=0.3",
    every_window="exhaustive=true",
    itself="self=true",
    find="q=",
)
TOOLS: Final = Advice(
    every_hit="min_score 0", weaker_moments="min_score 0.3", about_file="info", find="find "
)


def answer_remarks(
    result: FindResult,
    *,
    filtered: bool,
    shown_path: Callable[[bytes], str],
    advice: Advice = COMMANDS,
) -> Iterator[str]:
    """How the question was understood, what was not looked at, and why nothing is shown.

    Args:
        result: the answer.
        filtered: whether only some recordings might answer.
        shown_path: a path for people.
        advice: how to ask for more.
    """
    return chain(
        _about_words(result, advice),
        unknown_remarks(result.n_unknown, "sound"),
        _about_left_out(result, advice),
        _about_none(result, advice, filtered=filtered, shown_path=shown_path),
        unknown_tag_remarks(result.unknown_tags, advice),
    )


def _about_words(result: FindResult, advice: Advice) -> Iterator[str]:
    """How the query was understood."""
    if result.language is not None:
        from audiosearch.search.languages import language_remark  # noqa: PLC0415 - seldom needed

        yield language_remark(result.language, result.translated)
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
        told = f"{counted(result.n_with_unknown, 'sound')} with {named!r}, but little else of it"
        yield told if advice.find is None else f"{told}: {advice.find}{shlex.quote(named)}"


def _quoted(result: FindResult) -> str:
    return ", ".join(map(repr, result.excluded))


def _about_none(
    result: FindResult,
    advice: Advice,
    *,
    filtered: bool,
    shown_path: Callable[[bytes], str],
) -> Iterator[str]:
    """Why nothing is shown."""
    if result.hits:
        return
    for path in result.unheard:
        told = f"{shown_path(path)} has these words, but no sound that is heard"
        yield told + _advised(advice.about_file, "tells more")
    if not result.n_windows:
        yield "the library is empty: audiosearch index ~/sounds fills it"
    elif result.n_excluded:
        n_found = counted(result.n_excluded, "match", "matches")
        yield f"{n_found}, but {_quoted(result)} is heard in all"
    elif result.n_below_min_score:
        weak = counted(result.n_below_min_score, "weak one")
        what = f"the nearest of {weak}" if result.weaker else f"{weak} left out"
        yield f"no good match; {what}{_advised(advice.every_hit, 'shows all')}"
    elif result.unheard:
        return
    else:
        yield _why_none(result, advice, filtered=filtered)


def _why_none(result: FindResult, advice: Advice, *, filtered: bool) -> str:
    """Why nothing was found that could be too weak."""
    if not filtered and result.only_itself:
        return f"there is nothing but this sound itself{_advised(advice.itself, 'shows it')}"
    if not result.weak:
        if result.moments:
            shows = _advised(advice.weaker_moments, "shows weaker moments")
            return f"it is heard nowhere well enough{shows}"
        return "no sound passes the filters"
    if filtered:
        return "no file that passes the filters has these words in its name, tags or metadata"
    return "no file name, tag or metadata has these words either"


def _about_left_out(result: FindResult, advice: Advice) -> Iterator[str]:
    """What was not looked at."""
    if result.n_without_clock:
        yield (
            f"{counted(result.n_without_clock, 'recording')} left out: when they were made is"
            " told neither by their metadata nor by their names"
        )
    if result.n_unheard:
        n_unheard = counted(result.n_unheard, "stretch", "stretches")
        yield f"{n_unheard} not listened to{_advised(advice.every_window, 'listens to all')}"


def _advised(how: str | None, what: str) -> str:
    return "" if how is None else f" ({how} {what})"


def unknown_remarks(n_unknown: Mapping[str, int], noun: str) -> Iterator[str]:
    """What filters left out for what is not known of it; `noun` is what is counted."""
    for measure, n in n_unknown.items():
        yield f"{counted(n, noun)} with no known {measure} left out"


def unknown_tag_remarks(tags: Iterable[str], advice: Advice = COMMANDS) -> Iterator[str]:
    """Which tags no sound has, where that is why nothing was found.

    No error, as of a collection that nobody made: sounds have tags of their own, now or later.
    """
    for tag in tags:
        told = f"no sound here has the tag {tag!r}"
        yield told if advice.tags is None else f"{told}: {advice.tags}"
