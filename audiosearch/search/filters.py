"""Which recordings may answer a query, as the person who asks puts it.

`scope` finds out what they mean in a library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Filters:
    """All that is given must hold.

    Attributes:
        folders: below one of these (relative ones to the working directory), or the file itself.
        min_duration_s, max_duration_s: length of the recording, both included.
        since: Unix seconds; files modified at or after.
        tags: the recording has all of these, in any case.
        formats: one of these: a suffix (wav), container or codec.
        names: a file's name is one of these: a glob (`*.wav`, or with "/" for the whole path), or
            words that are all in the name or its folders.
    """

    folders: tuple[Path, ...] = ()
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    since: float | None = None
    tags: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse one text where several are meant: its letters would be taken for them.

        Raises:
            TypeError: so it is.
        """
        for name in ("folders", "tags", "formats", "names"):
            given = getattr(self, name)
            if isinstance(given, (str, bytes, Path)):
                raise TypeError(f"{name} takes several: ({given!r},), not {given!r}")
