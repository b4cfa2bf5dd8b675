"""`audiosearch migrate-store`: the library copied to a PostgreSQL server."""

from __future__ import annotations

from dataclasses import asdict, replace

import click

from audiosearch._wording import counted
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark
from audiosearch.config import Config
from audiosearch.errors import StoreError
from audiosearch.store.database import open_database


@click.command("migrate-store")
@click.argument("url")
@json_option
@library_options
def migrate_store(url: str, as_json: bool, config: Config, quiet: bool) -> None:
    """Copy the library to a PostgreSQL server, into the empty database that URL names.

    URL is such as postgresql+psycopg://USER@HOST/DATABASE; the password is taken from PGPASSWORD or
    ~/.pgpass. The server needs pgvector. Every table is compared with the library's by its number
    of rows and a hash of them. Broken off, the same command goes on where it stopped; the library
    itself stays as it is. To use the copy, set `url` below [store] in the settings.
    """
    if config.store.url:
        raise StoreError(
            "the library is on a server already",
            path=config.config_file,
            remedy="take [store] url out to copy the one in the data folder",
        )
    if not config.database.exists():
        raise StoreError(
            "there is no library yet",
            path=config.database,
            remedy="set [store] url and make one there with: audiosearch index FOLDER",
        )
    from audiosearch.store.postgresql.copying import copy_library  # noqa: PLC0415

    told: dict[str, int] = {}

    def tell(table: str, n_done: int, n_rows: int) -> None:
        share = 100 if n_rows == 0 else 100 * n_done // n_rows
        if n_rows and (n_done == n_rows or share >= told.get(table, -10) + 10):
            told[table] = share
            remark(f"{table}: {n_done} of {counted(n_rows, 'row')}", quiet=quiet)

    with (
        open_database(config.database) as source,
        open_database(config.database, store=replace(config.store, url=url)) as target,
    ):
        copied = copy_library(source, target, tell=tell)
        shown = target.shown
    n_rows = sum(each.n_rows for each in copied)
    if as_json:
        print_json({"rows": n_rows, "tables": [asdict(each) for each in copied]})
    remark(
        f"{counted(n_rows, 'row')} in {counted(len(copied), 'table')} are the same in {shown};"
        " to use it, set url below [store] in the settings",
        quiet=quiet,
    )
