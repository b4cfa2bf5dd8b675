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
from audiosearch.training.text.stopwords import STOP_WORDS


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
