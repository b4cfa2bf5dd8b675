"""Sentences as the decoder reads and writes them: normalisation, vocabulary, ids and back.

Training and search share it, so that both see the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

import numpy as np

from audiosearch._typing import Bools

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")  # in the order of their ids

# A command line that is no UTF-8 has lone surrogates in it, which no database takes.
_SPECIAL = re.compile("|".join((*SPECIAL_TOKENS, "[\ud800-\udfff]")))
_TYPOGRAPHY = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", ";": ",", "…": "...", "&": " & "}
)
_PUNCTUATION = str.maketrans(dict.fromkeys(',.!?;:"“”’`(){}[]*×-#/+_~ʘ\\', " "))
_SPACE_BEFORE = re.compile(r"\s+([,.!?;:\"'])")
_SPACED_HYPHEN = re.compile(r"\s*-\s*")


def normalise(text: str) -> str:
    """`text` in lower case, without punctuation, words parted by single spaces.

    As Labbé et al. 2023 (https://arxiv.org/abs/2308.15090) do it.

    Apostrophes, ampersands and digits stay; a hyphen parts words. Empty if nothing is left.
    """
    text = _SPECIAL.sub("", text).translate(_TYPOGRAPHY).lower()
    return " ".join(text.translate(_PUNCTUATION).split())


def split_words(text: str) -> list[str]:
    """The normalised words of `text`, in order."""
    return normalise(text).split()


class Splitting(StrEnum):
    """How normalised text is parted into words; written in bundles, so the texts are a contract."""

    SPACES = "words"  # at spaces only
    ENGLISH = "words-en"  # as published vocabularies: man 's, does n't, can not


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The words a decoder knows; a word's id is its place.

    Attributes:
        words: special tokens first (PAD, BOS, EOS, UNK), then words, then task tokens if any.
        repeatable: ids that one sentence may hold twice (function words).
        tasks: name of a captioning style -> id of the token that stands in place of BOS.
        splitting: how text is parted into these words.
        oov_map: words that the decoder never learned -> a word of its own that means nearly the
            same, and is read in its place.
    """

    words: tuple[str, ...]
    repeatable: frozenset[int] = frozenset()
    pad: int = PAD
    bos: int = BOS
    eos: int = EOS
    unk: int = UNK
    tasks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    splitting: Splitting = Splitting.SPACES
    oov_map: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        named = {self.pad, self.bos, self.eos, self.unk}
        if len(named) != 4 or not all(0 <= i < len(self.words) for i in named):
            raise ValueError("pad, bos, eos and unk must be four different ids of the vocabulary")
        if not all(0 <= i < len(self.words) for i in (*self.repeatable, *self.tasks.values())):
            raise ValueError("an id lies outside the vocabulary")
        if len(set(self.words)) != len(self.words):
            raise ValueError("a word stands twice in the vocabulary")
        if not set(self.oov_map.values()) <= set(self._ids):
            raise ValueError("a bridge leads to a word that is not in the vocabulary")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids that are no words: PAD, BOS, EOS, UNK and the task tokens."""
        return frozenset({self.pad, self.bos, self.eos, self.unk, *self.tasks.values()})

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        # A query may hold "<pad>" or a task token as a word: it means nothing then.
        return {word: i for i, word in enumerate(self.words) if i not in self.special}

    @cached_property
    def repeatable_mask(self) -> Bools:
        """(V,) True where a token may stand twice in a sentence."""
        mask = np.zeros(len(self.words), dtype=np.bool_)
        mask[sorted(self.repeatable)] = True
        return mask

    def split(self, text: str) -> list[str]:
        """The words of `text` as this vocabulary parts them, in order."""
        if self.splitting is Splitting.SPACES:
            return split_words(text)
        from audiosearch.model.english import split_english  # noqa: PLC0415 - published ones only

        return split_english(normalise(text))

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of the words of `text`, unknown words as UNK, without BOS and EOS.

        A word with a bridge has the id of the word that it leads to.
        """
        read_as = self.oov_map.get
        words = (word if word in self._ids else read_as(word, word) for word in self.split(text))
        return tuple(self._ids.get(word, self.unk) for word in words)

    def known_share(self, ids: Sequence[int]) -> float:
        """Share of the content words among `ids` that are known, 0..1; 1 if there are none."""
        content = [i for i in ids if i not in self.repeatable]
        return sum(i != self.unk for i in content) / len(content) if content else 1.0

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """The words of `text` that the decoder cannot read, each once, in order."""
        # Asked of many words in each question: no set of all that are known is made for it.
        unknown = (w for w in self.split(text) if w not in self._ids and w not in self.oov_map)
        return tuple(dict.fromkeys(unknown))

    def bridged_words(self, text: str) -> Mapping[str, str]:
        """The words of `text` that are read as others -> those others, in order."""
        pairs = {word: self.oov_map.get(word) for word in self.split(text) if word not in self._ids}
        return {word: read_as for word, read_as in pairs.items() if read_as is not None}

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence of `ids`, special tokens dropped, punctuation joined to its word."""
        text = " ".join(self.words[i] for i in ids if i not in self.special)
        text = " ".join(_SPACE_BEFORE.sub(r"\1", text).split())
        return _SPACED_HYPHEN.sub("-", text).lower()
