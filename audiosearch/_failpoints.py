"""Named places where a test can kill this process, to prove that nothing is lost there.

`AUDIOSEARCH_FAULT=name` makes the process kill itself (SIGKILL: no cleanup, as a power cut or the
kernel's out-of-memory killer would) at the first passage through that place;
`AUDIOSEARCH_FAULT=name:n` at the n-th. Without the variable a passage costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NoReturn

VARIABLE: Final = "AUDIOSEARCH_FAULT"

# Every place there is: first those of a first run of `index`, in their order.
POINTS: Final = (
    "migrate.backup",  # before the backup takes its final name
    "migrate.statement",  # before each SQL statement of a migration
    "migrate.commit",  # all statements ran, not committed
    "migrate.done",  # committed
    "scan.commit",  # found files written, not committed
    "scan.done",  # committed
    "batch.encode",  # a batch is full, not encoded
    "batch.caption",  # encoded, not captioned
    "batch.store",  # encoded and captioned, nothing written
    "batch.windows",  # windows written, files and captions not
    "batch.commit",  # all written, not committed
    "batch.done",  # committed
    "missing.commit",  # vanished files marked, not committed
    "scale.measure",  # some windows heard, nothing written
    "scale.commit",  # scales written, not committed
    "scale.done",  # committed
    "captions.commit",  # captions of people written or removed, not committed
    "captions.done",  # committed
    "repair.commit",  # a damaged library is put right, not committed
    "vectors.replace",  # a matrix is written, not yet under its name
    # Every writing transaction of every command, whatever it writes: by their number.
    "transaction.commit",
    "transaction.done",
)

_name = ""
_passages_left = 0


def arm(setting: str) -> None:
    """Set what the environment variable sets; empty: no fault."""
    global _name, _passages_left  # noqa: PLW0603 - one countdown a process is the point
    _name, _, count = setting.partition(":")
    _passages_left = int(count) if count.isdigit() else 1


def failpoint(point: str) -> None:
    """Pass through `point`: does nothing unless the environment names it."""
    global _passages_left  # noqa: PLW0603
    if point != _name:
        return
    _passages_left -= 1
    if _passages_left == 0:
        die()


def die() -> NoReturn:
    """End this process at once, running no handler."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)


arm(os.environ.get(VARIABLE, ""))
