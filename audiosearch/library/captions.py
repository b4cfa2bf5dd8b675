"""The captions of a library: listed, added, imported and removed.

Adding what is there changes nothing, so an import that was stopped can simply be run again.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.errors import QueryError
from audiosearch.library.stretches import NEAR_S
from audiosearch.model.bundle import Bundle
from audiosearch.model.loaded import Model
from audiosearch.model.text_encoder import TextTower
from audiosearch.model.tokenizer import normalise
from audiosearch.store.database import Database
from audiosearch.store.queries import captions, encodings
from audiosearch.store.queries.caption_imports import (
    caption_sources,
    claim_by_hand,
    link_import,
)
from audiosearch.store.queries.caption_places import CaptionPlace, caption_places
from audiosearch.store.queries.captions import StoredCaption
from audiosearch.store.queries.windows import find_file
from audiosearch.store.schema import CaptionSource

BATCH = 2000  # captions written together

_NO_TEXT = re.compile("[\ud800-\udfff]")  # what Python makes of such bytes on a command line


@dataclass(frozen=True)
class NewCaption:
    """A sentence, and the sound that it is for, if any; the path is absolute."""

    text: str
    target: ClipRange | None = None


@dataclass(frozen=True)
class Added:
    """What became of new captions.

    Attributes:
        n_new: sentences that were not there.
        n_known: sentences that were.
        n_given: stretches of sound that were given one.
        n_empty: sentences without a word, left out.
        not_indexed: files that are not in the library; their sentences were kept for no sound.
        n_cut: stretches that went on past the end of their sounds, and end there.
        kind: of a file that was imported, what it was.
        import_id: by which all of it can be taken back; None where it brought nothing.
    """

    n_new: int = 0
    n_known: int = 0
    n_given: int = 0
    n_empty: int = 0
    not_indexed: tuple[bytes, ...] = ()
    n_cut: int = 0
    kind: str | None = None
    import_id: int | None = None

    def __add__(self, other: Added) -> Added:
        return Added(
            self.n_new + other.n_new,
            self.n_known + other.n_known,
            self.n_given + other.n_given,
            self.n_empty + other.n_empty,
            tuple(dict.fromkeys((*self.not_indexed, *other.not_indexed))),
            self.n_cut + other.n_cut,
        )


def add(
    database: Database,
    new: Iterable[NewCaption],
    *,
    source: CaptionSource,
    bundle: Bundle,
    tower: TextTower | None,
    import_id: int | None = None,
) -> Added:
    """Write captions down, in batches that are each kept whole.

    Those of an import are written down as brought by it; others are a person's own, which no
    import takes back.

    Raises:
        QueryError: a part lies beyond the end of its sound.
        StoreError: the library cannot be written to.
    """
    added = Added()
    remaining = iter(new)
    while some := list(itertools.islice(remaining, BATCH)):
        with database.session() as session:
            added += _add_batch(
                session, some, source=source, bundle=bundle, tower=tower, import_id=import_id
            )
            failpoint("captions.commit")
        failpoint("captions.done")
    return added


def _add_batch(
    session: Session,
    new: Sequence[NewCaption],
    *,
    source: CaptionSource,
    bundle: Bundle,
    tower: TextTower | None,
    import_id: int | None,
) -> Added:
    said = [(normalise(each.text), as_typed(each.text), each.target) for each in new]
    typed = {text: words for text, words, _ in said if text}
    texts = sorted(typed)
    known = captions.find_captions(session, texts)
    before = caption_sources(session, known.values())
    ids = captions.add_captions(session, texts, source=source)
    captions.keep_typed(session, {ids[text]: words for text, words in typed.items()})
    targets: list[captions.Target] = []
    missing: dict[bytes, None] = {}
    cut: set[captions.Target] = set()
    for text, words, part in said:
        if text and part is not None:
            target = _target(session, ids[text], part)
            if target is None:
                missing[part.path] = None
            else:
                targets.append(replace(target, typed=words))
                if part.end_s is not None and part.end_s > target.end_s + NEAR_S:
                    cut.add(target)
    given = captions.add_targets(session, targets)
    if import_id is None:
        claim_by_hand(session, list(ids.values()), given.now.values())
    else:
        link_import(
            session,
            import_id,
            captions=ids.values(),
            before=before,
            targets=given.now,
            given=given.before,
        )
    if tower is not None and ids:
        _place(session, list(ids.values()), bundle=bundle, tower=tower)
    return Added(
        n_new=len(texts) - len(known),
        n_known=len(known),
        n_given=len(set(targets)),
        n_empty=sum(not text for text, _, _ in said),
        not_indexed=tuple(missing),
        n_cut=len(cut),
    )


def as_typed(text: str) -> str:
    """A person's words as they were typed, on one line; bytes that were no text are marked so."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def _target(session: Session, caption_id: int, part: ClipRange) -> captions.Target | None:
    """The stretch of a recording that a part of a file is; None if the file is not taken in."""
    file = find_file(session, part.path)
    if file is None:
        return None
    if part.start_s >= file.duration_s:
        raise QueryError(f"the sound ends before {part.start_s:g} s", path=part.path)
    end_s = file.duration_s if part.end_s is None else min(part.end_s, file.duration_s)
    return captions.Target(caption_id, file.recording_id, part.start_s, end_s)


def _place(
    session: Session, caption_ids: Sequence[int], *, bundle: Bundle, tower: TextTower
) -> None:
    """Give captions their place in the joint space."""
    bundle_id = encodings.ensure_bundle(
        session, name=bundle.name, version=bundle.version, fingerprint=bundle.fingerprint
    )
    missing = captions.captions_without_vector(session, bundle_id=bundle_id, among=caption_ids)
    if missing:
        vectors = tower.embed([text for _, text in missing])
        captions.insert_caption_vectors(
            session, [each for each, _ in missing], vectors, bundle_id=bundle_id
        )


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
    new = [NewCaption(text, part)]
    bundle, tower = model.bundle, model.tower
    added = add(database, new, source=CaptionSource.USER, bundle=bundle, tower=tower)
    if added.n_empty:
        raise QueryError("there is no word in this caption", remedy="say what is heard")
    return added


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
