"""Definitions come out of files in WordNet's form."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from audiosearch.errors import AudiosearchError
from audiosearch.training.text.dictionary import Dictionary

NOTICE = "  1 lines that begin with two blanks hold the licence\n"
# offset file kind words (hexadecimal count) ... | definition; "example"
FILES = {
    "data.noun": [
        '00000001 06 n 02 klaxon 0 claxon 0 001 @ 00000009 n 0000 | a loud horn; "she blew it"',
        "00000002 05 n 01 ewe 0 000 | a female sheep",
        "00000003 18 n 01 Ewe 0 000 | a people of West Africa",
        "00000004 05 n 01 goose 0 000 | a bird that honks",
        "00000005 14 n 0b a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 sea_goose 0 000 | a far bird",
    ],
    "index.noun": [
        "claxon n 1 1 @ 1 0 00000001",
        "ewe n 2 0 2 1 00000003 00000002",
        "goose n 1 0 1 0 00000004",
        "klaxon n 1 1 @ 1 0 00000001",
        "sea_goose n 1 0 1 0 00000005",
    ],
    "noun.exc": ["geese goose"],
    "data.verb": [
        "00000011 36 v 02 decant 0 pour_out 0 000 01 + 08 00 | pour from one vessel to another",
    ],
    "index.verb": ["decant v 1 0 1 0 00000011"],
    "verb.exc": [],
    "data.adj": ["00000021 00 a 01 shrill(p) 0 000 | high and piercing"],
    "index.adj": ["shrill a 1 0 1 0 00000021"],
    "adj.exc": [],
}


@pytest.fixture
def folder(tmp_path):
    for name, lines in FILES.items():
        text = NOTICE + "".join(f"{line}\n" for line in lines)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_word_is_told_with_its_synonyms_and_without_examples(folder):
    assert Dictionary(folder).explain("klaxon") == ("klaxon, claxon: a loud horn",)
    assert Dictionary(folder).explain("shrill") == ("shrill: high and piercing",)
    assert Dictionary(folder).explain("zither") == ()


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("klaxons", "klaxon, claxon: a loud horn"),
        ("geese", "goose: a bird that honks"),
        ("decanting", "decant, pour out: pour from one vessel to another"),
        ("decanted", "decant, pour out: pour from one vessel to another"),
    ],
)
def test_a_form_is_told_as_its_base(folder, form, told):
    assert Dictionary(folder).explain(form) == (told,)


def test_names_of_people_and_places_are_not_told(folder):
    assert Dictionary(folder).explain("ewe") == ("ewe: a female sheep",)


def test_words_are_base_forms_of_one_word(folder):
    assert Dictionary(folder).words() == ["claxon", "decant", "ewe", "goose", "klaxon", "shrill"]


def test_a_folder_without_wordnet_is_named(folder):
    (folder / "data.verb").unlink()
    with pytest.raises(AudiosearchError, match=r"data\.verb") as caught:
        Dictionary(folder)
    assert "wordnet-base" in str(caught.value.remedy)
