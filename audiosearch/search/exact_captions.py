"""Sounds that a person captioned with the very words of a query.

In go the words of a query, out come windows. What a person said of a sound is certain, however the
model hears it: these windows come first. The query's words must stand in the caption in their
order, articles and forms of "to be" aside, so that "a dog barks after a man speaks" is not found
in "a man speaks after a dog barks". Other words in common count in full text, as for any caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audiosearch._typing import Ids
from audiosearch.search.hits import ScoredWindow
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.names import words_of
from audiosearch.store.queries import fulltext
from audiosearch.store.queries.scope import among
from audiosearch.store.queries.search import windows_given

_PASSED_OVER = frozenset({"a", "an", "the", "is", "are", "was", "were", "be", "being", "there"})


def holds(caption: str, query: str) -> bool:
    """Whether the telling words of `query` stand in `caption` in their order."""
    wanted = telling(query)
    words = iter(words_of(caption))
    return bool(wanted) and all(word in words for word in wanted)  # `in` moves the iterator on


def telling(text: str) -> list[str]:
    """The words of a text that say something of a sound."""
    return [word for word in words_of(text) if word not in _PASSED_OVER]


def windows_captioned(view: LibrarySnapshot, query: str) -> Ids:
    """Windows (n,) that may answer and overlap a stretch captioned with the query; ascending."""
    captions = [
        caption_id
        for caption_id, text in fulltext.given_captions(view.session, telling(query))
        if holds(text, query)
    ]
    given = windows_given(view.session, captions, bundle_id=view.bundle_id)
    found = np.unique(np.array([window_id for _, window_id in given], dtype=np.int64))
    if view.allowed is None:
        return found
    return np.array(among(found.tolist(), view.allowed), dtype=np.int64)


def boost_exact_captions(found: Sequence[ScoredWindow], captioned: Ids) -> list[ScoredWindow]:
    """The windows that matched, those of `captioned` in front and with the full score."""
    mine = set(captioned.tolist())
    ahead = [replace(each, score=1.0) for each in found if each.window_id in mine]
    return ahead + [each for each in found if each.window_id not in mine]
