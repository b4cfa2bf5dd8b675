"""Sentences about scenes: a small grammar over the phrases of `sound_phrases`.

In: which sounds a scene holds and how they stand to each other in time, and a random generator.
Out: one caption of very many. Order is always said so that turning the sentence round says the
opposite, and simultaneity with its own connectives. It knows neither audio nor token ids.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from audiosearch.training.sound_phrases import SOUND_OF_LABEL, TABLE
from audiosearch.training.stopwords import STOP_WORDS


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


class Row(NamedTuple):
    """One line of the table."""

    subjects: list[str]
    verbs: list[str]
    nouns: list[str]
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Phrases:
    """How one sound can be put into words."""

    clauses: tuple[str, ...]
    """Whole sentences: "a dog barks", "the dog is barking"."""
    nouns: tuple[str, ...]
    """What can follow "the sound of": "a dog barking", "dog bark"."""
    names: tuple[str, ...]
    """As short as people type it: "dog", "dog barking"."""


_PLURALS = frozenset({"people", "mice", "cattle", "geese"})  # without an s at their end
# Subjects that say who or what, but not which sound.
NO_NAMES = frozenset(
    {
        *("a machine", "a device", "a boy", "a child", "a teacher", "guests", "an object"),
        *("a sleeper", "a sick man", "a sick person", "a tired person", "a sleeping person"),
        *("drops", "wood", "fans", "a wheel", "a song", "the tube"),
    }
)
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
# As people type into a search field: names only, with or without a connective.
SHORT_SEQUENCES = (
    "{sa} then {sb}",
    "{sa} followed by {sb}",
    "{sa} before {sb}",
    "{sb} after {sa}",
    "first {sa} then {sb}",
)
SHORT_TOGETHERS = ("{sa} and {sb}", "{sa} with {sb}", "{sa} while {sb}")
SHORT_TRIPLES = ("{sa} then {sb} then {sc}",)
SHORT_BACKGROUNDS = ("{x} in {sz}", "{x} with {sz}", "{x} over {sz}")
SHORT_SHARE = 0.2
"""How many captions are short."""
AT_ONCE = ("while", "as", "during", "together with", "at the same time")
"""Words that say that two sounds overlap; "and" and "with" leave it open."""
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


def _phrases(rows: list[Row], generic: frozenset[str], name: str) -> Phrases:
    clauses: list[str] = []
    nouns: list[str] = []
    names = [name.replace("_", " ")]
    for subjects, verbs, more, short in rows:
        nouns += more
        names += [*short, *(noun for noun in more if len(noun.split()) < 3)]
        names += [_bare(subject) for subject in subjects if subject not in generic]
        for subject, verb in itertools.product(subjects, verbs):
            plural = is_plural(subject)
            finite, _, running = verb.partition("/")
            clauses.append(f"{subject} {plural_verb(finite) if plural else finite}")
            if running == "-":
                continue
            clauses.append(f"{subject} {'are' if plural else 'is'} {running}")
            nouns.append(f"{subject} {running}")
            if subject not in generic or " " in running:
                names.append(f"{_bare(subject)} {running}")
            if " " not in running and subject.startswith(_STARTS):
                nouns.append(f"the {running} of {subject}")
    return Phrases(*(tuple(dict.fromkeys(texts)) for texts in (clauses, nouns, names)))


def _bare(subject: str) -> str:
    for start in _STARTS:
        subject = subject.removeprefix(start)
    return subject


def read_table(table: str) -> dict[str, Phrases]:
    """Sound to phrases; see `sound_phrases` for the form.

    A subject that several sounds share ("someone", "water") is no name for any of them.
    """
    rows: dict[str, list[Row]] = {}
    for line in table.strip().splitlines():
        name, _, rest = line.partition(" = ")
        parts = [[p.strip() for p in part.split(";") if p.strip()] for part in rest.split("|")]
        rows.setdefault(name.strip(), []).append(Row(*parts))
    used = Counter(s for own in rows.values() for s in {s for row in own for s in row.subjects})
    generic = NO_NAMES | {subject for subject, count in used.items() if count > 1}
    return {name: _phrases(own, generic, name) for name, own in rows.items()}


Wording = Mapping[str, Phrases]
"""Sound to its phrases."""

PHRASES = read_table(TABLE)


def _one(rng: np.random.Generator, options: Iterable[str]) -> str:
    choices = tuple(options)
    return choices[int(rng.integers(len(choices)))]


def _fill(rng: np.random.Generator, pattern: str, sounds: tuple[str, ...], said: Wording) -> str:
    """Put phrases into a pattern: {a} a clause of the first sound, {na} a noun of it, and so on."""
    parts = {}
    for letter, sound in zip("abc", sounds, strict=False):
        parts[letter] = _one(rng, said[sound].clauses)
        parts[f"n{letter}"] = _one(rng, said[sound].nouns)
        parts[f"s{letter}"] = _one(rng, said[sound].names)
    return pattern.format(**parts)


def _foreground(rng: np.random.Generator, what: Description, said: Wording, *, short: bool) -> str:
    if what.relation is Relation.SEQUENCE:
        pairs, triples = (SHORT_SEQUENCES, SHORT_TRIPLES) if short else (SEQUENCES, TRIPLES)
        pattern = _one(rng, pairs if len(what.sounds) == 2 else triples)
        return _fill(rng, pattern, what.sounds, said)
    if what.relation is Relation.TOGETHER:
        sounds = what.sounds if rng.random() < 0.5 else what.sounds[::-1]
        return _fill(rng, _one(rng, SHORT_TOGETHERS if short else TOGETHERS), sounds, said)
    phrases = said[what.sounds[0]]
    if what.relation is Relation.REPEATED:
        options = phrases.names if short else phrases.clauses
        return f"{_one(rng, options)} {_one(rng, _COUNTS[what.count])}"
    return _one(rng, phrases.names) if short else _single(rng, phrases)


def _single(rng: np.random.Generator, phrases: Phrases) -> str:
    draw = rng.random()
    if draw < 0.45:
        return _one(rng, phrases.clauses)
    if draw < 0.88:
        return _one(rng, phrases.nouns)
    return _one(rng, OPENINGS).format(n=_one(rng, phrases.nouns))


def write_caption(
    rng: np.random.Generator, what: Description, *, wording: Wording = PHRASES
) -> str:
    """One caption that says this, in lower case and without punctuation.

    One that names two things with the same word ("birds chirping while crickets chirp" is well,
    "chirping ... chirping" is not) is written again if it can be, since beam search never
    repeats a content word.
    """
    caption = _write(rng, what, wording)
    for _ in range(6):
        if not repeats_a_word(caption):
            break
        caption = _write(rng, what, wording)
    return caption


def repeats_a_word(caption: str) -> bool:
    """Whether a word that beam search may not repeat stands twice in a caption."""
    words = [word for word in caption.split() if word not in STOP_WORDS]
    return len(set(words)) < len(words)


def says_at_once(caption: str) -> bool:
    """Whether a caption says that two of its sounds overlap."""
    return any(f" {words} " in f" {caption} " for words in AT_ONCE)


def _write(rng: np.random.Generator, what: Description, said: Wording) -> str:
    single = what.relation is Relation.ONE and what.background is None
    short = bool(rng.random() < (1.5 * SHORT_SHARE if single else SHORT_SHARE))
    caption = _foreground(rng, what, said, short=short)
    if what.background is None:
        return caption
    back = said[what.background]
    return _one(rng, SHORT_BACKGROUNDS if short else BACKGROUNDS).format(
        x=caption,
        z=_one(rng, back.clauses),
        nz=_one(rng, back.nouns),
        sz=_one(rng, back.names),
    )


def every_phrase() -> list[str]:
    """All phrases, patterns and counts: together they hold every word of the grammar."""
    phrases = [text for p in PHRASES.values() for text in (*p.clauses, *p.nouns, *p.names)]
    patterns = [
        *(*SEQUENCES, *TOGETHERS, *TRIPLES, *BACKGROUNDS, *OPENINGS),
        *(*SHORT_SEQUENCES, *SHORT_TOGETHERS, *SHORT_TRIPLES, *SHORT_BACKGROUNDS),
    ]
    bare = ["".join(c for c in _drop_slots(text) if c not in "{}") for text in patterns]
    return [*phrases, *bare, *(text for texts in _COUNTS.values() for text in texts)]


def _drop_slots(pattern: str) -> str:
    return " ".join(word for word in pattern.split() if "{" not in word)
