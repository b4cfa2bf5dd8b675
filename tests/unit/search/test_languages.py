"""Queries in five languages, read by the words that they have in common with English ones."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.scenes.grammar import WORDINGS, SceneKind, patterns, sentence
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.search.inflection import agreeing, conjugated, plural
from audiosearch.search.languages import translate
from audiosearch.search.negation import split_negation
from audiosearch.search.query import Lexicon
from audiosearch.search.word_list import (
    DROPPED,
    LANGUAGES,
    Concept,
    Role,
    phrase_key,
    read_concepts,
    word_lists,
)
from audiosearch.training.text.esc50 import read_phrasings

ROOT = Path(__file__).parents[3]
TEXTS = ROOT / "audiosearch" / "training" / "text"
ENGLISH = frozenset((
    "a", "the", "dog", "barks", "rain", "wind", "chat", "boot", "piano", "bell", "sound", "thunder",
    "in", "on", "motor", "die", "un", "une", "man", "train", "pain", "main", "note",
))  # fmt: skip


def read(text: str) -> tuple[str, str] | None:
    """What a text is read as, by one who knows few English words."""
    found = translate([text], is_english=lambda word: word.lower() in ENGLISH)
    return None if found is None else (found[0].language, found[0].english)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    model = Model.open(ROOT / "models" / "starter", options=RuntimeOptions())
    return Lexicon(model.scorer, model.tower)


@pytest.fixture(scope="module")
def concepts() -> list[Concept]:
    return read_concepts((ROOT / "audiosearch/search/languages.txt").read_text("utf-8"))


@pytest.mark.parametrize(
    ("typed", "language", "english"),
    [
        ("ein Hund bellt, dann spricht ein Mann", "de", "a dog barks, then a man speaks"),
        ("Hundegebell", "de", "dog barking"),
        ("Regengeräusch", "de", "rain"),
        ("Kirchenglocken", "de", "church bells"),
        ("Waldvögel", "de", "forest birds"),
        ("Türklopfen", "de", "door knocking"),
        ("Tuerklopfen", "de", "door knocking"),
        ("Turklopfen", "de", "door knocking"),
        ("der Klang einer Glocke", "de", "the sound of a bell"),
        ("Geräusch eines Zuges", "de", "sound of a train"),
        (
            "während ein Mann die Tür öffnet, bellt ein Hund",
            "de",
            "while a man opens the door, a dog barks",
        ),
        ("une cloche sonne", "fr", "a bell rings"),
        ("verser de l'eau dans un verre", "fr", "pouring water in a glass"),
        ("une porte rouillée", "fr", "a rusty door"),
        ("aboiement d'un chien", "fr", "dog barking"),
        (
            "une femme rit puis un bébé pleure",
            "fr",
            "a woman laughs then a baby cries",
        ),
        ("suena una campana", "es", "a bell rings"),
        ("pajaros cantando en el bosque", "es", "birds singing in the forest"),
        (
            "suena una campana y después ladra un perro",
            "es",
            "a bell rings then a dog barks",
        ),
        ("una campana suona", "it", "a bell rings"),
        ("un uomo suona il pianoforte", "it", "a man plays the piano"),
        ("um sino toca", "pt", "a bell rings"),
        (
            "um cachorro late e depois um homem fala",
            "pt",
            "a dog barks then a man speaks",
        ),
    ],
)
def test_a_query_is_read(typed: str, language: str, english: str):
    assert read(typed) == (language, english)


@pytest.mark.parametrize(
    ("typed", "wanted", "excluded"),
    [
        ("Regen ohne Donner", "rain", ("thunder",)),
        ("Regen -Donner", "rain", ("thunder",)),
        ("Regen -Türklopfen", "rain", ("door knocking",)),
        ("pluie sans tonnerre", "rain", ("thunder",)),
        ("lluvia sin truenos", "rain", ("thunder",)),
        ("pioggia senza tuoni", "rain", ("thunder",)),
        ("chuva sem trovões", "rain", ("thunder",)),
        ("keine Stimmen", "", ("voices",)),
        ("alles außer Gesang", "", ("song",)),
    ],
)
def test_what_must_not_be_heard_is_excluded(typed: str, wanted: str, excluded: tuple[str, ...]):
    found = read(typed)
    assert found is not None
    split = split_negation(found[1])
    assert (split.wanted, split.excluded) == (wanted, excluded)


def test_what_stands_in_quotes_stays_so():
    assert read('"ohne Stimmen"') == ("de", '"without voices"')


@pytest.mark.parametrize(
    "typed",
    [
        *("the dog barks", "chat", "boot", "a dog Donner", "kookaburra", "", "-", "Bachmann"),
        *("собака лает", "犬が吠える", "een hond blaft", "zxqv"),
    ],
)
def test_what_reads_as_english_or_as_nothing_stays(typed: str):
    assert read(typed) is None


def test_ambiguous_words_follow_the_rest():
    assert read("un chat miaule") == ("fr", "a cat meows")
    assert read("ein Boot schwimmt im Wind") == ("de", "a boat swimming in wind")
    assert read("the chat in the rain") is None


def test_the_language_that_explains_most_is_taken():
    assert read("la porta si apre") == ("it", "the door opens")
    assert read("a porta se abre") == ("pt", "the door opens")


def test_texts_of_one_query_are_read_in_one_language():
    found = translate(["burro", "ladrido"], is_english=lambda _: False)
    assert found is not None
    assert [(each.language, each.english) for each in found] == [
        ("es", "donkey"),
        ("es", "dog barking"),
    ]


def test_english_words_know_what_they_stand_for():
    found = translate(["eine Katze und Hundegebell"], is_english=lambda _: False)
    assert found is not None
    assert found[0].sources == {"cat": "Katze", "dog": "Hundegebell", "barking": "Hundegebell"}


@given(st.text())
def test_whatever_is_typed_is_read_or_not(text: str):
    found = translate([text], is_english=lambda _: False)
    assert found is None or found[0].english


@pytest.mark.parametrize(
    ("language", "infinitive", "finite", "other"),
    [
        ("de", "bellen", "bellt", "bellend"),
        ("de", "schnattern", "schnattert", "schnatternd"),
        ("de", "zünden", "zündet", "zündend"),
        ("fr", "miauler", "miaule", "miaulent"),
        ("fr", "aboyer", "aboie", "aboyant"),
        ("es", "ladrar", "ladra", "ladrando"),
        ("it", "abbaiare", "abbaia", "abbaiano"),
        ("it", "tossire", "tossisce", "tossendo"),
        ("pt", "correr", "corre", "correndo"),
    ],
)
def test_regular_verbs(language: str, infinitive: str, finite: str, other: str):
    forms = conjugated(infinitive, language=language)
    assert finite in forms.finite
    assert {infinitive, other} <= set(forms.others)


def test_what_ends_like_no_verb_is_refused():
    for language in LANGUAGES:
        with pytest.raises(ValueError, match="no regular verb"):
            conjugated("xyz", language=language)


@pytest.mark.parametrize(
    ("language", "name", "expected"),
    [
        *(("fr", "chien", "chiens"), ("fr", "bateau", "bateaux")),
        *(("es", "campana", "campanas"), ("es", "tren", "trenes"), ("es", "voz", "voces")),
        *(("it", "campana", "campane"), ("it", "treno", "treni"), ("it", "barca", "barche")),
        *(("pt", "sino", "sinos"), ("pt", "trem", "trens"), ("pt", "motor", "motores")),
    ],
)
def test_regular_plurals(language: str, name: str, expected: str):
    assert plural(name, language=language) == expected


def test_words_that_describe_agree():
    assert "lauter" in agreeing("laut", language="de")
    assert set(agreeing("petit", language="fr")) == {"petit", "petite", "petits", "petites"}
    assert set(agreeing("lento", language="it")) == {"lento", "lenta", "lenti", "lente"}


def test_every_concept_has_all_languages(concepts: list[Concept]):
    assert sum(each.role is Role.NAME for each in concepts) > 450
    for concept in concepts:
        for language, forms in concept.forms.items():
            assert any(forms), (concept.english, language)
            assert len(forms) <= 2, (concept.english, language)


def test_no_form_stands_twice(concepts: list[Concept]):
    for language in LANGUAGES:
        seen: dict[str, tuple[str, ...]] = {}
        for concept in concepts:
            for form in (form for kind in concept.forms[language] for form in kind):
                if form.endswith("*") and concept.role in (Role.VERB, Role.ACTION):
                    continue  # an infinitive may be a name too: das Bellen
                key = phrase_key(form)
                assert key not in seen, (language, form, concept.english, seen[key])
                seen[key] = concept.english


def test_the_model_knows_every_english_word(concepts: list[Concept], lexicon: Lexicon):
    joining = re.compile(r"\b(but|not|or|it|he|she|they|very|when|except|some)\b")
    unknown = [
        word
        for concept in concepts
        for english in concept.english
        for word in re.findall(r"[^\W_]+", joining.sub("", english))
        if english != DROPPED and not lexicon.is_english(word)
    ]
    assert unknown == []


def test_lists_have_what_a_star_stands_for():
    for words in word_lists():
        assert len(words.meanings) > 2000
    german = word_lists()[0].meanings
    assert german["bellende"].english == "barking"
    assert german["hunde"].english == "dogs"


def english_texts() -> set[str]:
    """What training and evaluation have people say in English."""
    texts = [each.usual for each in read_phrasings().values()]
    texts += [each.other for each in read_phrasings().values()]
    for n, kind in enumerate(SceneKind):
        for pattern in patterns(kind):
            texts += [
                sentence(pattern, [*WORDINGS][i : i + 3]) for i in range(n, len(WORDINGS) - 2, 9)
            ]
    for name in ("audioset_names.txt", "sound_phrases.txt", "paraphrases.txt"):
        for line in (TEXTS / name).read_text("utf-8").splitlines():
            if not line.startswith("#"):
                texts += [each.strip() for each in re.split(r"[=|;/:,]", line) if each.strip()]
    return {each.lower() for each in texts}


def test_english_is_never_read_as_another_language(lexicon: Lexicon):
    names = {"apito", "hackbrett", "tic tac"}  # what instruments and clocks are called abroad
    texts = english_texts() - names
    assert len(texts) > 3000
    is_english = cache(lexicon.is_english)
    assert [each for each in sorted(texts) if translate([each], is_english=is_english)] == []
