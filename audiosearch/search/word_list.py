"""The names of kinds of sound in other languages than English, as `languages.txt` lists them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files

from audiosearch.search.inflection import agreeing, conjugated, plural
from audiosearch.store.names import normal_form

LANGUAGES = {  # in the order of the columns; the earlier counts where two explain a query alike
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
}
WORD = re.compile(r"[^\W_]+")
DROPPED = "-"  # in place of English words: what has no counterpart
_WITHOUT_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


class Role(StrEnum):
    """What words of a section of the list do in a sentence; the value heads the section."""

    NAME = "names"
    VERB = "verbs"
    ACTION = "actions"  # verbs that are done to something
    DESCRIPTION = "describing"
    JOINING = "joining"


@dataclass(frozen=True)
class Meaning:
    """What words of another language are in English.

    Attributes:
        english: empty where nothing stands for them.
        is_first: they are of the first kind of form: a singular, or "barks" rather than "barking".
    """

    english: str
    role: Role
    is_first: bool


@dataclass(frozen=True)
class Concept:
    """A line of the list.

    Attributes:
        english: one text or two, of the first and the other kind of form.
        forms: by language, forms of the first kind and of the other, a star behind those whose
            regular forms count too.
    """

    role: Role
    english: tuple[str, ...]
    forms: dict[str, tuple[tuple[str, ...], ...]]

    def meaning(self, kind: int) -> Meaning:
        """What a form of a kind (0 or 1) means."""
        english = self.english[min(kind, len(self.english) - 1)]
        return Meaning("" if english == DROPPED else english, self.role, kind == 0)


@dataclass(frozen=True)
class WordList:
    """The phrases of one language, each its words in small letters with accents."""

    language: str
    meanings: dict[str, Meaning]

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max(text.count(" ") + 1 for text in self.meanings)

    @cached_property
    def plain(self) -> dict[str, Meaning]:
        """The same by how they may be typed: without accents, in German also with ae for ä."""
        found: dict[str, Meaning] = {}
        for text, meaning in self.meanings.items():
            found.setdefault(normal_form(text), meaning)
        if self.language == "de":
            for text, meaning in self.meanings.items():
                found.setdefault(text.translate(_WITHOUT_UMLAUTS), meaning)
        return found


def phrase_key(text: str) -> str:
    """A text as `WordList.meanings` has it: its words in small letters, with their accents."""
    return " ".join(
        WORD.findall(unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold()))
    )


@cache
def word_lists() -> tuple[WordList, ...]:
    """The lists of all languages, in the order of `LANGUAGES`."""
    concepts = read_concepts(
        files("audiosearch.search").joinpath("languages.txt").read_text("utf-8")
    )
    return tuple(_word_list(language, concepts) for language in LANGUAGES)


def read_concepts(text: str) -> list[Concept]:
    """The lines of a list.

    Raises:
        ValueError: a line is none of a list.
    """
    found: list[Concept] = []
    role: Role | None = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            role = Role(line.strip("[] "))
            continue
        english, *columns = line.split(" | ")
        if role is None or len(columns) != len(LANGUAGES):
            raise ValueError(f"not a line of a section with {len(LANGUAGES)} languages: {line!r}")
        forms = {
            language: tuple(map(_forms, column.split(";")))
            for language, column in zip(LANGUAGES, columns, strict=True)
        }
        found.append(Concept(role, tuple(map(str.strip, english.split(";"))), forms))
    return found


def _forms(text: str) -> tuple[str, ...]:
    return tuple(form.strip() for form in text.split(",") if form.strip())


def _word_list(language: str, concepts: Sequence[Concept]) -> WordList:
    listed: dict[str, Meaning] = {}
    regular: dict[str, Meaning] = {}
    for concept in concepts:
        for kind, forms in enumerate(concept.forms[language]):
            for form in forms:
                if not form.endswith("*"):
                    listed.setdefault(phrase_key(form), concept.meaning(kind))
                    continue
                for kind_of_it, each in inflected(form[:-1], concept.role, language, kind):
                    regular.setdefault(phrase_key(each), concept.meaning(kind_of_it))
    return WordList(language, regular | listed)


def inflected(form: str, role: Role, language: str, kind: int) -> Iterator[tuple[int, str]]:
    """(kind, form) of the regular forms of one, itself among them."""
    if role in (Role.VERB, Role.ACTION):
        verb = conjugated(form, language=language)
        yield from ((0, each) for each in verb.finite)
        yield from ((1, each) for each in verb.others)
    elif role is Role.NAME:
        yield kind, form
        yield 1, plural(form, language=language)
    else:
        yield from ((kind, each) for each in agreeing(form, language=language))
