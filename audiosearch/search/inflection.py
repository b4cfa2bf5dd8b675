"""The regular forms of words in German, French, Spanish, Italian and Portuguese.

What a form means is told by its place: of names the singular and the plural, of verbs what says
that something happens ("barks") and the others ("barking").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PARTICIPLE_ENDINGS = ("", "e", "er", "es", "en", "em")  # bellend, bellende ...
_GERMAN_ENDINGS = ("e", "er", "es", "en", "em")

# Endings of infinitives, the longest first -> endings of "it barks", and of the other forms.
_CONJUGATIONS: Mapping[str, tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = {
    "fr": (
        ("yer", ("ie",), ("yer", "ient", "yant", "yante")),
        ("er", ("e",), ("er", "ent", "ant", "ante", "ants", "antes")),
    ),
    "es": (
        ("ar", ("a",), ("ar", "an", "ando")),
        ("er", ("e",), ("er", "en", "iendo")),
        ("ir", ("e",), ("ir", "en", "iendo")),
    ),
    "it": (
        ("iare", ("ia",), ("iare", "iano", "iando")),
        ("are", ("a",), ("are", "ano", "ando")),
        ("ere", ("e",), ("ere", "ono", "endo")),
        ("ire", ("isce",), ("ire", "iscono", "endo")),
    ),
    "pt": (
        ("ar", ("a",), ("ar", "am", "ando")),
        ("er", ("e",), ("er", "em", "endo")),
        ("ir", ("e",), ("ir", "em", "indo")),
    ),
}

# Endings of names in the singular, the longest first -> those of the plural.
_PLURALS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "fr": (("eau", "eaux"), ("œu", "œux"), ("", "s")),
    "es": (("z", "ces"), *((vowel, f"{vowel}s") for vowel in "aeiouáéó"), ("", "es")),
    "it": (
        ("ca", "che"),
        ("ga", "ghe"),
        ("cia", "ce"),
        ("gia", "ge"),
        ("io", "i"),
        ("o", "i"),
        ("a", "e"),
        ("e", "i"),
        ("", ""),
    ),
    "pt": (("m", "ns"), ("al", "ais"), *((letter, f"{letter}es") for letter in "rz"), ("", "s")),
}

# Endings of what describes, as it stands in the list -> all the endings that it can take.
_AGREEMENTS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "fr": (("e", ("e", "es")), ("s", ("s", "se", "ses")), ("", ("", "e", "s", "es"))),
    "es": (
        ("o", ("o", "a", "os", "as")),
        ("a", ("a", "as")),
        ("e", ("e", "es")),
        ("", ("", "es")),
    ),
    "it": (
        ("io", ("io", "ia", "i", "ie")),
        ("co", ("co", "ca", "ci", "che")),
        ("o", ("o", "a", "i", "e")),
        ("a", ("a", "e")),
        ("e", ("e", "i")),
        ("", ("",)),
    ),
    "pt": (
        ("o", ("o", "a", "os", "as")),
        ("a", ("a", "as")),
        ("e", ("e", "es")),
        ("", ("", "s")),
    ),
}


@dataclass(frozen=True)
class VerbForms:
    """The regular forms of a verb: "barks", and "bark", "barking" and the like."""

    finite: tuple[str, ...]
    others: tuple[str, ...]


def conjugated(infinitive: str, *, language: str) -> VerbForms:
    """The regular forms of a verb that is given by its infinitive.

    Raises:
        ValueError: no infinitive of the language ends so.
    """
    if language == "de":
        return _german_verb(infinitive)
    for ending, finite, others in _CONJUGATIONS[language]:
        if infinitive.endswith(ending):
            stem = infinitive.removesuffix(ending)
            return VerbForms(_joined(stem, finite), _joined(stem, others))
    raise ValueError(f"{infinitive!r} ends like no regular verb of {language!r}")


def plural(name: str, *, language: str) -> str:
    """The regular plural of a name.

    Raises:
        ValueError: in German none is regular.
    """
    for ending, of_plural in _PLURALS.get(language, ()):
        if name.endswith(ending):
            return name.removesuffix(ending) + of_plural
    raise ValueError(f"{name!r}: no plural is regular in {language!r}")


def agreeing(word: str, *, language: str) -> tuple[str, ...]:
    """The forms of a word that describes, which agree with a name."""
    if language == "de":
        stem = word.removesuffix("e")
        if stem.endswith("el"):  # dunkel, dunkle
            return (word, *_joined(f"{stem[:-2]}l", _GERMAN_ENDINGS))
        return (word, *_joined(stem, _GERMAN_ENDINGS))
    for ending, endings in _AGREEMENTS[language]:
        if word.endswith(ending):
            return _joined(word.removesuffix(ending), endings)
    raise AssertionError(language)  # the last ending is none


def _german_verb(infinitive: str) -> VerbForms:
    stem = infinitive.removesuffix("n").removesuffix("e")
    if stem == infinitive:
        raise ValueError(f"{infinitive!r} ends like no regular verb of 'de'")
    finite = f"{stem}et" if stem.endswith(("t", "d")) else f"{stem}t"
    return VerbForms((finite,), (infinitive, *_joined(f"{infinitive}d", _PARTICIPLE_ENDINGS)))


def _joined(stem: str, endings: Iterable[str]) -> tuple[str, ...]:
    return tuple(stem + ending for ending in endings)
