"""The vectors of a library as matrices, and the windows that their rows stand for.

Everything here only reads the database; large matrices come from files beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audiosearch.errors import FeatureUnavailable
from audiosearch.model.bundle import Bundle
from audiosearch.store.database import Database
from audiosearch.store.queries.encodings import find_bundle_id
from audiosearch.store.queries.scope import Scope, first_paths
from audiosearch.store.queries.search import WindowSpan, window_captions, window_places
from audiosearch.store.vector_cache import VectorKind, load_vectors
from audiosearch.store.vectors import VectorTable


@dataclass(frozen=True)
class DescribedWindow:
    """A window, the first file that has it, and its caption; None where there is no such thing."""

    place: WindowSpan
    path: bytes | None
    caption: str | None


def library_vectors(database: Database, bundle: Bundle, kind: VectorKind) -> VectorTable | None:
    """What a bundle says of all windows that are not silent; None where it has heard none.

    Raises:
        FeatureUnavailable: the bundle gives no such vectors.
    """
    if kind is VectorKind.JOINT and not bundle.joint_dim:
        raise FeatureUnavailable(
            "this model has no space shared by text and sound", path=bundle.path
        )
    with database.reading() as session:
        bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
        if bundle_id is None:
            return None
        table = load_vectors(
            session,
            bundle_id=bundle_id,
            fingerprint=bundle.fingerprint,
            kind=kind,
            cache_dir=database.vectors_dir,
        )
    return table if len(table) else None


def described_windows(database: Database, window_ids: Sequence[int]) -> list[DescribedWindow]:
    """Windows in the order of their ids as given; ids that are none (any more) are left out."""
    with database.reading() as session:
        return _described(session, window_ids)


def _described(session: Session, window_ids: Sequence[int]) -> list[DescribedWindow]:
    places = window_places(session, window_ids)
    captions = window_captions(session, list(places))
    recordings = sorted({place.recording_id for place in places.values()})
    paths = first_paths(session, recordings, Scope())
    return [
        DescribedWindow(
            place=places[each],
            path=paths.get(places[each].recording_id),
            caption=captions.get(each),
        )
        for each in window_ids
        if each in places
    ]
