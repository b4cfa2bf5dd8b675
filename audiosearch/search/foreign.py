"""A query in another language than English, as the query that it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from audiosearch.search.languages import IsEnglish, Translation, translate
from audiosearch.search.negation import split_negation
from audiosearch.search.query import ExcludedText, ParsedQuery
from audiosearch.search.results import TextQuery
from audiosearch.search.text_search import AskedText

Parse = Callable[[str, Mapping[str, str]], ParsedQuery]


def read_foreign(query: TextQuery, *, is_english: IsEnglish, parse: Parse) -> AskedText | None:
    """What a query wants and what it excludes; None where it is understood in English only.

    It is read as a whole. Where that is English, what is wanted and each text that is excluded are
    looked at by themselves.

    Args:
        query: as a person typed it.
        is_english: whether a word, as it was typed, is one of English.
        parse: reads an English text, of whose words some stand for others.

    Raises:
        QueryError: there is no word in it.
    """
    whole = translate((query.text, *query.without), is_english=is_english)
    if whole is None:
        return _read_parts(query, is_english=is_english, parse=parse)
    text, *without = whole
    split = split_negation(text.english)
    excluded = dict.fromkeys((*split.excluded, *(each.english for each in without)))
    sources = _sources(whole)
    wanted = parse(split.wanted, sources) if split.wanted or not excluded else None
    if wanted is not None and not split.excluded:
        wanted = _as_typed(wanted, query.text)
    return AskedText(
        wanted,
        tuple(ExcludedText(each, parse(each, sources)) for each in excluded),
        language=text.language,
        translated=text.english,
    )


def _read_parts(query: TextQuery, *, is_english: IsEnglish, parse: Parse) -> AskedText | None:
    """A query of which only some parts are in another language; None where no part is."""
    split = split_negation(query.text)
    excluded = tuple(dict.fromkeys((*split.excluded, *query.without)))
    if not excluded:
        return None
    texts = (split.wanted, *excluded)
    found = [translate((text,), is_english=is_english) for text in texts]
    read = [each[0] if each else None for each in found]
    languages = [each.language for each in read if each is not None]
    if not languages:
        return None
    english = [x if each is None else each.english for x, each in zip(texts, read, strict=True)]
    sources = _sources([each for each in read if each is not None])
    wanted = parse(english[0], sources) if split.wanted else None
    if wanted is not None and read[0] is not None:
        wanted = _as_typed(wanted, split.wanted)
    return AskedText(
        wanted,
        tuple(ExcludedText(each, parse(each, sources)) for each in english[1:]),
        language=languages[0],
        translated=", ".join(filter(None, (english[0], *(f"without {x}" for x in english[1:])))),
    )


def _as_typed(parsed: ParsedQuery, typed: str) -> ParsedQuery:
    """The same with the words as they were typed, since captions that people gave may have them."""
    return replace(parsed, typed=typed)


def _sources(translations: Sequence[Translation]) -> dict[str, str]:
    """English words with what they stand for; of the first text that has one."""
    return {word: text for each in reversed(translations) for word, text in each.sources.items()}
