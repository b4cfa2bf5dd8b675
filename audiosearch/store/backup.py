"""Backups of what people wrote: read out of a library of any schema, written as a whole file.

Made when asked for, and before a migration or a repair (`back_up_before`).
"""

# ruff: noqa: S608 - queries are put together from constants of this file
from __future__ import annotations

import errno
import itertools
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from audiosearch._files import PRIVATE_FILE, atomic_write, make_private_folder
from audiosearch.errors import StorageFull, StoreError
from audiosearch.store import sqlite
from audiosearch.store.backup_lines import (
    END,
    HEAD,
    VERSION,
    BackupLine,
    BadBackupLine,
    CaptionLine,
    CollectionLine,
    FavouriteLine,
    ImportLine,
    ItemLine,
    NoteLine,
    RatingLine,
    SearchLine,
    TagLine,
    line_bytes,
    line_of,
    line_row,
)
from audiosearch.store.queries.annotate import SoundStretch
from audiosearch.store.queries.collections import arguments_of
from audiosearch.store.queries.places import join

if TYPE_CHECKING:
    from audiosearch.store.database import Database

log = logging.getLogger(__name__)

KEPT: Final = 10  # automatic backups; older ones are deleted

_ANNOTATION: Final = "FROM annotation AS a JOIN annotated_sound AS s ON s.id = a.sound_id"


class _RowSource(Protocol):
    """A connection to a library, of SQLite or of a server."""

    def execute(self, statement: str, parameters: Sequence[object] = (), /) -> Iterable[Any]:
        """The rows of a statement in SQLite's words, with `?` for parameters."""


def write_backup(database: Path | Database, target: Path) -> int:
    """Write all that people wrote into a file, which is there whole or not at all.

    Returns:
        how many lines there are, the first and last not counted.

    Raises:
        StoreError: the library is damaged, or the file cannot be written.
    """
    place = database if isinstance(database, Path) else database.path
    with sqlite.translated(place), _reading(database) as reader:
        return _write(reader, target, strict=True)


@contextmanager
def _reading(database: Path | Database) -> Iterator[_RowSource]:
    """One state of a library, or of a file of SQLite whose schema may be an older one."""
    file = database if isinstance(database, Path) else database.file
    if file is not None:
        with closing(sqlite.connect(file, read_only=True)) as connection:
            connection.execute("BEGIN")
            yield connection
        return
    from audiosearch.store.postgresql.report import ServerReader  # noqa: PLC0415

    assert not isinstance(database, Path)
    with database.reading() as session:
        yield ServerReader(session)


def back_up_before(database: Path | Database, *, what: str) -> Path | None:
    """A backup in the folder `backups` beside a library, before something is done to it.

    The last ten are kept. What is damaged is left out, and said so in the log.

    Returns:
        the file; None where nobody wrote anything.

    Raises:
        StorageFull: there is no room for it.
        StoreError: it cannot be written.
    """
    data_dir = database.parent if isinstance(database, Path) else database.data_dir
    folder = data_dir / "backups"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    names = itertools.chain([stamp], (f"{stamp}-{n}" for n in itertools.count(2)))
    target = next(
        path for name in names if not (path := folder / f"{name}-before-{what}.jsonl").exists()
    )
    try:
        with _reading(database) as reader:
            if next(_lines(reader), None) is None:
                return None
            make_private_folder(folder)
            _write(reader, target, strict=False)
    except sqlite3.DatabaseError as error:
        log.warning("no backup of what you wrote could be made before the %s: %s", what, error)
        return None
    for old in sorted(folder.glob("*-before-*.jsonl"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return target


def _write(reader: _RowSource, target: Path, *, strict: bool) -> int:
    n_lines, n_bad = 0, 0
    try:
        with atomic_write(target, mode=PRIVATE_FILE) as file:
            made = datetime.now(UTC).isoformat(timespec="seconds")
            version = VERSION if _has_users(reader) else 1
            file.write(line_bytes({"kind": HEAD, "version": version, "made_at": made}))
            for line in _lines(reader):
                try:
                    content = line_bytes(line_row(line))
                    line_of(line_row(line))  # what is written must be read again
                except (BadBackupLine, TypeError, ValueError, AttributeError) as error:
                    if strict:
                        raise StoreError(
                            f"what you wrote is damaged: {error}",
                            path=target,
                            remedy="audiosearch verify --repair, then back up",
                        ) from error
                    n_bad += 1
                else:
                    file.write(content)
                    n_lines += 1
            file.write(line_bytes({"kind": END, "lines": n_lines}))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no space left for a backup", path=target) from error
        raise StoreError(f"the backup cannot be written: {error.strerror}", path=target) from error
    if n_bad:
        log.warning("%s: %d damaged lines are left out of the backup", target, n_bad)
    return n_lines


def _lines(reader: _RowSource) -> Iterator[BackupLine]:
    """All that people wrote, in an order that does not depend on when it was read."""
    tables = _names(reader, "SELECT name FROM sqlite_master")
    if "annotation" in tables:
        paths = _paths(reader, "SELECT audio_hash FROM annotated_sound")
        yield from _annotation_lines(reader, paths)
        yield from _collection_lines(reader, paths)
        for name, stored, at in reader.execute(
            "SELECT name, arguments_json, saved_at FROM saved_search ORDER BY key"
        ):
            yield SearchLine(search=name, arguments=arguments_of(stored) or (), at=at)
    if "caption" in tables:
        yield from _caption_lines(reader, tables)


def _owner(reader: _RowSource, table: str) -> str:
    """The column that tells whose a row is; in libraries of before everything is everybody's."""
    columns = _names(reader, f"SELECT name FROM pragma_table_info('{table}')")
    return "user_name" if "user_name" in columns else "''"


def _has_users(reader: _RowSource) -> bool:
    return any(
        next(iter(reader.execute(f"SELECT 1 FROM {table} WHERE user_name != '' LIMIT 1")), None)
        for table in ("annotation", "collection")
        if _owner(reader, table) == "user_name"
    )


def _names(reader: _RowSource, statement: str) -> set[str]:
    return {name for (name,) in reader.execute(statement)}


def _paths(reader: _RowSource, hashes: str) -> dict[bytes, bytes]:
    """By hash (of those that a query gives), where a sound is: files that are there first."""
    rows = reader.execute(
        "SELECT r.audio_hash, l.path, f.path FROM recording AS r"
        " JOIN sound_file AS f ON f.recording_id = r.id JOIN library_root AS l ON l.id = f.root_id"
        f" WHERE r.audio_hash IN ({hashes})"
        " ORDER BY f.state = 'missing', l.path, f.path"
    )
    found: dict[bytes, bytes] = {}
    for audio_hash, root, path in rows:
        found.setdefault(audio_hash, join(root, path))
    return found


def _annotation_lines(reader: _RowSource, paths: dict[bytes, bytes]) -> Iterator[BackupLine]:
    place = "s.audio_hash, s.path, a.start_s, a.end_s"
    owner = _owner(reader, "annotation").replace("user_name", "a.user_name")
    order = f"ORDER BY s.audio_hash, a.start_s, a.end_s, {owner}"
    tags = reader.execute(
        f"SELECT {place}, t.said, t.added_at, {owner} {_ANNOTATION}"
        f" JOIN annotation_tag AS t ON t.annotation_id = a.id {order}, t.said"
    )
    for *sound, said, at, user in tags:
        yield TagLine(sound=_stretch(sound, paths), tag=said, at=at, user=user)
    rows = reader.execute(
        f"SELECT {place}, a.rating, a.rated_at, a.favourite_at, a.note, a.noted_at, {owner}"
        f" {_ANNOTATION} {order}"
    )
    for *sound, rating, rated_at, favourite_at, note, noted_at, user in rows:
        stretch = _stretch(sound, paths)
        if rating is not None:
            yield RatingLine(sound=stretch, stars=rating, at=rated_at, user=user)
        if favourite_at is not None:
            yield FavouriteLine(sound=stretch, at=favourite_at, user=user)
        if note is not None:
            yield NoteLine(sound=stretch, note=note, at=noted_at, user=user)


def _stretch(sound: list[object], paths: dict[bytes, bytes]) -> SoundStretch:
    audio_hash, last_path, start_s, end_s = sound
    assert isinstance(audio_hash, bytes)
    path = paths.get(audio_hash, last_path)
    return SoundStretch(audio_hash, path, start_s, end_s or None)  # type: ignore[arg-type]  # checked by whoever writes it


def _collection_lines(reader: _RowSource, paths: dict[bytes, bytes]) -> Iterator[BackupLine]:
    owner = _owner(reader, "collection")
    for number, name, at, user in reader.execute(
        f"SELECT id, name, created_at, {owner} FROM collection ORDER BY key, {owner}"
    ):
        yield CollectionLine(collection=name, at=at, user=user)
        items = reader.execute(
            f"SELECT s.audio_hash, s.path, a.start_s, a.end_s, i.added_at {_ANNOTATION}"
            " JOIN collection_item AS i ON i.annotation_id = a.id"
            " WHERE i.collection_id = ? ORDER BY i.id",
            (number,),
        )
        for *sound, added_at in items:
            stretch = _stretch(sound, paths)
            yield ItemLine(collection=name, sound=stretch, at=added_at, user=user)


def _caption_lines(reader: _RowSource, tables: Iterable[str]) -> Iterator[BackupLine]:
    columns = _names(reader, "SELECT name FROM pragma_table_info('caption')")
    own = "coalesce({}.said, c.text)" if "said" in columns else "c.text"
    if "caption_import" in tables:
        for number, file, kind, digest, at in reader.execute(
            "SELECT id, source, kind, digest, added_at FROM caption_import ORDER BY id"
        ):
            yield ImportLine(number=number, file=file, format=kind, digest=digest, at=at)
    came_with = _came_with(reader, tables, "import_caption", "caption_id")
    for caption_id, words, source, at in reader.execute(
        f"SELECT c.id, {own.format('c')}, c.source, c.added_at FROM caption AS c"
        " WHERE c.source IN ('user', 'import') ORDER BY c.text"
    ):
        imports = came_with.get(caption_id, ())
        yield CaptionLine(sound=None, caption=words, source=source, at=at, imports=imports)
    if "caption_target" not in tables:
        return
    paths = _paths(
        reader,
        "SELECT r.audio_hash FROM caption_target AS t JOIN recording AS r ON r.id = t.recording_id",
    )
    given = (
        f"SELECT t.id, r.audio_hash, ?1, t.start_s, t.end_s, {own.format('t')}, c.source,"
        " c.added_at FROM caption_target AS t JOIN recording AS r ON r.id = t.recording_id"
        " JOIN caption AS c ON c.id = t.caption_id ORDER BY r.audio_hash, t.start_s, c.text"
    )
    waiting = (
        "SELECT t.id, s.audio_hash, s.path, t.start_s, t.end_s, coalesce(t.said, c.text), c.source,"
        " c.added_at FROM waiting_caption AS t JOIN annotated_sound AS s ON s.id = t.sound_id"
        " JOIN caption AS c ON c.id = t.caption_id ORDER BY s.audio_hash, t.start_s, c.text"
    )
    queries = [
        (reader.execute(given, (b"",)), _came_with(reader, tables, "import_target", "target_id"))
    ]
    if "waiting_caption" in tables:
        links = _came_with(reader, tables, "import_waiting", "waiting_id")
        queries.append((reader.execute(waiting), links))
    for rows, came_with in queries:
        for number, *sound, words, source, at in rows:
            yield CaptionLine(
                sound=_stretch(sound, paths),
                caption=words,
                source=source if source in ("user", "import") else "user",
                at=at,
                imports=came_with.get(number, ()),
            )


def _came_with(
    reader: _RowSource, tables: Iterable[str], table: str, column: str
) -> dict[int, tuple[int, ...]]:
    """By the id in `column`, the imports that brought it; none in libraries of before."""
    found: dict[int, tuple[int, ...]] = {}
    if table in tables:
        for number, import_id in reader.execute(
            f"SELECT {column}, import_id FROM {table} ORDER BY {column}, import_id"
        ):
            found[number] = (*found.get(number, ()), import_id)
    return found
