"""Rows that SQLite gives without complaint, and that hold what the program never writes."""

from __future__ import annotations

from os import PathLike

from audiosearch.errors import LibraryCorrupt


class DamagedRow(ValueError):
    """The bytes of a row are not those of what it should hold; says which."""


def library_corrupt(damage: DamagedRow, path: str | PathLike[str]) -> LibraryCorrupt:
    """What it is to those who asked the library at `path`."""
    return LibraryCorrupt(
        f"the library's database holds damaged rows: {damage}",
        path=path,
        remedy="audiosearch verify --repair",
    )
