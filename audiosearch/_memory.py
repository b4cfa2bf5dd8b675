"""What the C library does with memory that is freed; elsewhere than on Linux nothing is changed."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

# Numbers of `mallopt`, of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 20  # bytes; what is smaller is made and freed so often that new pages cost time
_SPARE = 4 << 20  # bytes kept for what comes next at the end of each heap


def give_memory_back() -> None:
    """Hand freed memory to the system: the C library of Linux keeps it for itself otherwise."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such function
            ctypes.CDLL(None).malloc_trim(0)


def free_at_once() -> None:
    """Hand large blocks to the system as they are freed, from now on.

    By itself the C library keeps blocks as large as any that was freed before, up to 32 MB: one
    large file read at the start, and nothing that is freed later leaves the process.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # as above
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_THRESHOLD, _LARGE)
            library.mallopt(_TRIM_THRESHOLD, _SPARE)
