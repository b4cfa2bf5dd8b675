"""Other words for sounds: all sounds have some, and none is a test's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from audiosearch.training.text.captions import (
    PHRASES,
    Relation,
    SceneDescription,
    every_phrase,
    write_caption,
)
from audiosearch.training.text.distil_texts import paraphrase_texts
from audiosearch.training.text.esc50 import read_phrasings
from audiosearch.training.text.paraphrases import (
    PARAPHRASES,
    every_paraphrase,
    read_paraphrases,
)
from audiosearch.training.text.vocabulary import STOP_WORDS


def test_every_sound_is_paraphrased_and_nothing_else():
    assert PARAPHRASES.keys() == PHRASES.keys()
    assert all(len(phrases.names) >= 2 for phrases in PARAPHRASES.values())
    assert all(PARAPHRASES[sound] != PHRASES[sound] for sound in PHRASES)


def test_no_paraphrase_holds_words_that_models_are_measured_with():
    of_grammar = {word for text in every_phrase() for word in text.split()}
    measured = {
        word
        for phrasing in read_phrasings().values()
        for word in f"{phrasing.other} {phrasing.other_name}".split()
    } - (of_grammar | STOP_WORDS)
    assert "canine" in measured
    used = {word for text in every_paraphrase() for word in text.split()} - of_grammar
    assert not measured & used


def test_the_table_is_read():
    found = read_paraphrases("dog = pooch; guard animal\nbell = gong\n")
    assert found["dog"].names == ("pooch", "guard animal") == found["dog"].clauses
    assert found["bell"].nouns == ("gong",)


def test_a_caption_can_be_written_in_other_words():
    what = SceneDescription(Relation.SEQUENCE, ("dog", "bell"))
    wording = read_paraphrases("dog = pooch\nbell = gong")
    captions = [
        write_caption(np.random.default_rng(seed), what, wording=wording) for seed in range(20)
    ]
    assert all("pooch" in caption and "gong" in caption for caption in captions)
    assert any("then" in caption for caption in captions)


def test_paraphrases_are_put_into_company():
    texts = paraphrase_texts(["pooch", "gong"], ["red", "car"], count=200, seed=1)
    assert texts == paraphrase_texts(["pooch", "gong"], ["red", "car"], count=200, seed=1)
    assert texts != paraphrase_texts(["pooch", "gong"], ["red", "car"], count=200, seed=2)
    assert all("pooch" in text or "gong" in text for text in texts)
    assert any("red" in text for text in texts)
    assert "{" not in "".join(texts)
