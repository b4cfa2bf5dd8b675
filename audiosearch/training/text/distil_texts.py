"""Texts that the sentence model of the text tower learns from: words, word pairs, captions.

They need not be true nor good English: what is to be learned is which texts the teacher finds
alike, and that is defined for any words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiosearch.training.text.captions import PHRASES, Relation, SceneDescription, write_caption

# Words of everyday things that sound, one family a line. Many are too rare for the teacher's own
# list of whole words, and a word that is learned whole is learned better than one in parts.
EVERYDAY_WORDS = tuple(
    dict.fromkeys(Path(__file__).with_name("everyday_words.txt").read_text("utf-8").split())
)
PATTERNS = (
    "{a}",
    "{a} {b}",
    "{a} {b}",
    "{a} {b} {c}",
    "a {a}",
    "a {a} {b}",
    "the {a} {b}",
    "the sound of {a}",
    "{a} and {b}",
    "{a} in the {b}",
    "{a} on a {b}",
    "{a} with {b} in the background",
    "someone {a} the {b}",
    "{a} {b} sound",
    "{a} noise",
    "a {a} {b} near a {c}",
)
COMPANY = (
    *("the sound of {a}", "{a} {w}", "{w} {a}", "{a} and {b}", "{a} then {b}", "{a} with {b}"),
    *("a {a}", "the {a}", "{a} sound", "{a} noise", "someone {a}", "{a} in the {w}"),
    *("loud {a}", "{a} near {b}"),
)
"""How paraphrases {a}, {b} are typed, and with which other words {w}."""
ENDINGS = ("ing", "s", "er", "ed", "y", "ly")
VOWELS = frozenset("aeiou")


def made_captions(*, count: int, seed: int) -> list[str]:
    """`count` captions of the grammar, about scenes that nobody made."""
    rng = np.random.default_rng([seed, 0xCA9])
    names = sorted(PHRASES)
    relations = (Relation.SINGLE, Relation.SINGLE, Relation.SEQUENCE, Relation.TOGETHER)
    captions = []
    for _ in range(count):
        relation = relations[int(rng.integers(len(relations)))]
        sounds = 1 if relation is Relation.SINGLE else 2
        chosen = [names[i] for i in rng.choice(len(names), size=sounds + 1, replace=False)]
        background = chosen[-1] if rng.random() < 0.2 else None
        what = SceneDescription(relation, tuple(chosen[:sounds]), background)
        captions.append(write_caption(rng, what))
    return captions


def paraphrase_texts(
    paraphrases: Sequence[str], words: Sequence[str], *, count: int, seed: int
) -> list[str]:
    """`count` texts that hold paraphrases of sounds in company.

    Args:
        paraphrases: Of all sounds.
        words: English words, the commonest first: those are drawn more often.
        count: How many texts.
        seed: Of the draws.
    """
    rng = np.random.default_rng([seed, 0x9A9A])
    texts = []
    for _ in range(count):
        first, second = (paraphrases[i] for i in rng.integers(len(paraphrases), size=2))
        word = words[int(len(words) * rng.random() ** 2)]
        pattern = COMPANY[int(rng.integers(len(COMPANY)))]
        texts.append(pattern.format(a=first, b=second, w=word))
    return texts


def inflected(word: str, ending: str) -> str:
    """An English word with an ending: "hike" and "ing" give "hiking", "yap" gives "yapping"."""
    if ending[0] in VOWELS or ending == "y":
        if word.endswith("e"):
            return word[:-1] + ending
        short = len(word) > 2 and word[-1] not in VOWELS | {"w", "x", "y"}
        if short and word[-2] in VOWELS and word[-3] not in VOWELS:
            return word + word[-1] + ending
    if ending == "s" and word.endswith(("s", "sh", "ch", "x")):
        return f"{word}es"
    return word + ending


def study_texts(
    words: Sequence[str], sound_words: Sequence[str], *, count: int, seed: int
) -> list[str]:
    """`count` made texts.

    Args:
        words: English words, the commonest first.
        sound_words: Words that captions hold; a third of all words are drawn from them.
        count: How many texts.
        seed: Of the draws.
    """
    rng = np.random.default_rng([seed, 0xD157])
    chances = 1.0 / (200.0 + np.arange(len(words)))  # Zipf's law, flattened at its head
    common = rng.choice(len(words), size=(count, 3), p=chances / chances.sum())
    known = rng.integers(len(sound_words), size=(count, 3))
    from_captions = rng.random((count, 3)) < 1 / 3
    with_ending = rng.random((count, 3)) < 0.15
    endings = rng.integers(len(ENDINGS), size=(count, 3))
    patterns = rng.integers(len(PATTERNS), size=count)
    texts = []
    for row in range(count):
        chosen = []
        for place in range(3):
            word = words[common[row, place]]
            if from_captions[row, place]:
                word = sound_words[known[row, place]]
            if with_ending[row, place]:
                word = inflected(word, ENDINGS[endings[row, place]])
            chosen.append(word)
        a, b, c = chosen
        texts.append(PATTERNS[patterns[row]].format(a=a, b=b, c=c))
    return texts
