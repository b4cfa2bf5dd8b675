"""Examine what is on the disk: settings, the data folder, the database, the folders of sounds."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from audiosearch._resources import migrations_path
from audiosearch._urls import is_url
from audiosearch._wording import counted
from audiosearch.config import Config
from audiosearch.doctor.findings import Finding, error, warning
from audiosearch.errors import display_path
from audiosearch.library.views import VIEWS_BYTES, VIEWS_FOLDER
from audiosearch.store import sqlite
from audiosearch.store.database import database_size, known_revisions
from audiosearch.store.private import is_shared, keep_private, open_to_others
from audiosearch.store.queries.places import join

SCARCE: Final = 1 << 30  # bytes free below which it is said
NONE_LEFT: Final = 100 << 20  # below which indexing will soon stop
_STATES: Final = ("pending", "indexed", "failed", "missing")


def settings(config: Config) -> Iterator[Finding]:
    """Where the settings come from; those that make no sense are refused by every command."""
    there = config.config_file.is_file()
    source = str(config.config_file) if there else f"defaults ({config.config_file} is not there)"
    yield Finding("settings", source)


def data_folder(config: Config) -> Iterator[Finding]:
    """Whether the library's folder can be written to."""
    folder = config.data_dir
    if not folder.exists():
        nearest = next(parent for parent in folder.parents if parent.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            remedy = f"make {folder} yourself, or set AUDIOSEARCH_DATA_DIR"
            yield error("data-folder", f"{folder} cannot be made in {nearest}", remedy)
            return
        yield Finding("data-folder", f"{folder} is not there yet; the first index makes it")
        return
    if not folder.is_dir():
        yield error(
            "data-folder", f"{folder} is no folder", "move it away, or set another data_dir"
        )
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"chown or chmod it: it must be yours to write to (chmod u+rwx {folder})"
        yield error("data-folder", f"{folder} cannot be written to", remedy)
        return
    for name in ("library.sqlite3", "library.sqlite3-wal", "library.sqlite3-shm"):
        file = folder / name
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            yield error(
                "data-folder",
                f"{file} cannot be written to, perhaps since another user ran audiosearch",
                f"chown {file} to yourself",
            )
    yield Finding("data-folder", str(folder))


def rights(config: Config) -> Iterator[Finding]:
    """Whether other users of this machine can look into the library; an end is put to that."""
    if not hasattr(os, "geteuid") or not config.data_dir.is_dir():
        return
    closed = keep_private(config.data_dir)
    if closed:
        detail = f"{closed[0]} was open to other users of this machine, and is no more"
        if len(closed) > 1:
            detail = f"{detail}; so were {len(closed) - 1} others"
        yield warning("rights", detail, "nothing more is to be done")
    for path in open_to_others(config.data_dir):
        yield warning(
            "rights", f"{path} is open to other users", f"chmod go= {path}, if its disk allows it"
        )
    mode = config.data_dir.stat().st_mode
    if is_shared(config.data_dir) and mode & 0o077:
        yield warning(
            "rights",
            f"other users can enter {config.data_dir}, where there is more than the library",
            "give the library a folder of its own with AUDIOSEARCH_DATA_DIR",
        )
    elif not closed:
        yield Finding("rights", "nobody but you can look into the library")


def pictures(config: Config) -> Iterator[Finding]:
    """Where outlines and spectrograms of sounds are kept: nothing is lost with them."""
    folder, most = config.data_dir / VIEWS_FOLDER, f"at most {VIEWS_BYTES >> 20} MB"
    if not folder.is_dir():
        yield Finding("pictures", f"none of sounds are kept yet; {most} will be, in {folder}")
        return
    size = sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
    detail = f"{size / 1e6:.0f} MB of pictures of sounds in {folder}, {most}; they may be deleted"
    yield Finding("pictures", detail)


def disk_space(config: Config) -> Iterator[Finding]:
    """Whether there is room for what indexing adds, and for a copy before a migration."""
    folder = config.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.1f} GB free for the library in {config.data_dir}"
    remedy = "free some space, or move the library to a larger disk with AUDIOSEARCH_DATA_DIR"
    if free < NONE_LEFT:
        yield error("disk-space", detail, remedy)
    elif not config.store.url and free < max(SCARCE, database_size(config.database)):
        yield warning("disk-space", f"{detail}, less than a copy of it may need", remedy)
    else:
        yield Finding("disk-space", detail)
    for copy in sorted(config.data_dir.glob("*.backup*")):
        megabytes = copy.stat().st_size / 1e6
        yield Finding("disk-space", f"{copy.name} ({megabytes:.1f} MB) may be deleted")


def database(config: Config) -> Iterator[Finding]:
    """The schema's version and SQLite's own check of the file, without migrating it."""
    if config.store.url:
        yield from _server(config)
        return
    path = config.database
    if not path.exists():
        yield warning(
            "database", "there is no library yet", "make one with: audiosearch index FOLDER"
        )
        return
    with sqlite.translated(path):
        revision, has_tables = sqlite.read_schema(path)
    known = known_revisions(migrations_path())
    if revision is None:
        what = "another program's database" if has_tables else "empty"
        remedy = f"move {path} away and run audiosearch index FOLDER"
        yield error("database", f"{path} is {what}", remedy)
        return
    if revision not in known:
        detail = f"schema {revision} is of a later version; this one knows up to {known[-1]}"
        yield error("database", detail, "upgrade audiosearch; the library is left as it is")
        return
    if revision != known[-1]:
        detail = f"schema {revision}, to be brought to {known[-1]} by the next command"
        yield Finding("database", f"{detail}, which copies it first")
    with sqlite.translated(path):
        engine = sqlite.make_engine(path, read_only=True)
        try:
            with engine.connect() as connection:
                problems = sqlite.integrity_problems(connection)
        finally:
            engine.dispose()
    size = f"{database_size(path) / 1e6:.1f} MB"
    if problems:
        detail = f"{counted(len(problems), 'problem')} in {path} ({size}), the first: {problems[0]}"
        yield error("database", detail, "audiosearch verify --repair")
    else:
        yield Finding("database", f"{path} is sound ({size}, schema {revision})")


def _server(config: Config) -> Iterator[Finding]:
    """The server that has the library: whether it answers, its version, schema and indices."""
    from audiosearch.store.postgresql.report import server_report  # noqa: PLC0415

    report = server_report(config.store.url)
    known = known_revisions(migrations_path())
    what = f"{report.shown}: PostgreSQL {report.version}, pgvector {report.pgvector or 'none'}"
    if report.revision is None:
        remedy = "audiosearch index FOLDER makes it, or audiosearch migrate-store brings yours"
        yield warning("database", f"{what}; there is no library yet", remedy)
        return
    if report.revision not in known:
        detail = f"schema {report.revision} is of a later version; this one knows up to {known[-1]}"
        yield error("database", detail, "upgrade audiosearch; the library is left as it is")
        return
    rights = "may write" if report.may_write else "may only read"
    size = f"{report.size_bytes / 1e6:.1f} MB"
    detail = f"{what}; {size}, schema {report.revision}; this user {rights}"
    if report.problems:
        remedy = "ask the server's administrator: REINDEX DATABASE"
        yield error("database", f"{detail}; {report.problems[0]}", remedy)
    else:
        yield Finding("database", detail)


def library_roots(config: Config) -> Iterator[Finding]:
    """Whether each folder of sounds is there and can be read."""
    if not _readable(config):
        return
    for (path,) in _rows(config, "SELECT path FROM library_root ORDER BY path"):
        shown = display_path(path)
        if is_url(path):
            yield Finding("roots", f"{shown} (a URL: not asked)")
        elif not os.path.isdir(path):  # noqa: PTH112 - bytes, which pathlib does not keep
            remedy = "plug in its drive; if it is gone for good: audiosearch roots remove FOLDER"
            yield warning("roots", f"{shown} is not there; what is known of it stays", remedy)
        elif not os.access(path, os.R_OK | os.X_OK):
            yield error("roots", f"{shown} cannot be read", "give yourself the right to read it")
        elif _is_empty(path):
            remedy = "mount its drive; if its sounds are gone for good: audiosearch roots remove"
            yield warning("roots", f"{shown} is empty; what is known of it stays", remedy)
        else:
            yield Finding("roots", shown)


def files_in_trouble(config: Config) -> Iterator[Finding]:
    """How many files wait, failed or are gone."""
    if not _readable(config):
        return
    counts = dict(_rows(config, "SELECT state, count(*) FROM sound_file GROUP BY state"))
    told = ", ".join(f"{counts[state]} {state}" for state in _STATES if state in counts)
    yield Finding("files", told or "none yet")
    if counts.get("pending"):
        detail = f"{counted(counts['pending'], 'file')} not listened to yet"
        yield warning("files", detail, "audiosearch index, or let audiosearch watch do it")
    if counts.get("failed"):
        detail = f"{counted(counts['failed'], 'file')} could not be read"
        yield warning("files", detail, "audiosearch failed tells which, why and what to do")
    some = _rows(
        config,
        "SELECT root.path, file.path FROM sound_file AS file"
        " JOIN library_root AS root ON root.id = file.root_id"
        " WHERE file.state = 'indexed' LIMIT 50",
    )
    refused = [join(*row) for row in some if not os.access(join(*row), os.R_OK)]
    there = [path for path in refused if os.path.lexists(path)]
    if there:
        shown = display_path(there[0])
        yield warning(
            "files", f"{shown} can no longer be read", "give yourself the right to read it"
        )


def _is_empty(folder: bytes) -> bool:
    with os.scandir(folder) as entries:  # closed: a server that stays must not collect them
        return next(entries, None) is None


def _readable(config: Config) -> bool:
    """Whether there is a library whose rows this version understands; else `database` tells."""
    if config.store.url:
        from audiosearch.store.postgresql.report import server_report  # noqa: PLC0415

        return server_report(config.store.url).revision in known_revisions(migrations_path())
    if not config.database.exists():
        return False
    try:
        revision, _ = sqlite.read_schema(config.database)
    except sqlite3.Error:
        return False
    return revision in known_revisions(migrations_path())


def _rows(config: Config, query: str) -> list[tuple[Any, ...]]:
    if config.store.url:
        from audiosearch.store.postgresql.report import server_rows  # noqa: PLC0415

        return server_rows(config.store.url, query)
    path = config.database
    with sqlite.translated(path), closing(sqlite.connect(path, read_only=True)) as connection:
        return connection.execute(query).fetchall()
