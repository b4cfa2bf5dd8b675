"""Where the daemon's log goes: a file in the data folder, kept small, and stderr."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from audiosearch.errors import StorageFull, StoreError

_MAX_BYTES = 2_000_000
_N_OLD = 5


def log_file(data_dir: Path) -> Path:
    """The newest log; older ones end in .1, .2 ..."""
    return data_dir / "logs" / "watch.log"


@contextmanager
def watch_log(data_dir: Path, *, quiet: bool) -> Iterator[None]:
    """Write what this program logs to its file as well; with `quiet`, to stderr errors only.

    Raises:
        StorageFull: there is no room for it.
        StoreError: it cannot be written.
    """
    file = log_file(data_dir)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            file, maxBytes=_MAX_BYTES, backupCount=_N_OLD, encoding="utf-8"
        )
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
        raise kind(error.strerror or str(error), path=file) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("audiosearch")
    before = root.level, ours.level, [(each, each.level) for each in root.handlers]
    for each in root.handlers:
        each.setLevel(logging.ERROR if quiet else logging.INFO)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before[0])
        ours.setLevel(before[1])
        for each, level in before[2]:
            each.setLevel(level)
