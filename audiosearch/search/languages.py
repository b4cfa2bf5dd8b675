"""Queries in German, French, Spanish, Italian and Portuguese, read as English ones.

Words are looked up, longest phrases first, and put in the order of English: no grammar beyond that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from audiosearch.search.english_order import Unit, in_english_order
from audiosearch.search.word_list import (
    LANGUAGES,
    WORD,
    Meaning,
    Role,
    WordList,
    phrase_key,
    word_lists,
)
from audiosearch.store.names import normal_form, typed_words

LONGEST = 10_000  # characters that are looked at
_SHORTEST_PART = 3  # letters of a part of a German compound
_SHORTEST_COMPOUND = 8
_LINKS = ("", "s", "es", "n", "en", "e")  # between the parts
# A surname ends like a compound: Bachmann, Feldmann.
_NO_HEADS = frozenset(("man", "someone", "woman", "mountain", "stone", "house"))
_CASES = ("es", "en", "er", "em", "s", "n", "e")  # endings of German words, the longest first

# English words too, which models may not know.
_ENGLISH_TOO = frozenset((
    "aerosol", "armonica", "boules", "bossa", "burro", "bzzz", "cajon", "cembalo", "clavecin",
    "didgeridoo", "electronica", "eructation", "fatale", "flatulence", "flute", "handyman",
    "llama", "prost", "reggaeton", "reverberation", "roto",
))  # fmt: skip

IsEnglish = Callable[[str], bool]


@dataclass(frozen=True)
class Translation:
    """A query that was read in another language.

    Attributes:
        language: its code in ISO 639-1.
        english: what it is read as.
        sources: words of that, in normal form -> the words, as they were typed, that they stand
            for.
    """

    language: str
    english: str
    sources: Mapping[str, str]


@dataclass(frozen=True)
class _ReadText:
    """A text by the list of one language."""

    words: WordList
    units: tuple[Unit, ...]
    n_explained: int
    n_exact: int
    n_telling: int
    has_news: bool


def translate(texts: Sequence[str], *, is_english: IsEnglish) -> tuple[Translation, ...] | None:
    """Texts of one query in the language that explains most of their words; None for English.

    A language explains them better than English where it has more of the words, one of which is no
    English word and more than a joining one. What is ambiguous follows the rest so.

    Args:
        texts: what is asked for and what is not to be heard.
        is_english: whether a word, as it was typed, is one of English.
    """

    def is_known(word: str) -> bool:
        return word.lower() in _ENGLISH_TOO or is_english(word)

    runs = [run for text in texts for run in WORD.findall(text[:LONGEST])]
    n_english = sum(map(is_known, runs))
    if n_english == len(runs):
        return None
    best: tuple[tuple[int, int, int], list[_ReadText]] | None = None
    for words in word_lists():
        found = [_read(text[:LONGEST], words, is_english=is_known) for text in texts]
        n_explained = sum(each.n_explained for each in found)
        if n_explained <= n_english or not any(each.has_news for each in found):
            continue
        n_exact, n_telling = sum(x.n_exact for x in found), sum(x.n_telling for x in found)
        rank = (n_explained, n_exact, n_telling)
        if best is None or rank > best[0]:
            best = rank, found
    if best is None:
        return None
    return tuple(map(_translated, best[1]))


def language_remark(code: str, translated: str | None) -> str:
    """What a query was read as, or which languages are understood where it is in none of them."""
    if translated is not None:
        return f"read as {LANGUAGES[code]}: {translated}"
    *others, last = ("English", *LANGUAGES.values())
    return f"queries are understood in {', '.join(others)} and {last}"


def _read(text: str, words: WordList, *, is_english: IsEnglish) -> _ReadText:
    units = tuple(_units(text, words))
    known = [unit for unit in units if unit.role is not None]
    telling = [unit for unit in known if unit.role is not Role.JOINING]
    return _ReadText(
        words=words,
        units=units,
        n_explained=sum(len(WORD.findall(unit.source)) for unit in known),
        n_exact=sum(phrase_key(unit.source) in words.meanings for unit in known),
        n_telling=len(telling),
        has_news=not all(_all(is_english, unit.source) for unit in telling),
    )


def _all(is_english: IsEnglish, text: str) -> bool:
    return all(map(is_english, WORD.findall(text)))


def _units(text: str, words: WordList) -> Iterator[Unit]:
    """The words of a text with what they mean, and the marks between them."""
    runs = list(WORD.finditer(text))
    place, end = 0, 0
    while place < len(runs):
        gap = text[end : runs[place].start()]
        meaning, n_words = _longest(text, runs[place:], words)
        source = text[runs[place].start() : runs[place + n_words - 1].end()]
        yield from _marks(gap, is_first=end == 0)
        end = runs[place + n_words - 1].end()
        place += n_words
        if meaning is None:
            yield Unit(source, None, False, source)
        else:
            yield Unit(meaning.english, meaning.role, meaning.is_first, source)
    yield from _marks(text[end:], is_first=False)


def _marks(gap: str, *, is_first: bool) -> Iterator[Unit]:
    """The signs between two words that mean something: quotes, commas, a minus before a word."""
    spaced = f" {gap}" if is_first else gap
    for found in re.finditer(r"[,;\"\u201c\u201d]|(?<=\s)[-\u2212](?=[\"\u201c]?$)", spaced):
        yield Unit(found[0], None, False, "")


def _longest(
    text: str, runs: Sequence[re.Match[str]], words: WordList
) -> tuple[Meaning | None, int]:
    """What the longest phrase at the first run means, and how many runs it has."""
    n_most = 1
    while n_most < min(words.longest, len(runs)):
        if not _joins(text[runs[n_most - 1].end() : runs[n_most].start()]):
            break
        n_most += 1
    for n_words in range(n_most, 0, -1):
        found = _meaning(" ".join(run[0] for run in runs[:n_words]), words)
        if found is not None:
            return found, n_words
    return _inflected(runs[0][0], words), 1


def _joins(gap: str) -> bool:
    return gap in ("'", "’", "-", "'-") or not gap.strip()


def _meaning(phrase: str, words: WordList) -> Meaning | None:
    return words.meanings.get(phrase_key(phrase)) or words.plain.get(normal_form(phrase))


def _inflected(word: str, words: WordList) -> Meaning | None:
    """What a German word means that has an ending, or is a compound of two others."""
    if words.language != "de" or not word.isalpha():
        return None
    plain = normal_form(word)
    for ending in _CASES:
        stem = plain.removesuffix(ending)
        if stem != plain and len(stem) > _SHORTEST_PART and stem in words.plain:
            return words.plain[stem]
    if len(plain) < _SHORTEST_COMPOUND:
        return None
    typed = phrase_key(word)
    for cut in range(len(plain) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
        first, last = _part(plain[:cut], words), _meaning(typed[cut:], words)
        if first is None or last is None or Role.JOINING in (first.role, last.role):
            continue
        if last.role is Role.DESCRIPTION or last.english in _NO_HEADS:
            continue
        return replace(last, english=_glued(first.english, last.english), role=Role.NAME)
    return None


def _part(text: str, words: WordList) -> Meaning | None:
    """The first part of a compound, with or without what links it to the next."""
    for link in _LINKS:
        stem = text.removesuffix(link)
        if text.endswith(link) and len(stem) >= _SHORTEST_PART and stem in words.plain:
            return words.plain[stem]
    return None


def _glued(first: str, last: str) -> str:
    """Two parts as one, of which the first may say what the second does ("dog", "dog barking")."""
    told = set(last.split())
    kept = [word for word in first.split() if word not in told]
    return " ".join([*kept, last])


def _translated(reading: _ReadText) -> Translation:
    language = reading.words.language
    units = in_english_order(reading.units, language=language)
    english, sources = "", dict[str, str]()
    is_inside, joins = False, True  # of quotes; no space before the next
    for unit in units:
        if unit.is_mark:
            is_opening = unit.text in '"\u201c\u201d' and not is_inside
            is_inside ^= unit.text in '"\u201c\u201d'
            begins = is_opening or unit.text in "-\u2212"
            english += unit.text if joins or not begins else f" {unit.text}"
            joins = begins
            continue
        text = unit.text
        if english.endswith(("-", "\u2212")) and " " in text:
            text = f'"{text}"'  # all of it is left out, not only its first word
        english += text if joins else f" {text}"
        joins = False
        if unit.role is not None and unit.role is not Role.JOINING:
            for word in typed_words(unit.text):
                sources.setdefault(word.text, unit.source)
    return Translation(language, english, sources)
