"""Words of normalised English text, parted as spaCy's English rules part them.

Published vocabularies were made with https://spacy.io/usage/linguistic-features#how-tokenizer-works;
this is the part of it that normalised text can reach: no rules for dots, addresses and capitals.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

Words = tuple[str, ...]

# Contractions: words, what may follow with an apostrophe, and (without one) what then stands.
_PERSONS = ("i", "you", "he", "she", "it", "we", "they")
_ASKED = ("who", "what", "when", "where", "why", "how", "there", "that", "this", "these", "those")
_VERBS_NOT_HAVE = (
    *("ca", "could", "do", "does", "did", "had", "may", "might", "must", "need", "ought", "sha"),
    *("should", "wo", "would"),
)
_ENDINGS: tuple[tuple[Words, tuple[Words, ...]], ...] = (
    ((*_PERSONS, *_ASKED), (("'ll",), ("'ll", "'ve"), ("'d",), ("'d", "'ve"))),
    (("i",), (("'m",), ("'m", "a"))),
    (("i", "you", "we", "they"), (("'ve",),)),
    (("you", "we", "they"), (("'re",),)),
    (("he", "she", "it", *(w for w in _ASKED if w not in ("these", "those"))), (("'s",),)),
    (tuple(w for w in _ASKED if w not in ("that", "this")), (("'re",), ("'ve",))),
    (_VERBS_NOT_HAVE, (("n't",), ("n't", "'ve"))),
    (("could", "might", "must", "should", "would", "not"), (("'ve",),)),
    (("ai", "are", "is", "was", "were", "have", "has", "dare"), (("n't",),)),
)
# Contractions without their apostrophe that are words of their own.
_REAL_WORDS = frozenset({"ill", "its", "hell", "shell", "shed", "were", "well", "whore"})
_OTHERS: tuple[Words, ...] = (
    *(("y'", "all"), ("y", "all"), ("how", "'d", "'y"), ("can", "not"), ("gon", "na")),
    *(("got", "ta"), ("let", "'s"), ("c'm", "on")),
    *((str(hour), half) for hour in range(1, 13) for half in ("am", "pm")),
)
# Kept whole, though a rule below would part most of them.
_WHOLE = (
    *("'", "''", "'bout", "'cause", "'cos", "'coz", "'cuz", "'d", "'em", "'ll", "'nuff", "'re"),
    *("'s", "ma'am", "o'clock", "<3", "<33", "<333", "=3", "=|", "—", "<space>", "‘s", "ಠ︵ಠ"),
    *(f"{w}in'" for w in ("do", "go", "hav", "lov", "noth", "nuth", "someth")),
    "ol'",
)

_DIGITS = frozenset("0123456789")
_EDGES = frozenset("…¿؟¡<>_&。？！，、；：～·।،۔؛٪'\"‘´‚„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧—–")
_MONEY = frozenset("$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿")
_FRONT = _EDGES | _MONEY | frozenset("§%=")
_UNITS = (
    *("km", "m", "dm", "cm", "mm", "км", "м", "дм", "см", "мм", "م", "سم", "مم"),
    *("ha", "µm", "nm", "yd", "in", "ft", "kg", "g", "mg", "µg", "t", "lb", "oz", "kmh", "mph"),
    *("mbar", "mb", "kb", "gb", "tb", "%", "нм", "кг", "г", "мг", "кб", "мб", "гб"),
    *("كم", "غرام", "جرام", "جم", "كغ", "ملغ", "كوب", "اكواب", "тбكم"),
)
_MEASURE = re.compile(
    "(?<=[0-9])(?:"
    + "|".join([*(f"{unit}[²³]?" for unit in _UNITS[:13]), *_UNITS[13:]])
    + "|"
    + "|".join(map(re.escape, sorted(_MONEY)))
    + ")$"
)


def _contractions() -> Iterator[Words]:
    for words, endings in _ENDINGS:
        for word, ending in itertools.product(words, endings):
            yield (word, *ending)
            bare = (word, *(part.replace("'", "") for part in ending))
            if "".join(bare) not in _REAL_WORDS:
                yield bare
    yield from _OTHERS


@cache
def exceptions() -> Mapping[str, Words]:
    """Every chunk of text that is parted (or kept whole) by a rule of its own."""
    table = {"".join(parts): parts for parts in _contractions()}
    return MappingProxyType(table | {word: (word,) for word in _WHOLE})


def split_english(text: str) -> list[str]:
    """The words of normalised `text`, in order."""
    return [word for chunk in text.split() for word in _split_chunk(chunk)]


@cache
def _split_chunk(chunk: str) -> Words:
    """The words of a text without spaces."""
    special = exceptions()
    if chunk in special:
        return special[chunk]
    return tuple(_rejoined(_parted(chunk, special)))


def _parted(chunk: str, special: Mapping[str, Words]) -> list[str]:
    """Edges taken off one after another, until what is left has a rule of its own or no edge."""
    front: list[str] = []
    back: list[str] = []
    rest = chunk
    while rest and rest not in special:
        n_front = 1 if _is_edge(rest[0], _FRONT) else 0
        if n_front and rest[n_front:] in special:
            front.append(rest[0])
            rest = rest[n_front:]
            break
        n_back = _back_length(rest[n_front:])
        if n_back and rest[:-n_back] in special:
            back.append(rest[-n_back:])
            rest = rest[:-n_back]
            break
        if not n_front and not n_back:
            break
        front += rest[:1] if n_front else []
        back += [rest[-n_back:]] if n_back else []
        rest = rest[n_front : len(rest) - n_back]
    middle = special.get(rest) or _split_inside(rest)
    return [*front, *middle, *reversed(back)]


def _is_edge(character: str, edges: frozenset[str]) -> bool:
    return character in edges or unicodedata.category(character) == "So"


def _back_length(text: str) -> int:
    """How many characters at the end of `text` are parted from it."""
    measure = _MEASURE.search(text)
    if measure is not None:
        return len(measure.group())
    if text.endswith("'s"):
        return 2
    return 1 if text and _is_edge(text[-1], _EDGES) else 0


def _split_inside(text: str) -> Iterable[str]:
    """Signs between letters or digits, parted from both."""
    start = place = 0
    while place < len(text):
        length = _sign_length(text, place)
        if length:
            if start < place:
                yield text[start:place]
            yield text[place : place + length]
            start = place + length
        place += length or 1
    if start < len(text):
        yield text[start:]


def _sign_length(text: str, place: int) -> int:
    character = text[place]
    if character == "…" or unicodedata.category(character) == "So":
        return 1
    before = text[place - 1] if place else ""
    for sign in ("——", "—", "–", "<", ">", "="):
        after = text[place + len(sign) : place + len(sign) + 1]
        if text.startswith(sign, place) and _is_letter(after):
            return len(sign) if _is_letter(before) or before in _DIGITS else 0
    after = text[place + 1 : place + 2]
    return 1 if character == "^" and before in _DIGITS and after in _DIGITS else 0


def _is_letter(character: str) -> bool:
    """A Latin letter, one of another script with cases, or one of a script that has none.

    The signs ª, º and µ are none, nor are clicks.
    """
    if not character.isalpha() or character in "ªºµǀǁǂǃ":
        return False
    return character < "\u02b0" or character >= "\u0590" or character.lower() != character.upper()


@cache
def _signs() -> Mapping[Words, Words]:
    """Exceptions that edges were taken off, by the parts that this leaves."""
    parted = {tuple(_parted(text, {})): words for text, words in exceptions().items()}
    return {parts: words for parts, words in parted.items() if len(parts) > 1}


def _rejoined(words: list[str]) -> Iterator[str]:
    """Parts that stand together and make up an exception with signs: its words again."""
    place = 0
    while place < len(words):
        for end in range(len(words), place + 1, -1):
            whole = _signs().get(tuple(words[place:end]))
            if whole is not None:
                yield from whole
                place = end
                break
        else:
            yield words[place]
            place += 1
