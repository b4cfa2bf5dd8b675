"""What a mistyped word of a query was meant to be.

The library knows its words by their stems, so a word's stem may be near one where the word is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audiosearch.model.bundle import Bundle
from audiosearch.search.query import ParsedQuery
from audiosearch.store.full_text import stems
from audiosearch.store.names import TypedWord
from audiosearch.store.queries.fulltext import telling_words
from audiosearch.store.queries.word_matches import (
    caption_words,
    library_words,
    spelled_out,
    stands_somewhere,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SHORTEST = 4  # letters; of shorter words almost every one is near to another
LONGEST = 40  # letters; what is longer is no word
RARE = 6  # letters; shorter words are near to too many that nobody asks a sound for
LONG = 8  # letters; from here on two slips are forgiven


def corrections(session: Session, parsed: ParsedQuery, *, bundle: Bundle) -> dict[str, str]:
    """For each word of a query that nothing knows and that has a near one, the nearest."""
    strange = [
        word.text
        for word, is_known in zip(parsed.telling, parsed.is_known, strict=True)
        if not is_known and _may_be_misspelt(word) and not stands_somewhere(session, word)
    ]
    if not strange:
        return {}
    common, of_library = _caption_words(bundle), caption_words(session) | library_words(session)
    stem_of = stems(strange)
    of_model = _other_words(bundle) | common
    found: dict[str, str] = {}
    for word in strange:
        near = nearest(word, of_library | (common if len(word) < RARE else of_model))
        if near is None:
            near = nearest(stem_of[word], of_library)
        # A caption of no sound may hold the word: it is no mistake, though nothing is found.
        if near is not None and near not in (word, stem_of[word]):
            found[word] = near if near in of_model else spelled_out(session, near)
    return found


def near_words(session: Session, text: str) -> str | None:
    """A text whose words are those of the library's files; None where no word has a near one."""
    words = telling_words(text)
    strange = [
        word.text
        for word in words
        if _may_be_misspelt(word) and not stands_somewhere(session, word)
    ]
    of_library = library_words(session) if strange else {}
    stem_of = stems(strange) if strange else {}
    near = {
        word: nearest(word, of_library) or nearest(stem_of[word], of_library) for word in strange
    }
    meant = {word: spelled_out(session, stem) for word, stem in near.items() if stem is not None}
    return " ".join(meant.get(word.text, word.shown) for word in words) if meant else None


def _may_be_misspelt(word: TypedWord) -> bool:
    length = len(word.text)
    return SHORTEST <= length <= LONGEST and word.text.isalpha() and word.parts == (word.text,)


def nearest(word: str, lexicon: Mapping[str, int]) -> str | None:
    """The word of `lexicon` that `word` most likely stands for; None where none is near enough.

    Nearness is optimal string alignment: a letter more, less or another, and two neighbours
    exchanged, count one each.

    Args:
        word: in normal form.
        lexicon: words with how common they are; of equally near ones that begin alike the
            commonest is taken.
    """
    from rapidfuzz.distance import OSA  # noqa: PLC0415 - seldom needed
    from rapidfuzz.process import extract_iter  # noqa: PLC0415

    if len(word) < SHORTEST:
        return None
    most = 2 if len(word) >= LONG else 1
    near = extract_iter(word, lexicon.keys(), scorer=OSA.distance, score_cutoff=most)
    ranked = [
        (distance, other[0] != word[0], -lexicon[other], other)
        for other, distance, _ in near
        if len(other) >= SHORTEST - 1
    ]
    return min(ranked)[-1] if ranked else None


def _caption_words(bundle: Bundle) -> dict[str, int]:
    """The words of captions, which are what sounds are asked for with."""
    special = bundle.vocabulary.special
    words = (word for n, word in enumerate(bundle.vocabulary.words) if n not in special)
    return dict.fromkeys(words, 1000)


def _other_words(bundle: Bundle) -> dict[str, int]:
    """Words that mean something to the model, though no caption of it holds them."""
    whole = () if bundle.pieces is None else bundle.pieces.whole_words
    return dict.fromkeys(whole, 1) | dict.fromkeys(bundle.vocabulary.oov_map, 2)
