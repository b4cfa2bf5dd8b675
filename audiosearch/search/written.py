"""The words of a query in what is written of sounds: file names, metadata, tags and captions.

It knows nothing of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Bools
from audiosearch.search.query import ParsedQuery
from audiosearch.store.queries.scope import Scope, ScopedFile, files_within
from audiosearch.store.queries.search import WindowSpan
from audiosearch.store.queries.word_matches import words_in_files, words_in_given_captions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class TextMatches:
    """The words of a query that are written of windows.

    Texts belong to files: of a recording with several, the one that says most counts, and is
    shown. A caption that a person gave counts for the stretch that it was given to.

    Attributes:
        matched: (n_windows, n_words), in the order of the windows asked about.
        files: by recording, the file whose texts hold most of the words; only those with any.
    """

    matched: Bools
    files: Mapping[int, ScopedFile]


def match_texts(
    session: Session, parsed: ParsedQuery, places: Sequence[WindowSpan], scope: Scope
) -> TextMatches:
    """The telling words that are written of windows at `places`, by files within `scope`."""
    n_words = len(parsed.telling)
    by_recording: dict[int, list[int]] = {}
    for row, place in enumerate(places):
        by_recording.setdefault(place.recording_id, []).append(row)
    matched = np.zeros((len(places), n_words), np.bool_)
    files = _best_files(session, parsed, list(by_recording), scope)
    for recording_id, (_, found) in files.items():
        for row in by_recording[recording_id]:
            matched[row, sorted(found)] = True
    for word, given in words_in_given_captions(session, parsed.telling):
        for row in by_recording.get(given.recording_id, ()):
            if places[row].start_s < given.end_s and places[row].end_s > given.start_s:
                matched[row, word] = True
    return TextMatches(matched, {recording: file for recording, (file, _) in files.items()})


def with_unknown(
    matches: TextMatches, parsed: ParsedQuery, places: Sequence[WindowSpan]
) -> set[int]:
    """The recordings of which all words are written that the model does not know.

    None where it knows all of the words, or none.
    """
    unknown = ~np.array(parsed.is_known, np.bool_)
    if not unknown.any() or unknown.all():
        return set()
    rows = np.flatnonzero(matches.matched[:, unknown].all(axis=1))
    return {places[row].recording_id for row in rows.tolist()}


def _best_files(
    session: Session, parsed: ParsedQuery, recording_ids: Sequence[int], scope: Scope
) -> dict[int, tuple[ScopedFile, frozenset[int]]]:
    """By recording, the file that holds most words and these; the first by its path of equals."""
    files = list(files_within(session, recording_ids, scope))
    found = words_in_files(session, parsed.telling, [file.file_id for file in files])
    best: dict[int, tuple[ScopedFile, frozenset[int]]] = {}
    for file in sorted(files, key=lambda file: file.path):
        places = found.get(file.file_id, frozenset())
        if places and len(places) > len(best.get(file.recording_id, (file, frozenset()))[1]):
            best[file.recording_id] = file, places
    return best
