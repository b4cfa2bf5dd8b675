"""Sentences of the grammar: read back, turned round, complete."""

from __future__ import annotations

import re

import numpy as np
import pytest

from audiosearch.model.tokenizer import normalise
from audiosearch.training.synth.made_sounds import MAKERS
from audiosearch.training.text import captions
from audiosearch.training.text.captions import (
    PHRASES,
    Relation,
    SceneDescription,
    write_caption,
)
from audiosearch.training.text.labels import TAGS_OF_LABEL
from audiosearch.training.text.patterns import says_at_once
from audiosearch.training.text.sound_phrases import SOUND_OF_LABEL

PHRASE_OWNER = {phrase: sound for sound, p in PHRASES.items() for phrase in (*p.clauses, *p.nouns)}
OWNERS: dict[str, set[str]] = {}
for _sound, _phrases in PHRASES.items():
    for _phrase in (*_phrases.clauses, *_phrases.nouns, *_phrases.names):
        OWNERS.setdefault(_phrase, set()).add(_sound)
CONNECTIVE = re.compile(
    r"^first | (?:and then|and finally|and afterwards|followed by|then|before|after|while|as"
    r"|together with|with|during|and|over) "
)


def read_back(caption: str) -> tuple[list[set[str]], bool]:
    """What each part of a caption may be, in order of time, and whether it is told backwards."""
    text = caption.removesuffix(" in the background").removesuffix(" at the same time")
    text = re.sub(r" (twice|(two|three|four|several) times)$", "", text)
    parts = [part.strip() for part in CONNECTIVE.split(text) if part.strip()]
    names = []
    for part in parts:
        bare = re.sub(r"^(the )?sound of ", "", part)
        bare = re.sub(r" (is|can be) heard$", "", bare) if bare not in OWNERS else bare
        names += [OWNERS[name] for name in ([bare] if bare in OWNERS else bare.split(" in "))]
    return names, " after " in f" {text} "


def all_named(found: list[set[str]], sounds: tuple[str, ...]) -> bool:
    return len(found) == len(sounds) and all(
        sound in owners for sound, owners in zip(sounds, found, strict=True)
    )


def test_no_phrase_belongs_to_two_sounds():
    total = sum(len(set(p.clauses) | set(p.nouns)) for p in PHRASES.values())
    assert total == len(PHRASE_OWNER)


def test_no_phrase_holds_a_connective():
    assert not [phrase for phrase in OWNERS if CONNECTIVE.search(f"{phrase}")]


def test_phrases_are_already_normalised_and_varied():
    for sound, phrases in PHRASES.items():
        assert len(phrases.clauses) >= 2, sound
        assert len(phrases.nouns) >= 2, sound
        for phrase in (*phrases.clauses, *phrases.nouns, *phrases.names):
            assert normalise(phrase) == phrase


def test_every_known_label_can_be_put_into_words():
    for label in (*TAGS_OF_LABEL, *SOUND_OF_LABEL, *MAKERS):
        assert captions.sound_of(label) in PHRASES, label


@pytest.mark.parametrize("seed", range(60))
def test_a_sequence_is_read_back_in_its_order(seed):
    rng = np.random.default_rng(seed)
    names = tuple(rng.choice(sorted(PHRASES), 2, replace=False))
    caption = write_caption(rng, SceneDescription(Relation.SEQUENCE, names))
    found, backward = read_back(caption)
    assert all_named(found[::-1] if backward else found, names), caption


@pytest.mark.parametrize("seed", range(30))
def test_three_events_are_read_back_in_their_order(seed):
    rng = np.random.default_rng(seed)
    names = tuple(rng.choice(sorted(PHRASES), 3, replace=False))
    assert all_named(
        read_back(write_caption(rng, SceneDescription(Relation.SEQUENCE, names)))[0], names
    )


@pytest.mark.parametrize("seed", range(30))
def test_simultaneous_sounds_and_backgrounds_are_all_named(seed):
    rng = np.random.default_rng(seed)
    a, b, c = rng.choice(sorted(PHRASES), 3, replace=False)
    together = write_caption(rng, SceneDescription(Relation.TOGETHER, (a, b)))
    found = read_back(together)[0]
    assert all_named(found, (a, b)) or all_named(found, (b, a)), together
    under = write_caption(rng, SceneDescription(Relation.SINGLE, (a,), background=c))
    assert all_named(read_back(under)[0], (a, c)), under


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog barks while a bell rings", True),
        ("a bell as it rings", True),
        ("a dog and a bell at the same time", True),
        ("a dog together with a bell", True),
        ("a dog and a bell", False),
        ("a dog with a bell", False),
        ("a meanwhile gasp", False),
    ],
)
def test_words_of_overlap_are_known(caption, expected):
    assert says_at_once(caption) is expected


def test_short_names_are_among_what_is_said():
    captions_of_a_dog = {
        write_caption(np.random.default_rng(seed), SceneDescription(Relation.SINGLE, ("dog",)))
        for seed in range(200)
    }
    assert {"dog", "dog barking"} <= captions_of_a_dog
    assert "someone" not in PHRASES["coughing"].names


def test_two_things_are_seldom_named_with_one_word():
    rng = np.random.default_rng(0)
    what = SceneDescription(Relation.TOGETHER, ("chirping_birds", "crickets"))
    said = [write_caption(rng, what) for _ in range(100)]
    assert sum(captions.repeats_a_word(text) for text in said) <= 5
    assert captions.repeats_a_word("birds chirping while crickets are chirping")
    assert not captions.repeats_a_word("the birds sing while the crickets chirp")


def test_the_reversed_twin_says_something_else():
    names = ("dog", "bell")
    for seed in range(40):
        one = write_caption(np.random.default_rng(seed), SceneDescription(Relation.SEQUENCE, names))
        twin = write_caption(
            np.random.default_rng(seed), SceneDescription(Relation.SEQUENCE, names[::-1])
        )
        assert one != twin


@pytest.mark.parametrize(("count", "words"), [(2, "twice|two times"), (3, "three times")])
def test_counts_are_said(count, words):
    what = SceneDescription(Relation.REPEATED, ("gunshot",), count=count)
    for seed in range(10):
        assert re.search(words, write_caption(np.random.default_rng(seed), what))


def test_the_same_seed_writes_the_same_caption():
    what = SceneDescription(Relation.TOGETHER, ("rain", "speech"))
    texts = {write_caption(np.random.default_rng(5), what) for _ in range(5)}
    assert len(texts) == 1
    assert len({write_caption(np.random.default_rng(s), what) for s in range(30)}) > 15


@pytest.mark.parametrize(
    ("verb", "plural"),
    [
        ("barks loudly", "bark loudly"),
        ("passes over", "pass over"),
        ("buzzes", "buzz"),
        ("cries", "cry"),
        ("closes", "close"),
        ("is heard", "are heard"),
        ("goes off", "go off"),
        ("breathes", "breathe"),
    ],
)
def test_plural_verbs(verb, plural):
    assert captions.plural_verb(verb) == plural


def test_the_grammar_has_a_rich_but_bounded_vocabulary():
    words = {word for text in captions.every_phrase() for word in text.split()}
    assert 500 <= len(words) <= 3000
