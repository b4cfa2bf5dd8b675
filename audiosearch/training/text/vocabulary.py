"""The words that a decoder will know, and captions as rows of ids.

In: texts. Out: words in order of first appearance after the special tokens (as in the published
models, there is no minimum frequency), and padded id arrays. Normalisation is that of searching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from audiosearch._typing import Ints
from audiosearch.model.tokenizer import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocabulary, split_words

STOP_WORDS: frozenset[str] = frozenset(
    """
    i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself
    yourselves he him his himself she she's her hers herself it it's its itself they them their
    theirs themselves what which who whom this that that'll these those am is are was were be
    been being have has had having do does did doing a an the and but if or because as until
    while of at by for with about against between into through during before after above below
    to from up down in out on off over under again further then once here there when where why
    how all any both each few more most other some such no nor not only own same so than too
    very s t can will just don don't should should've now d ll m o re ve y ain aren aren't
    couldn couldn't didn didn't doesn doesn't hadn hadn't hasn hasn't haven haven't isn isn't ma
    mightn mightn't mustn mustn't needn needn't shan shan't shouldn shouldn't wasn wasn't weren
    weren't won won't wouldn wouldn't
    """.split()  # noqa: SIM905 - a list of 179 quoted words is no easier to read
)
"""NLTK's English list of 2023 (https://www.nltk.org/nltk_data/), words matched exactly.

The published checkpoints' repetition masks were made with it: a beam search may repeat these.
"""


def collect_words(texts: Iterable[str]) -> tuple[str, ...]:
    """Special tokens, then every word of the texts in order of first appearance."""
    words = dict.fromkeys(SPECIAL_TOKENS)
    for text in texts:
        words |= dict.fromkeys(split_words(text))
    return tuple(words)


def make_vocabulary(
    words: Sequence[str], *, bridges: Mapping[str, str] = MappingProxyType({})
) -> Vocabulary:
    """The vocabulary of these words; English stop words may be repeated within a caption."""
    repeatable = frozenset(i for i, word in enumerate(words) if word in STOP_WORDS)
    return Vocabulary(words=tuple(words), repeatable=repeatable, oov_map=bridges)


def pad_rows(rows: Sequence[Sequence[int]]) -> Ints:
    """Rows of ids as one array `(n, longest)`, PAD after the end."""
    width = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), max(1, width)), PAD, np.int64)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return out


def encode_captions(vocabulary: Vocabulary, texts: Sequence[str], *, limit: int) -> Ints:
    """Ids `(n, S)` of captions between BOS and EOS; words beyond `limit` are cut off."""
    return pad_rows([(BOS, *vocabulary.encode(text)[:limit], EOS) for text in texts])


def forget_words(
    rng: np.random.Generator, ids: Ints, *, chance: float, function_words: frozenset[int]
) -> Ints:
    """Some content words replaced by UNK, so that an unknown word in a query means little."""
    plain = np.isin(ids, [PAD, BOS, EOS, *function_words], invert=True)
    hidden = plain & (rng.random(ids.shape) < chance)
    return np.where(hidden, UNK, ids)
