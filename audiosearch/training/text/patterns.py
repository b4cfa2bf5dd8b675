"""Patterns of sentences, and the patterns that say something else about time.

Slots: {a} a clause of the first sound, {na} a noun of it, {sa} a name as people type it; {x} is
what a background is under, {z} the background.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

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
OPENINGS = ("the sound of {na}", "sound of {na}", "{na} is heard", "{na} can be heard")
COUNTS = {2: ("twice", "two times"), 3: ("three times",), 4: ("four times", "several times")}
THEN: Final = ("then", "and then", "followed by", "before", "after")
"""Words that say of any two sounds that one comes after the other."""
WHILE: Final = ("while", "as", "during", "together with")
"""Words that say of any two sounds that they overlap."""
AT_ONCE: Final = (*WHILE, "at the same time")
"""All words that say it; "and" and "with" leave it open."""

_SLOT: Final = re.compile(r"\{[ns]?[abc]\}")


def says_at_once(caption: str) -> bool:
    """Whether a caption says that two of its sounds overlap."""
    return any(f" {words} " in f" {caption} " for words in AT_ONCE)


def reordered(rng: np.random.Generator, pattern: str) -> str:
    """The pattern with the sounds of two neighbouring slots in each other's place."""
    slots = _SLOT.findall(pattern)
    at = int(rng.integers(len(slots) - 1))
    one, other = slots[at][-2], slots[at + 1][-2]
    return _SLOT.sub(
        lambda slot: slot[0].translate(str.maketrans(one + other, other + one)), pattern
    )


def joined(rng: np.random.Generator, pattern: str, words: tuple[str, ...]) -> str:
    """The first two slots of the pattern in either order, with one of these words between."""
    slots = _SLOT.findall(pattern)[:2]
    first, second = slots if rng.random() < 0.5 else slots[::-1]
    return f"{first} {words[int(rng.integers(len(words)))]} {second}"
