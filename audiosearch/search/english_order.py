"""Words that were translated one by one, put in the order of English. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audiosearch.search.word_list import Role

_ARTICLES = frozenset(("a", "the", "some", "its", "no", "several", "many", "other"))
_CLAUSE_STARTS = frozenset(
    ("then", "and", "while", "when", "but", "followed by", "before", "after")
)
_OF = frozenset(("of", "of a", "of the"))
_BEFORE_OF = (Role.NAME, Role.DESCRIPTION, None)
_GENITIVES = {"der": "of the", "einer": "of a"}


@dataclass(frozen=True)
class Unit:
    """A word or phrase and what it became, or a mark between words.

    Attributes:
        text: in English, or the mark.
        role: None for what is not known, and for marks.
        is_first: of the first kind of form: a singular, or "barks".
        source: as it was typed; empty for a mark.
    """

    text: str
    role: Role | None
    is_first: bool
    source: str

    @property
    def is_mark(self) -> bool:
        """Whether it stands between words."""
        return not self.source


def in_english_order(units: Sequence[Unit], *, language: str) -> list[Unit]:
    """Units in the order that English has, without those that say nothing there."""
    left = [unit for unit in units if unit.text]
    if language == "de":
        left = _verbs_before_objects(left)
        left = _genitives(left)
    else:
        left = _describing_first(left)
    left = _subjects_first(left)
    left = _without_loose_of(left)
    return _without_repeats(left)


def _phrase_end(units: Sequence[Unit], start: int) -> int:
    """Where a phrase of a name with its article and what describes it ends; `start` for none."""
    place, has_name = start, False
    while place < len(units):
        unit = units[place]
        is_article = unit.role is Role.JOINING and unit.text in _ARTICLES and place == start
        if unit.role is Role.NAME or (unit.role is None and not unit.is_mark):
            has_name = True
        elif unit.role is not Role.DESCRIPTION and not is_article:
            break
        place += 1
    return place if has_name else start


def _starts_clause(units: Sequence[Unit], place: int) -> bool:
    if place == 0:
        return True
    before = units[place - 1]
    return before.is_mark or (before.role is Role.JOINING and before.text in _CLAUSE_STARTS)


def _subjects_first(units: list[Unit]) -> list[Unit]:
    """Turn "then speaks a man" to "then a man speaks"; what is done to something needs both."""
    found = list(units)
    for place, unit in enumerate(units):
        if not unit.is_first or not _starts_clause(found, place):
            continue
        end = _phrase_end(found, place + 1)
        if end == place + 1:
            continue
        acts = unit.role is Role.ACTION and _phrase_end(found, end) > end
        if unit.role is Role.VERB or acts:
            found[place:end] = [*found[place + 1 : end], unit]
    return found


def _verbs_before_objects(units: list[Unit]) -> list[Unit]:
    """Turn "while a man the door opens" to "while a man opens the door"."""
    found = list(units)
    for place, unit in enumerate(units):
        if unit.role not in (Role.ACTION, Role.VERB) or not _is_last_of_clause(found, place):
            continue
        start = _last_article(found, place)
        if start is None or start == 0 or found[start - 1].role is not Role.NAME:
            continue
        if found[start].source.lower() in _GENITIVES:
            continue
        if _phrase_end(found, start) == place:
            found[start : place + 1] = [unit, *found[start:place]]
    return found


def _is_last_of_clause(units: Sequence[Unit], place: int) -> bool:
    return place + 1 == len(units) or units[place + 1].is_mark


def _last_article(units: Sequence[Unit], end: int) -> int | None:
    found = [i for i in range(end) if units[i].role is Role.JOINING and units[i].text in _ARTICLES]
    return found[-1] if found else None


def _genitives(units: list[Unit]) -> list[Unit]:
    """Turn "sound the bell" (Klang der Glocke) to "sound of the bell"."""
    return [
        replace(unit, text=_GENITIVES[unit.source.lower()])
        if unit.source.lower() in _GENITIVES and place and units[place - 1].role is Role.NAME
        else unit
        for place, unit in enumerate(units)
    ]


def _describing_first(units: list[Unit]) -> list[Unit]:
    """Turn "a door creaky" to "a creaky door"."""
    found = list(units)
    for place in range(1, len(found)):
        start = place
        if found[place].role is not Role.DESCRIPTION:
            continue
        while start and found[start - 1].role is Role.NAME:
            start -= 1
        found[start : place + 1] = [found[place], *found[start:place]]
    return found


def _without_loose_of(units: list[Unit]) -> list[Unit]:
    """Turn "pour of the water" to "pour the water": English has no articles of parts."""
    found: list[Unit] = []
    for unit in units:
        is_of = unit.role is Role.JOINING and unit.text in _OF
        if not is_of or (found and not found[-1].is_mark and found[-1].role in _BEFORE_OF):
            found.append(unit)
        elif unit.text != "of":
            found.append(replace(unit, text=unit.text.removeprefix("of ")))
    return found


def _without_repeats(units: list[Unit]) -> list[Unit]:
    """Turn "dog barking of a dog" to "dog barking"."""
    found: list[Unit] = []
    for unit in units:
        before = next((x for x in reversed(found) if x.role is Role.NAME), None)
        tail = found[found.index(before) + 1 :] if before is not None else []
        is_of = tail and all(x.role is Role.JOINING and x.text in _OF | _ARTICLES for x in tail)
        if unit.role is Role.NAME and before is not None and is_of and tail[0].text in _OF:
            told = {word.removesuffix("s") for word in before.text.split()}
            if {word.removesuffix("s") for word in unit.text.split()} <= told:
                del found[found.index(before) + 1 :]
                continue
        found.append(unit)
    return found
