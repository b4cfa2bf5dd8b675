import pytest

from audiosearch.search.spelling import nearest

LEXICON = {"train": 1000, "trial": 1, "kookaburra": 2, "hvalfjord": 1, "rain": 900, "drain": 2}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trian", "train"),  # two letters exchanged
        ("trainn", "train"),
        ("kokaburra", "kookaburra"),
        ("kookabura", "kookaburra"),
        ("hvalfjrod", "hvalfjord"),
        ("zanzibar", None),
        ("frain", "train"),  # of equally near ones the commonest
        ("dain", "drain"),  # ... that begins as it was typed
    ],
)
def test_the_nearest_word_is_meant(typed: str, meant: str | None) -> None:
    assert nearest(typed, LEXICON) == meant


def test_short_words_allow_one_slip_and_long_ones_two() -> None:
    assert nearest("tanri", {"train": 1}) is None
    assert nearest("koookabura", {"kookaburra": 1}) == "kookaburra"


def test_too_short_a_word_stands_for_no_other() -> None:
    assert nearest("rai", {"rain": 1}) is None
