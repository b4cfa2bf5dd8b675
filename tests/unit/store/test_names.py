import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.names import indexed_words, normal_form, path_words, typed_words, words_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"Foley/DogBark03.wav", "foley dogbark03 dog bark 03 wav"),
        (b"dog_bark2-03.wav", "dog bark2 bark 2 03 wav"),
        (b"AMBWind_HTTPServer.flac", "ambwind amb wind httpserver http server flac"),
        (b"DOORWood_Cupboard Door Close.wav", "doorwood door wood cupboard door close wav"),
        ("Çağrı/Zürich Glocke.ogg".encode(), "cagrı zurich glocke ogg"),
        ("TürÖl7.wav".encode(), "turol7 tur ol 7 wav"),
        ("雨の音_屋根.wav".encode(), "雨 の 音 雨の の音 屋 根 屋根 wav"),
        ("รถไฟ.wav".encode(), "ร ถ ไ ฟ รถ ถไ ไฟ wav"),
        ("빗소리 हिन्दी.wav".encode(), "빗 소 리 빗소 소리 हिन्दी wav"),
        ("Hörbar/".encode() + b"\xe9t\xe9 Stra\xdfe.wav", "horbar ete strasse wav"),
        (b"bad\x81name.wav", "bad name wav"),  # no letter in any of the two
    ],
)
def test_names_are_split_into_words(path: bytes, expected: str) -> None:
    assert path_words(path) == expected


def test_composed_and_decomposed_names_have_the_same_words() -> None:
    """macOS hands out decomposed names, most others composed ones."""
    name = "Café_Öl_が.wav"
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert indexed_words(composed) == indexed_words(decomposed) == "cafe ol が wav"
    assert words_of(composed) == words_of(decomposed)


def test_a_glued_word_of_a_query_has_parts() -> None:
    [whole, close] = typed_words("DOORWood_Close")
    assert (whole.text, whole.parts) == ("doorwood", ("door", "wood"))
    assert (close.text, close.parts) == ("close", ("close",))


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("雨", ("雨",)),
        ("雨の音", ("雨の", "の音")),
        ("เสียง", ("เสี", "สีย", "ยง")),
        ("서울역", ("서울", "울역")),
    ],
)
def test_scripts_without_spaces_are_asked_by_pairs(query: str, parts: tuple[str, ...]) -> None:
    [word] = typed_words(query)
    assert word.parts == parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Straße ", "strasse"), ("CAFÉ\tNoir", "cafe noir"), ("ＷＡＶ", "wav"), ("ﬁre", "fire")],
)
def test_case_accents_and_width_do_not_count(text: str, expected: str) -> None:
    assert normal_form(text) == expected


@given(st.text())
def test_the_normal_form_is_stable(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.text())
def test_a_text_is_found_by_all_its_words(text: str) -> None:
    stored = set(indexed_words(text).split())
    for word in typed_words(text):
        assert word.text in stored or set(word.parts) <= stored


@given(st.binary())
def test_any_bytes_give_plain_words(path: bytes) -> None:
    assert not set(path_words(path)) & set("\"'*()-:^{}_\0\n/.")


@given(st.text())
def test_words_hold_no_punctuation(text: str) -> None:
    assert all(not set(word) & set(" \"'*()-:^{}_\0") for word in words_of(text))
