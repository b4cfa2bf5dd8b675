"""Which revisions of the schema this program knows, read off the names of the migrations.

A migration is a file `migrations/versions/NNNN_what.py` with `revision = "NNNN"`; they form one
line, so the names alone say what the newest is. Commands that find the database up to date, which
is nearly all of them, then never load Alembic.
"""

from __future__ import annotations

import re
from pathlib import Path

from audiosearch.errors import StoreError

_NAME = re.compile(r"(\d{4})_\w+\.py")


def known_revisions(scripts: Path) -> list[str]:
    """Revisions in `scripts` (the migrations folder), oldest first.

    Raises:
        StoreError: the folder holds none, so the installation is broken.
    """
    try:
        names = sorted(entry.name for entry in (scripts / "versions").iterdir())
    except OSError:
        names = []
    revisions = [match[1] for name in names if (match := _NAME.fullmatch(name))]
    if not revisions:
        raise StoreError(
            "the program's database migrations are missing",
            path=scripts,
            remedy="install audiosearch again",
        )
    return revisions
