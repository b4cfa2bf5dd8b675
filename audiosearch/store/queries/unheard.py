"""Files that have the words of a query, but no sound that could answer it.

They are silent, not heard yet, or cannot be read. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Integer, Text, column, exists, select, table
from sqlalchemy.orm import Session

from audiosearch.store.names import TypedWord
from audiosearch.store.queries.file_names import is_named
from audiosearch.store.queries.fulltext import match_words
from audiosearch.store.queries.places import join
from audiosearch.store.queries.scope import Scope, about_any_file, about_recordings
from audiosearch.store.schema import LibraryRoot, Recording, SoundFile, WindowRow

_MOST: Final = 3  # are told


def unheard_files(
    session: Session, words: Sequence[TypedWord], scope: Scope, *, bundle_id: int
) -> tuple[bytes, ...]:
    """The absolute paths of the first few such files within `scope` whose texts hold all `words`.

    Files that are missing are none.
    """
    match = match_words(words, every=True)
    if match is None:
        return ()
    texts = table("file_text", column("rowid", Integer), column("file_text", Text))
    is_heard = exists().where(
        WindowRow.recording_id == SoundFile.recording_id,
        WindowRow.bundle_id == bundle_id,
        WindowRow.silent == 0,
    )
    rows = session.execute(
        select(LibraryRoot.path.label("root"), SoundFile.path)
        .select_from(SoundFile)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .outerjoin(Recording, Recording.id == SoundFile.recording_id)
        .where(
            SoundFile.id.in_(select(texts.c.rowid).where(texts.c.file_text.op("MATCH")(match))),
            ~is_heard,
            *about_any_file(scope),
            *about_recordings(scope),
            *(is_named(names) for names in scope.names),
        )
        .order_by(LibraryRoot.path, SoundFile.path)
        .limit(_MOST)
    )
    return tuple(join(row.root, row.path) for row in rows)
