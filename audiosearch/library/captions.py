"""The captions of a library, as its user lists, adds, imports and removes them.

In go sentences, files and sources as typed, out come rows of the collection
(`library.collection`, which does the writing).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.errors import QueryError
from audiosearch.library.collection import Added, NewCaption, add, read_captions
from audiosearch.model.loaded import Model
from audiosearch.model.tokenizer import normalise
from audiosearch.store.database import Database
from audiosearch.store.queries import captions
from audiosearch.store.queries.caption_places import CaptionPlace, caption_places
from audiosearch.store.queries.captions import StoredCaption
from audiosearch.store.queries.heard import find_file
from audiosearch.store.schema import CaptionSource


@dataclass(frozen=True)
class ListedCaption:
    """A caption of the library with the stretches of sound that it is said of.

    `places` are all that people gave it to, or else the model's first; see `caption_places`.
    """

    caption: StoredCaption
    places: tuple[CaptionPlace, ...]

    @property
    def words(self) -> str:
        """As a person typed it last, or as the model says it."""
        return self.caption.typed or self.caption.text


def list_captions(
    database: Database, *, source: str | None, limit: int | None, words: str | None
) -> list[ListedCaption]:
    """The stored captions and where they are said; see `Library.captions`."""
    wanted = None if source is None else CaptionSource(source)
    with database.reading() as session:
        stored = captions.list_captions(session, source=wanted, limit=limit, words=words)
        places = caption_places(session, [each.caption_id for each in stored])
    return [ListedCaption(each, places.get(each.caption_id, ())) for each in stored]


def add_caption(
    database: Database, model: Model, text: str, *, clip: str | ClipRange | None
) -> Added:
    """Write down a caption; see `Library.add_caption`."""
    part = None
    if clip is not None:
        given = clip if isinstance(clip, ClipRange) else parse_clip(clip)
        part = replace(given, path=absolute(os.fsdecode(given.path)))
        with database.reading() as session:
            if find_file(session, part.path) is None:
                raise QueryError(
                    "not in the library", path=part.path, remedy="audiosearch index its folder"
                )
    added = _add(database, model, [NewCaption(text, part)], CaptionSource.USER)
    if added.n_empty:
        raise QueryError("there is no word in this caption", remedy="say what is heard")
    return added


def import_captions(database: Database, model: Model, file: Path) -> Added:
    """Write down the captions of a file; see `Library.import_captions`."""
    return _add(database, model, read_captions(file), CaptionSource.IMPORT)


def _add(
    database: Database, model: Model, new: Iterable[NewCaption], source: CaptionSource
) -> Added:
    return add(database, new, source=source, bundle=model.bundle, tower=model.tower)


def remove_captions(
    database: Database, texts: Sequence[str], *, ids: Sequence[int], source: str | None
) -> int:
    """Remove captions; see `Library.remove_captions`."""
    with database.session() as session:
        found = captions.find_captions(session, [normalise(text) for text in texts])
        for text in texts:
            if normalise(text) not in found:
                raise QueryError(f"{text!r} is no caption", remedy="audiosearch captions search")
        wanted = {*found.values(), *ids}
        if source is not None:
            kind = CaptionSource(source)
            listed = captions.list_captions(session, source=kind)
            wanted |= {each.caption_id for each in listed}
        return captions.disclaim_captions(session, sorted(wanted))
