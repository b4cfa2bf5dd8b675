"""Captions of scenes: a small grammar over the phrases of `sound_phrases`.

Order is always told so that the reversed sentence tells the reversed order, and simultaneity has
connectives of its own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from audiosearch.training.text.labels import tags_of
from audiosearch.training.text.patterns import (
    BACKGROUNDS,
    COUNTS,
    OPENINGS,
    SEQUENCES,
    SHORT_BACKGROUNDS,
    SHORT_SEQUENCES,
    SHORT_SHARE,
    SHORT_TOGETHERS,
    SHORT_TRIPLES,
    THEN,
    TOGETHERS,
    TRIPLES,
    WHILE,
    joined,
    reordered,
)
from audiosearch.training.text.sound_phrases import SOUND_OF_LABEL, TABLE
from audiosearch.training.text.vocabulary import STOP_WORDS


class Relation(StrEnum):
    """How the sounds of a scene stand to each other in time."""

    SINGLE = "one"
    REPEATED = "repeated"  # one sound, a known number of times
    SEQUENCE = "sequence"  # one after the other
    TOGETHER = "together"  # at the same time


@dataclass(frozen=True)
class SceneDescription:
    """What a caption has to say."""

    relation: Relation
    sounds: tuple[str, ...]
    """Names of sounds; in order of time for a sequence."""
    background: str | None = None
    """A sound that lasts under all of it."""
    count: int = 1
    """How often the one sound comes, for `REPEATED`."""


class PhraseRow(NamedTuple):
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
CONNECTIVES = frozenset({"and", "with"})
"""In the name of a sound they would read as a relation between two."""
_STARTS = ("a ", "an ", "the ")


def sound_of(label: str) -> str:
    """The name under which a manifest label is phrased: that of its first tag if it has none."""
    own = SOUND_OF_LABEL.get(label, label)
    return own if own in PHRASES else tags_of(label)[0]


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


def _phrases(rows: list[PhraseRow], generic: frozenset[str], name: str) -> Phrases:
    clauses: list[str] = []
    nouns: list[str] = []
    own = name.replace("_", " ")
    names = [] if CONNECTIVES & set(own.split()) else [own]
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
    rows: dict[str, list[PhraseRow]] = {}
    for line in table.strip().splitlines():
        name, _, rest = line.partition(" = ")
        parts = [[p.strip() for p in part.split(";") if p.strip()] for part in rest.split("|")]
        rows.setdefault(name.strip(), []).append(PhraseRow(*parts))
    used = Counter(s for own in rows.values() for s in {s for row in own for s in row.subjects})
    generic = NO_NAMES | {subject for subject, count in used.items() if count > 1}
    return {name: _phrases(own, generic, name) for name, own in rows.items()}


Wording = Mapping[str, Phrases]
"""Sound to its phrases."""

PHRASES = read_table(TABLE)


def _one(rng: np.random.Generator, options: Iterable[str]) -> str:
    choices = tuple(options)
    return choices[int(rng.integers(len(choices)))]


def _foreground(rng: np.random.Generator, what: SceneDescription, *, short: bool) -> str:
    """A pattern for all but the background."""
    if what.relation is Relation.SEQUENCE:
        pairs, triples = (SHORT_SEQUENCES, SHORT_TRIPLES) if short else (SEQUENCES, TRIPLES)
        return _one(rng, pairs if len(what.sounds) == 2 else triples)
    if what.relation is Relation.TOGETHER:
        return _one(rng, SHORT_TOGETHERS if short else TOGETHERS)
    if what.relation is Relation.REPEATED:
        return f"{'{sa}' if short else '{a}'} {_one(rng, COUNTS[what.count])}"
    return "{sa}" if short else _single(rng)


def _single(rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.45:
        return "{a}"
    return "{na}" if draw < 0.88 else _one(rng, OPENINGS)


class CaptionPair(NamedTuple):
    """A caption, and what is wrong of the same sounds in the same words, if that can be said."""

    caption: str
    wrong: str | None


def write_caption(
    rng: np.random.Generator, what: SceneDescription, *, wording: Wording = PHRASES
) -> str:
    """One caption that says this, in lower case and without punctuation."""
    return write_pair(rng, what, wording=wording).caption


def write_pair(
    rng: np.random.Generator, what: SceneDescription, *, wording: Wording = PHRASES
) -> CaptionPair:
    """One caption that says this, and beside it one that tells another order in time.

    One that names two things with the same word ("birds chirping while crickets chirp" is well,
    "chirping ... chirping" is not) is written again if it can be, since beam search never
    repeats a content word.
    """
    written = _write(rng, what, wording)
    for _ in range(6):
        if not repeats_a_word(written.caption):
            break
        written = _write(rng, what, wording)
    return written


def repeats_a_word(caption: str) -> bool:
    """Whether a word that beam search may not repeat stands twice in a caption."""
    words = [word for word in caption.split() if word not in STOP_WORDS]
    return len(set(words)) < len(words)


def _write(rng: np.random.Generator, what: SceneDescription, said: Wording) -> CaptionPair:
    single = what.relation is Relation.SINGLE and what.background is None
    short = bool(rng.random() < (1.5 * SHORT_SHARE if single else SHORT_SHARE))
    pattern = _foreground(rng, what, short=short)
    wrong = _wrong_of(rng, pattern, what)
    parts = _parts(rng, what, said)
    if what.background is not None:
        around = _one(rng, SHORT_BACKGROUNDS if short else BACKGROUNDS)
        pattern = around.replace("{x}", pattern)
        wrong = wrong and around.replace("{x}", wrong)
    return CaptionPair(pattern.format(**parts), wrong and wrong.format(**parts))


def _wrong_of(rng: np.random.Generator, pattern: str, what: SceneDescription) -> str | None:
    """The same slots in a pattern that says another order."""
    if what.relation is Relation.TOGETHER:
        return joined(rng, pattern, THEN)
    if what.relation is not Relation.SEQUENCE:
        return None
    if len(what.sounds) == 2 and rng.random() < 0.5:
        return joined(rng, pattern, WHILE)
    return reordered(rng, pattern)


def _parts(rng: np.random.Generator, what: SceneDescription, said: Wording) -> dict[str, str]:
    """Phrases for every slot that a pattern for this can have."""
    sounds = what.sounds
    if what.relation is Relation.TOGETHER and rng.random() < 0.5:
        sounds = sounds[::-1]
    named = dict(zip("abc", sounds, strict=False))
    if what.background is not None:
        named["z"] = what.background
    parts = {}
    for letter, sound in named.items():
        parts[letter] = _one(rng, said[sound].clauses)
        parts[f"n{letter}"] = _one(rng, said[sound].nouns)
        parts[f"s{letter}"] = _one(rng, said[sound].names)
    return parts


def every_phrase() -> list[str]:
    """All phrases, patterns and counts: together they hold every word of the grammar."""
    phrases = [text for p in PHRASES.values() for text in (*p.clauses, *p.nouns, *p.names)]
    patterns = [
        *(*SEQUENCES, *TOGETHERS, *TRIPLES, *BACKGROUNDS, *OPENINGS),
        *(*SHORT_SEQUENCES, *SHORT_TOGETHERS, *SHORT_TRIPLES, *SHORT_BACKGROUNDS),
    ]
    bare = ["".join(c for c in _drop_slots(text) if c not in "{}") for text in patterns]
    return [*phrases, *bare, *(text for texts in COUNTS.values() for text in texts)]


def _drop_slots(pattern: str) -> str:
    return " ".join(word for word in pattern.split() if "{" not in word)
