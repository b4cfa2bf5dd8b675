"""Collections of stretches of sound, and saved searches: what a person gave a name.

Names are told apart in normal form, and shown as they were typed. The caller owns the transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from audiosearch.store.dialects import upsert
from audiosearch.store.names import normal_form
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.queries.users import EVERYBODY, own_users
from audiosearch.store.schema import Collection, CollectionItem, SavedSearch


@dataclass(frozen=True)
class CollectionSummary:
    """A collection and how much is in it; `created_at` in Unix seconds.

    `user` is whose it is; "" where everybody shares it.
    """

    collection_id: int
    name: str
    created_at: float
    n_items: int
    user: str


@dataclass(frozen=True)
class NamedSearch:
    """A saved search: the arguments of the command that asks it; `saved_at` in Unix seconds."""

    name: str
    arguments: tuple[str, ...]
    saved_at: float


def find_collection(session: Session, name: str, *, user: str | None = None) -> int | None:
    """The id of a collection, by its name in any spelling; None where there is none.

    It is one of `user`'s; without, one that the session's user sees, an own one first.
    """
    users = own_users(session) if user is None else (user,)
    return session.scalar(
        select(Collection.id)
        .where(Collection.key == normal_form(name), Collection.user_name.in_(users))
        .order_by(Collection.user_name.desc())
        .limit(1)
    )


def owner_of(session: Session, collection_id: int) -> str:
    """Whose a collection is; "" where everybody shares it."""
    return session.get_one(Collection, collection_id).user_name


def create_collection(
    session: Session, name: str, *, user: str = EVERYBODY, created_at: float | None = None
) -> int:
    """A new collection of a user's; its id. The name must be free."""
    when = time.time() if created_at is None else created_at
    row = {"name": name, "key": normal_form(name), "created_at": when, "user_name": user}
    made = session.connection().execute(insert(Collection).returning(Collection.id), [row])
    return int(made.scalar_one())


def rename_collection(session: Session, collection_id: int, name: str) -> None:
    """Give a collection another name, which must be free."""
    collection = session.get_one(Collection, collection_id)
    collection.name, collection.key = name, normal_form(name)
    session.flush()


def give_to_everybody(
    session: Session, collection_id: int, annotation_ids: Mapping[int, int]
) -> None:
    """Have everybody share a collection, whose name must be free among these.

    `annotation_ids` gives, for each annotation in it, everybody's of the same stretch.
    """
    for old, new in annotation_ids.items():
        session.execute(
            update(CollectionItem)
            .where(
                CollectionItem.collection_id == collection_id, CollectionItem.annotation_id == old
            )
            .values(annotation_id=new)
        )
    session.get_one(Collection, collection_id).user_name = EVERYBODY
    session.flush()


def delete_collection(session: Session, collection_id: int) -> None:
    """Delete a collection; the sounds in it are as they were."""
    session.execute(delete(CollectionItem).where(CollectionItem.collection_id == collection_id))
    session.execute(delete(Collection).where(Collection.id == collection_id))


def summarise_collections(session: Session) -> list[CollectionSummary]:
    """All collections that the session's user sees, by name."""
    rows = session.execute(
        select(
            Collection.id,
            Collection.name,
            Collection.created_at,
            func.count(CollectionItem.id),
            Collection.user_name,
        )
        .outerjoin(CollectionItem, CollectionItem.collection_id == Collection.id)
        .where(Collection.user_name.in_(own_users(session)))
        .group_by(Collection.id)
        .order_by(Collection.key)
    )
    return [CollectionSummary(*row) for row in rows]


def add_items(
    session: Session,
    collection_id: int,
    annotation_ids: Sequence[int],
    *,
    added_at: Mapping[int, float] | None = None,
) -> int:
    """Put stretches (ids of annotations) at the end of a collection; how many were not in it."""
    n_items = select(func.count()).where(CollectionItem.collection_id == collection_id)
    before = session.scalar(n_items) or 0
    now = time.time()
    rows = [
        {
            "collection_id": collection_id,
            "annotation_id": each,
            "added_at": (added_at or {}).get(each, now),
        }
        for each in annotation_ids
    ]
    if rows:
        session.connection().execute(upsert(session, CollectionItem).on_conflict_do_nothing(), rows)
    return (session.scalar(n_items) or 0) - before


def remove_items(session: Session, collection_id: int, annotation_ids: Sequence[int]) -> int:
    """Take stretches out of a collection; returns how many were in it."""
    return sum(
        n_rows(
            session.connection().execute(
                delete(CollectionItem).where(
                    CollectionItem.collection_id == collection_id,
                    CollectionItem.annotation_id.in_(some),
                )
            )
        )
        for some in chunks(annotation_ids)
    )


def item_ids(session: Session, collection_id: int) -> list[int]:
    """The ids of the annotations in a collection, in its order."""
    wanted = select(CollectionItem.annotation_id).where(
        CollectionItem.collection_id == collection_id
    )
    return list(session.scalars(wanted.order_by(CollectionItem.id)))


def save_search(
    session: Session, name: str, arguments: Sequence[str], *, saved_at: float | None = None
) -> None:
    """Save a search under a name, in place of one that has it."""
    when = time.time() if saved_at is None else saved_at
    row = {
        "name": name,
        "key": normal_form(name),
        "arguments_json": json.dumps(list(arguments), ensure_ascii=False),
        "saved_at": when,
    }
    statement = upsert(session, SavedSearch)
    new = statement.excluded
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "name": new.name,
                "arguments_json": new.arguments_json,
                "saved_at": new.saved_at,
            },
        ),
        [row],
    )


def find_search(session: Session, name: str) -> NamedSearch | None:
    """The saved search of a name, in any spelling; None where there is none."""
    row = session.scalars(select(SavedSearch).where(SavedSearch.key == normal_form(name))).first()
    return None if row is None else _named(row)


def list_searches(session: Session) -> list[NamedSearch]:
    """All saved searches by name."""
    return [_named(row) for row in session.scalars(select(SavedSearch).order_by(SavedSearch.key))]


def delete_search(session: Session, name: str) -> bool:
    """Delete a saved search; whether there was one."""
    done = session.connection().execute(
        delete(SavedSearch).where(SavedSearch.key == normal_form(name))
    )
    return n_rows(done) > 0


def _named(row: SavedSearch) -> NamedSearch:
    return NamedSearch(row.name, arguments_of(row.arguments_json) or (), row.saved_at)


def arguments_of(stored: object) -> tuple[str, ...] | None:
    """The arguments in a stored search; None where it is damaged."""
    try:
        found = json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        return None
    if not (isinstance(found, list) and found and all(isinstance(each, str) for each in found)):
        return None
    return tuple(found)
