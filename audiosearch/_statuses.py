"""Exit statuses: 0 is success; 1 says that nothing was found, or that something is amiss."""

from __future__ import annotations

from typing import Final

EXIT_NOTHING: Final = 1
EXIT_BROKEN: Final = 1
EXIT_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 130  # as of a process that SIGINT ended
