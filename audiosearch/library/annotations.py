"""What a person writes of sounds: tags, ratings, favourites, notes, collections, saved searches.

It belongs to the sound, not to a file: see `store.queries.annotate`.
"""

from __future__ import annotations

import shlex
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audiosearch.audio.clip import ClipRange
from audiosearch.errors import AudiosearchError, QueryError, display_text
from audiosearch.library.stretches import FoundStretches, find_stretches
from audiosearch.store.database import Database
from audiosearch.store.names import normal_form
from audiosearch.store.queries import annotate, annotation_list, collections
from audiosearch.store.queries.annotate import MOST_STARS, SoundStretch
from audiosearch.store.queries.annotation_list import TagSummary, WrittenAnnotation
from audiosearch.store.queries.collections import CollectionSummary, NamedSearch
from audiosearch.store.queries.users import EVERYBODY, own_users, user_of

MOST_LETTERS = 200  # of a tag or a name
MOST_LETTERS_OF_NOTE = 100_000
_FLAGS = frozenset(map(chr, range(0xE0020, 0xE0080)))  # tags, of which such emoji are made

Clips = Iterable[str | ClipRange]


@dataclass(frozen=True)
class Written:
    """What became of something written of several sounds.

    Attributes:
        n_stretches: sounds and stretches of sounds that it was written of.
        n_changed: of these, those of which it was not so before.
        problems: why others are no sounds of the library.
        n_cut: stretches that went on past the end of their sounds, and end there.
    """

    n_stretches: int
    n_changed: int
    problems: tuple[AudiosearchError, ...] = ()
    n_cut: int = 0


def checked_name(text: str, *, what: str) -> str:
    """A tag or a name as it was typed, on one line.

    Raises:
        QueryError: there is nothing in it, too much, or what cannot be seen where it is shown.
    """
    name = " ".join(_text(text, what=what).split())
    if not normal_form(name):
        raise QueryError(f"there is no word in the {what}")
    if len(name) > MOST_LETTERS:
        raise QueryError(f"a {what} has at most {MOST_LETTERS} letters, not {len(name)}")
    if _hides_something(name):  # two that look alike would be two
        raise QueryError(
            f"there are control characters, or others that nobody sees, in the {what}"
            f" '{display_text(name)}'",
            remedy="type it anew",
        )
    return name


def checked_note(text: str) -> str:
    """A note as it was typed; its lines stay.

    Raises:
        QueryError: there is nothing in it, or too much.
    """
    note = "\n".join(line.rstrip() for line in _text(text, what="note").strip().splitlines())
    note = note.replace("\0", " ")
    if not note:
        raise QueryError(
            "there is nothing in the note", remedy="an empty one ('') takes a note away"
        )
    if len(note) > MOST_LETTERS_OF_NOTE:
        raise QueryError(f"a note has at most {MOST_LETTERS_OF_NOTE:,} letters, not {len(note):,}")
    return note


def _hides_something(name: str) -> bool:
    """Whether there is in it what nobody sees, as lists would show it escaped.

    Letters that this Python does not know yet are none of these, nor are flags of regions.
    """
    plain = "".join(each for each in name if each not in _FLAGS)
    shown = display_text(plain)
    return any(
        plain.count(each) != shown.count(each)
        for each in set(plain)
        if unicodedata.category(each) in ("Cc", "Cf")
    )


def _text(text: str, *, what: str) -> str:
    """A text that can be kept as it is.

    Raises:
        QueryError: it is none, such as bytes that are no UTF-8, or half of a letter of JSON's.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "backslashreplace").decode()
        raise QueryError(
            f"the {what} is no text: '{display_text(shown[:MOST_LETTERS])}'",
            remedy="give it in UTF-8",
        ) from None
    return text


class Annotations:
    """What is written of the sounds of a library; `Library.annotations` gives it.

    It is written in the name of the library's user (`[user] name`), who sees everybody's tags and
    notes and changes only what is the user's own or belongs to everybody; ratings, favourites and
    collections of other users do not count.

    Clips are `FILE` or `FILE@START-END`. Of several, those that are no sounds of the library are
    named in the answer, and the others are done; with `all_or_none`, nothing is. Where something is
    taken away, a file stands for its sound with all stretches of it.

    Every method raises:
        QueryError: the only clip is no sound of the library; a name has no meaning.
        StoreError: the library cannot be read, or not be written to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def tag(self, clips: Clips, tag: str, *, all_or_none: bool = False) -> Written:
        """Put a tag on sounds."""
        name, now = checked_name(tag, what="tag"), time.time()
        with self._database.session() as session:
            found = find_stretches(session, clips, all_or_none=all_or_none)
            ids = annotate.ensure_annotations(session, found.stretches)
            n_new = annotate.add_tags(session, [(each, name, now) for each in ids.values()])
            self._settle(session, found.stretches)
        return _written(found, n_new)

    def untag(self, clips: Clips, tag: str, *, all_or_none: bool = False) -> Written:
        """Take a tag, in any spelling, from sounds."""
        with self._database.session() as session:
            found = find_stretches(session, clips, all_or_none=all_or_none)
            hashes = sorted({each.audio_hash for each in found.stretches})
            tagged = set(annotation_list.annotation_ids(session, hashes=hashes, tag=tag))
            rows = _of_these(
                _rows(session, found.stretches, add=False),
                lambda row: tag if row.annotation_id in tagged else None,
            )
            n_gone = annotate.remove_tags(session, [row.annotation_id for row in rows], [tag])
            if not n_gone:
                _see_that_nobody_has(session, found.stretches, tag)
            self._settle(session, found.stretches)
        return _written(found, n_gone)

    def tags(self) -> list[TagSummary]:
        """All tags that a person set, by name."""
        with self._database.reading() as session:
            return annotation_list.summarise_tags(session)

    def rate(self, clips: Clips, stars: int | None, *, all_or_none: bool = False) -> Written:
        """Rate sounds with 1 to 5 stars; None takes ratings away."""
        if stars is not None and not 1 <= stars <= MOST_STARS:
            raise QueryError(f"a rating is 1 to {MOST_STARS} stars, not {stars}")
        with self._database.session() as session:
            found = find_stretches(session, clips, all_or_none=all_or_none)
            rows = _rows(session, found.stretches, add=stars is not None)
            rows = rows if stars is not None else _of_these(rows, lambda row: row.rating)
            changed = [each.annotation_id for each in rows if each.rating != stars]
            annotate.set_rating(session, changed, stars)
            self._settle(session, found.stretches)
        return _written(found, len(changed))

    def favourite(self, clips: Clips, *, wanted: bool = True, all_or_none: bool = False) -> Written:
        """Make sounds favourites, or none any more."""
        with self._database.session() as session:
            found = find_stretches(session, clips, all_or_none=all_or_none)
            rows = _rows(session, found.stretches, add=wanted)
            rows = rows if wanted else _of_these(rows, lambda row: row.favourite_at)
            changed = [
                each.annotation_id for each in rows if (each.favourite_at is not None) != wanted
            ]
            annotate.set_favourite(session, changed, wanted=wanted)
            self._settle(session, found.stretches)
        return _written(found, len(changed))

    def note(
        self, clips: Clips, text: str | None, *, append: bool = False, all_or_none: bool = False
    ) -> Written:
        """Write a note about sounds, in place of one or below it; None takes it away."""
        note = None if text is None else checked_note(text)
        with self._database.session() as session:
            found = find_stretches(session, clips, all_or_none=all_or_none)
            rows = _rows(session, found.stretches, add=note is not None)
            rows = rows if note is not None else _of_these(rows, lambda row: row.note)
            n_changed = 0
            for each in rows:
                new = note
                if append and note is not None and each.note is not None:
                    new = checked_note(f"{each.note}\n{note}")
                if new != each.note:
                    annotate.set_note(session, [each.annotation_id], new)
                    n_changed += 1
            self._settle(session, found.stretches)
        return _written(found, n_changed)

    def listed(
        self,
        clips: Clips | None = None,
        *,
        tag: str | None = None,
        least_stars: int | None = None,
        favourite: bool = False,
        noted: bool = False,
    ) -> list[WrittenAnnotation]:
        """What is written of sounds (None: of all) and of stretches of these, by path and place.

        Of that, only where all holds that is given: a tag in any spelling, so many stars or more,
        a favourite, a note.
        """
        with self._database.reading() as session:
            hashes = None
            if clips is not None:
                found = find_stretches(session, clips)
                if found.problems:
                    raise found.problems[0]
                hashes = sorted({each.audio_hash for each in found.stretches})
            ids = annotation_list.annotation_ids(
                session,
                hashes=hashes,
                tag=tag,
                least_stars=least_stars,
                favourite=favourite,
                noted=noted,
            )
            rows = annotation_list.written_annotations(session, ids)
        return sorted(rows, key=lambda row: (row.path, row.start_s, row.end_s or 0.0, row.user))

    def of_sound(self, audio_hash: bytes) -> list[WrittenAnnotation]:
        """What is written of a sound and of stretches of it, the whole first."""
        with self._database.reading() as session:
            return annotation_list.annotations_of_sound(session, audio_hash)

    def create_collection(self, name: str, *, shared: bool = False) -> None:
        """Make an empty collection, of the user's own or, if `shared`, of everybody's."""
        with self._database.session() as session:
            self._create(session, checked_name(name, what="name"), shared=shared)

    def _create(self, session: Session, name: str, *, shared: bool = False) -> int:
        if collections.find_collection(session, name) is not None:
            raise QueryError(f"there is a collection {name!r} already")
        user = EVERYBODY if shared else user_of(session)
        return collections.create_collection(session, name, user=user)

    def share_collection(self, name: str) -> bool:
        """Let everybody see and change a collection of one's own; whether it was not so before."""
        with self._database.session() as session:
            collection_id = _collection(session, name)
            if collections.owner_of(session, collection_id) == EVERYBODY:
                return False
            if collections.find_collection(session, name, user=EVERYBODY) is not None:
                raise QueryError(
                    f"there is a collection {name!r} that everybody shares",
                    remedy="audiosearch collection rename gives one of them another name",
                )
            ids = collections.item_ids(session, collection_id)
            rows = annotation_list.written_annotations(session, ids)
            stretches = [
                SoundStretch(row.audio_hash, row.path, row.start_s, row.end_s) for row in rows
            ]
            everybodys = annotate.ensure_annotations(session, stretches, user=EVERYBODY)
            collections.give_to_everybody(
                session,
                collection_id,
                {
                    row.annotation_id: everybodys[stretch.key]
                    for row, stretch in zip(rows, stretches, strict=True)
                },
            )
            self._settle(session, stretches)
            return True

    def delete_collection(self, name: str) -> None:
        """Delete a collection; the sounds in it stay as they are."""
        with self._database.session() as session:
            collection_id = _collection(session, name)
            ids = collections.item_ids(session, collection_id)
            rows = annotation_list.written_annotations(session, ids)
            collections.delete_collection(session, collection_id)
            annotate.settle(session, {each.audio_hash for each in rows})

    def rename_collection(self, name: str, new_name: str) -> None:
        """Give a collection another name."""
        with self._database.session() as session:
            collection_id = _collection(session, name)
            wanted = checked_name(new_name, what="name")
            owner = collections.owner_of(session, collection_id)
            there = {
                collections.find_collection(session, wanted),
                collections.find_collection(session, wanted, user=owner),
            }
            if there - {None, collection_id}:
                raise QueryError(f"there is a collection {wanted!r} already")
            collections.rename_collection(session, collection_id, wanted)

    def collect(
        self, name: str, clips: Clips, *, create: bool = False, all_or_none: bool = False
    ) -> Written:
        """Put sounds at the end of a collection; with `create`, make it where there is none."""
        with self._database.session() as session:
            if create and collections.find_collection(session, name) is None:
                self._create(session, checked_name(name, what="name"))
            collection_id = _collection(session, name)
            found = find_stretches(session, clips, all_or_none=all_or_none)
            owner = collections.owner_of(session, collection_id)
            ids = annotate.ensure_annotations(session, found.stretches, user=owner)
            ordered = [ids[each.key] for each in found.stretches]
            n_new = collections.add_items(session, collection_id, ordered)
            self._settle(session, found.stretches)
        return _written(found, n_new)

    def uncollect(self, name: str, clips: Clips, *, all_or_none: bool = False) -> Written:
        """Take sounds out of a collection."""
        with self._database.session() as session:
            collection_id = _collection(session, name)
            found = find_stretches(session, clips, all_or_none=all_or_none)
            owner = collections.owner_of(session, collection_id)
            ids = _written_of(session, found.stretches, users=(owner,))
            n_gone = collections.remove_items(session, collection_id, ids)
            self._settle(session, found.stretches)
        return _written(found, n_gone)

    def collections(self) -> list[CollectionSummary]:
        """All collections of the user's own and of everybody's, by name."""
        with self._database.reading() as session:
            return collections.summarise_collections(session)

    def collection(self, name: str) -> list[WrittenAnnotation]:
        """What is in a collection, in its order."""
        with self._database.reading() as session:
            ids = collections.item_ids(session, _collection(session, name))
            return annotation_list.seen_annotations(session, ids)

    def save_search(self, name: str, arguments: Sequence[str], *, replace: bool = False) -> None:
        """Give a question a name: the arguments of the command that asks it, its own name first.

        With `replace`, in place of the question that has it.
        """
        wanted = checked_name(name, what="name")
        with self._database.session() as session:
            if not replace and collections.find_search(session, wanted) is not None:
                raise QueryError(
                    f"there is a saved search {wanted!r} already", remedy="--replace writes over it"
                )
            texts = [_text(each, what="saved search") for each in arguments]
            collections.save_search(session, wanted, texts)

    def searches(self) -> list[NamedSearch]:
        """All saved searches, by name."""
        with self._database.reading() as session:
            return collections.list_searches(session)

    def search(self, name: str) -> NamedSearch:
        """The saved search of a name."""
        with self._database.reading() as session:
            found = collections.find_search(session, name)
        if found is None:
            raise QueryError(
                f"there is no saved search {name!r}", remedy="audiosearch search list shows them"
            )
        return found

    def delete_search(self, name: str) -> None:
        """Delete a saved search."""
        self.search(name)
        with self._database.session() as session:
            collections.delete_search(session, name)

    def _settle(self, session: Session, stretches: Sequence[SoundStretch]) -> None:
        annotate.settle(session, {each.audio_hash for each in stretches})


def _collection(session: Session, name: str) -> int:
    found = collections.find_collection(session, name)
    if found is None:
        raise QueryError(
            f"there is no collection {name!r}",
            remedy=f"audiosearch collection create {shlex.quote(name)}",
        )
    return found


def _written(found: FoundStretches, n_changed: int) -> Written:
    return Written(len(found.stretches), n_changed, found.problems, found.n_cut)


def _rows(
    session: Session, stretches: Sequence[SoundStretch], *, add: bool
) -> list[WrittenAnnotation]:
    """What is to be written to (`add`), or may be taken away."""
    ids = (
        list(annotate.ensure_annotations(session, stretches).values())
        if add
        else _written_of(session, stretches)
    )
    return annotation_list.written_annotations(session, ids)


def _of_these(
    rows: Sequence[WrittenAnnotation], mark: Callable[[WrittenAnnotation], object]
) -> list[WrittenAnnotation]:
    """Those with a mark; where one is the user's own, not everybody's of the same stretch."""
    marked = [row for row in rows if mark(row) is not None]
    own = {(row.audio_hash, row.start_s, row.end_s) for row in marked if row.user != EVERYBODY}
    return [
        row
        for row in marked
        if row.user != EVERYBODY or (row.audio_hash, row.start_s, row.end_s) not in own
    ]


def _written_of(
    session: Session, stretches: Sequence[SoundStretch], *, users: Sequence[str] | None = None
) -> list[int]:
    """The ids of what users wrote of stretches, and of all parts of whole sounds.

    Without `users`, what the session's user may change.
    """
    users = own_users(session) if users is None else users
    whole = sorted({each.audio_hash for each in stretches if each.end_s is None})
    ids = dict.fromkeys(annotation_list.annotation_ids(session, hashes=whole, users=users))
    parts = [each for each in stretches if each.end_s is not None]
    for user in users:
        ids |= dict.fromkeys(annotate.find_annotations(session, parts, user=user).values())
    return list(ids)


def _see_that_nobody_has(session: Session, stretches: Sequence[SoundStretch], tag: str) -> None:
    """Say whose a tag is that was to be taken away, and is another user's."""
    hashes = {each.audio_hash for each in stretches}
    others = set(annotate.tag_owners(session, hashes, tag)) - set(own_users(session))
    if others:
        names = ", ".join(sorted(others))
        raise QueryError(
            f"the tag {tag!r} was put there by {display_text(names)}",
            remedy="whoever put a tag on a sound can take it away",
        )
