"""Why a sound fits words: how much likelier the sound makes each of them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from audiosearch.model.scoring import CaptionScorer, Heard
from audiosearch.search.results import Word


def explain(
    texts: Sequence[str], memory: Heard, *, sounds: Sequence[int], scorer: CaptionScorer
) -> list[tuple[Word, ...]]:
    """The words of each text with their lifts, given the row of `memory` that it is heard with.

    A word's lift is log p(word | words before, sound) - log p(word | words before, no sound), in
    nats. Their mean, with that of the end of the sentence, is the lift of the whole.

    Words beyond those that the decoder has positions for are left out.
    """
    if not texts:
        return []
    tokens = [scorer.encode(text) for text in texts]
    with_sound = scorer.word_log_probs(tokens, memory, sounds=sounds)
    alone = scorer.word_log_probs(tokens, scorer.silence(), sounds=[0] * len(tokens))
    vocabulary = scorer.decoder.bundle.vocabulary
    return [
        tuple(
            Word(
                text=word,
                lift=None if token == vocabulary.unk else float(lift),
                read_as=vocabulary.bridged_words(word).get(word),
            )
            for word, token, lift in zip(
                vocabulary.split(text), ids, heard - by_itself, strict=False
            )
        )
        for text, ids, heard, by_itself in zip(texts, tokens, with_sound, alone, strict=True)
    ]


def with_unheard(explained: Sequence[Word], asked: Sequence[str]) -> tuple[Word, ...]:
    """The words of a query, with those that the model did not listen for in their places.

    Args:
        explained: the words that it listened for; of a glued word it is the parts.
        asked: all words, as they were typed.
    """
    found: list[Word] = []
    matcher = SequenceMatcher(a=[word.text for word in explained], b=asked, autojunk=False)
    for step, first, end, asked_first, asked_end in matcher.get_opcodes():
        found += explained[first:end]
        if step == "insert":
            found += [Word(text=text, lift=None) for text in asked[asked_first:asked_end]]
    return tuple(found)
