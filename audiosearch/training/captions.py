"""Sentences about scenes: a small grammar over the phrases of `sound_phrases`.

In: which sounds a scene holds and how they stand to each other in time, and a random generator.
Out: one caption of very many. Order is always said so that turning the sentence round says the
opposite, and simultaneity with its own connectives. It knows neither audio nor token ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from audiosearch.training.sound_phrases import SOUND_OF_LABEL, TABLE


class Relation(StrEnum):
    """How the sounds of a scene stand to each other in time."""

    ONE = "one"
    REPEATED = "repeated"  # one sound, a known number of times
    SEQUENCE = "sequence"  # one after the other
    TOGETHER = "together"  # at the same time


@dataclass(frozen=True)
class Description:
    """What a caption has to say."""

    relation: Relation
    sounds: tuple[str, ...]
    """Names of sounds; in order of time for a sequence."""
    background: str | None = None
    """A sound that lasts under all of it."""
    count: int = 1
    """How often the one sound comes, for `REPEATED`."""


@dataclass(frozen=True)
class Phrases:
    """How one sound can be put into words."""

    clauses: tuple[str, ...]
    """Whole sentences: "a dog barks", "the dog is barking"."""
    nouns: tuple[str, ...]
    """What can follow "the sound of": "a dog barking", "dog bark"."""


_PLURALS = frozenset({"people", "mice", "cattle", "geese"})  # without an s at their end
_STARTS = ("a ", "an ", "the ")
_COUNTS = {2: ("twice", "two times"), 3: ("three times",), 4: ("four times", "several times")}

SEQUENCES = (
    "{a} and then {b}",
    "{a} then {b}",
    "{a} before {b}",
    "{b} after {a}",
    "{a} and afterwards {b}",
    "first {a} then {b}",
    "{na} followed by {nb}",
    "{a} followed by {nb}",
    "{na} and then {nb}",
    "{na} then {nb}",
    "{na} before {nb}",
    "{nb} after {na}",
)
TOGETHERS = (
    "{a} while {b}",
    "{a} as {b}",
    "{a} and {b} at the same time",
    "{a} and {b}",
    "{na} and {nb}",
    "{na} with {nb}",
    "{na} together with {nb}",
    "{na} while {b}",
    "{na} during {nb}",
)
TRIPLES = (
    "{a} then {b} and finally {c}",
    "{a} and then {b} and then {c}",
    "{a} then {b} then {c}",
    "{na} followed by {nb} and then {nc}",
    "{na} then {nb} then {nc}",
    "{a} followed by {nb} followed by {nc}",
)
BACKGROUNDS = (
    "{x} with {nz} in the background",
    "{x} while {z} in the background",
    "{x} over {nz}",
    "{x} as {z}",
    "{x} while {z}",
)
OPENINGS = ("the sound of {n}", "sound of {n}", "{n} is heard", "{n} can be heard")


def sound_of(label: str) -> str:
    """The name under which a manifest label is phrased."""
    return SOUND_OF_LABEL.get(label, label)


def is_plural(subject: str) -> bool:
    """Whether a subject takes "are"."""
    if subject.startswith(("a ", "an ")):
        return False
    last = subject.partition(" of ")[0].rpartition(" ")[2]  # "the bells of a church"
    return last in _PLURALS or (last.endswith("s") and not last.endswith("ss"))


def plural_verb(verb: str) -> str:
    """The plural of a third person: "barks loudly" to "bark loudly"."""
    first, _, rest = verb.partition(" ")
    if first == "is":
        first = "are"
    elif first.endswith("ies"):
        first = first[:-3] + "y"
    elif first.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")):
        first = first[:-2]
    else:
        first = first.removesuffix("s")
    return f"{first} {rest}".strip()


def _phrases(subjects: list[str], verbs: list[str], nouns: list[str]) -> Phrases:
    clauses, all_nouns = [], list(nouns)
    for subject in subjects:
        plural = is_plural(subject)
        for verb in verbs:
            finite, _, running = verb.partition("/")
            clauses.append(f"{subject} {plural_verb(finite) if plural else finite}")
            if running == "-":
                continue
            clauses.append(f"{subject} {'are' if plural else 'is'} {running}")
            all_nouns.append(f"{subject} {running}")
            if " " not in running and subject.startswith(_STARTS):
                all_nouns.append(f"the {running} of {subject}")
    return Phrases(clauses=tuple(dict.fromkeys(clauses)), nouns=tuple(dict.fromkeys(all_nouns)))


def read_table(table: str) -> dict[str, Phrases]:
    """Sound to phrases; see `sound_phrases` for the form."""
    result = {}
    for line in table.strip().splitlines():
        name, _, rest = line.partition(" = ")
        subjects, verbs, nouns = ([p.strip() for p in part.split(";")] for part in rest.split("|"))
        result[name.strip()] = _phrases(subjects, verbs, nouns)
    return result


PHRASES = read_table(TABLE)


def _one(rng: np.random.Generator, options: Iterable[str]) -> str:
    choices = tuple(options)
    return choices[int(rng.integers(len(choices)))]


def _fill(rng: np.random.Generator, pattern: str, sounds: tuple[str, ...]) -> str:
    """Put phrases into a pattern: {a} a clause of the first sound, {na} a noun of it, and so on."""
    parts = {}
    for letter, sound in zip("abc", sounds, strict=False):
        parts[letter] = _one(rng, PHRASES[sound].clauses)
        parts[f"n{letter}"] = _one(rng, PHRASES[sound].nouns)
    return pattern.format(**parts)


def _foreground(rng: np.random.Generator, what: Description) -> str:
    if what.relation is Relation.SEQUENCE:
        patterns = SEQUENCES if len(what.sounds) == 2 else TRIPLES
        return _fill(rng, _one(rng, patterns), what.sounds)
    if what.relation is Relation.TOGETHER:
        sounds = what.sounds if rng.random() < 0.5 else what.sounds[::-1]
        return _fill(rng, _one(rng, TOGETHERS), sounds)
    phrases = PHRASES[what.sounds[0]]
    if what.relation is Relation.REPEATED:
        return f"{_one(rng, phrases.clauses)} {_one(rng, _COUNTS[what.count])}"
    draw = rng.random()
    if draw < 0.45:
        return _one(rng, phrases.clauses)
    if draw < 0.88:
        return _one(rng, phrases.nouns)
    return _one(rng, OPENINGS).format(n=_one(rng, phrases.nouns))


def write_caption(rng: np.random.Generator, what: Description) -> str:
    """One caption that says this, in lower case and without punctuation."""
    caption = _foreground(rng, what)
    if what.background is None:
        return caption
    back = PHRASES[what.background]
    return _one(rng, BACKGROUNDS).format(
        x=caption, z=_one(rng, back.clauses), nz=_one(rng, back.nouns)
    )


def every_phrase() -> list[str]:
    """All phrases, patterns and counts: together they hold every word of the grammar."""
    phrases = [text for p in PHRASES.values() for text in (*p.clauses, *p.nouns)]
    patterns = [*SEQUENCES, *TOGETHERS, *TRIPLES, *BACKGROUNDS, *OPENINGS]
    bare = ["".join(c for c in _drop_slots(text) if c not in "{}") for text in patterns]
    return [*phrases, *bare, *(text for texts in _COUNTS.values() for text in texts)]


def _drop_slots(pattern: str) -> str:
    return " ".join(word for word in pattern.split() if "{" not in word)
