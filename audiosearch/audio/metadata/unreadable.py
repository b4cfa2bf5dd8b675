"""What happens where a chunk or tag cannot be read: it alone is lost, and the log says so."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Unreadable(ValueError):
    """A chunk or tag that makes no sense."""


# What parsing says of bytes that make no sense, and Python where they nest or claim too much. An
# OSError is none of these: then the disk does not give the file.
MALFORMED: tuple[type[Exception], ...] = (
    ValueError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    struct.error,
)
# What mutagen lets through beside its own MutagenError.
FROM_MUTAGEN: tuple[type[Exception], ...] = (
    TypeError,
    AttributeError,
    NotImplementedError,
    AssertionError,
    EOFError,
)


@contextmanager
def reading(what: str, *others: type[Exception], passed_on: bool = False) -> Iterator[None]:
    """Lose only this part of the file where it is malformed: logged, or raised as `Unreadable`.

    `others` are further errors of the same meaning, as a library has its own.
    """
    try:
        yield
    except (*MALFORMED, *others) as error:
        reason = f"{what}: {type(error).__name__}: {error}"[:500]
        if passed_on:
            raise Unreadable(reason) from error
        log.info("cannot read %s", reason)
