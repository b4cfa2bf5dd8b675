"""What indexing passes over: systems' own folders, excluded names, files that hold no sound.

Recycle bins, snapshots and the like hold what a person has thrown away, or everything once more,
under names that come and go. They are known by these names, on whatever system they are met, and
never looked into. Files without sound are counted by their endings, for people.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from audiosearch.store.queries.places import SEPARATOR

# In lower case: no system means another folder by `#Recycle` than by `#recycle`.
_SYSTEM_FOLDERS: Final = frozenset(
    {
        # Windows
        *(b"$recycle.bin", b"recycler", b"system volume information"),
        # macOS
        *(b".trash", b".trashes", b".spotlight-v100", b".fseventsd", b".temporaryitems"),
        *(b".documentrevisions-v100", b".mobilebackups", b"network trash folder", b"__macosx"),
        # Linux
        *(b"lost+found", b".snapshots", b".zfs", b".timeshift"),
        # network storage: Synology, QNAP, NetApp, others
        *(b"#recycle", b"#snapshot", b"@eadir", b"@tmp", b"@sharebin", b"@sharesnap"),
        *(b"@recycle", b"@recently-snapshot", b".@__thumb", b".snapshot", b"~snapshot"),
        *(b".recycle", b".recycle.bin", b"network recycle bin"),
        # programs that keep old versions
        *(b".stversions", b".stfolder", b"files_trashbin", b"files_versions", b".dropbox.cache"),
    }
)
_NUMBERED: Final = re.compile(
    rb"found\.\d{3}|\.trash-\d+|@gmt-\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d"  # chkdsk, Linux, Samba
)
# Files that systems put everywhere: nobody misses them.
_CLUTTER: Final = frozenset({b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"icon\r"})
_ENDING: Final = re.compile(rb"[A-Za-z0-9_+~-]{1,12}")
_MANY: Final = 1000  # endings that are told apart


def is_system_folder(name: bytes) -> bool:
    """Whether a folder of this name is a recycle bin, a snapshot or the like."""
    lower = name.lower()
    return lower in _SYSTEM_FOLDERS or _NUMBERED.fullmatch(lower) is not None


class Exclusions:
    """Names that are never looked at: those that settings exclude, and systems' own folders."""

    def __init__(self, exclude: Sequence[str]) -> None:
        self._pattern = re.compile("|".join(fnmatch.translate(each) for each in exclude) or r"(?!)")

    def excludes(self, name: bytes) -> bool:
        """Whether the settings exclude a file or folder of this name."""
        return self._pattern.fullmatch(os.fsdecode(name)) is not None

    def excludes_folder(self, name: bytes) -> bool:
        """Whether a folder of this name is not entered."""
        return is_system_folder(name) or self.excludes(name)

    def excludes_path(self, path: bytes) -> bool:
        """Whether a path below a root lies in, or is, something that is passed over.

        The root itself does not count: a folder that a person names is meant, whatever its name.
        """
        parts = path.replace(b"/", SEPARATOR).split(SEPARATOR)  # "/" is that of URLs everywhere
        return any(self.excludes_folder(name) for name in parts if name)


@dataclass(frozen=True)
class PassedOver:
    """Files that were seen and not listened to; what is excluded or hidden is no part of it.

    Attributes:
        endings: how many by ending, in lower case with its dot; "" for names without one.
        n_other: files of further endings, where there are too many to tell apart.
        n_linked_files: symbolic links to sound files, where links are not followed.
        n_linked_folders: the same to folders.
    """

    endings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    n_other: int = 0
    n_linked_files: int = 0
    n_linked_folders: int = 0

    @property
    def n_files(self) -> int:
        """All files, links to files among them."""
        return sum(self.endings.values()) + self.n_other + self.n_linked_files


NOTHING: Final = PassedOver()


class PassedOverTally:
    """Counts what a walk passes over, in bounded memory."""

    def __init__(self) -> None:
        self._endings: Counter[str] = Counter()
        self._n_other = self._n_linked_files = self._n_linked_folders = 0

    def count(self, entry: os.DirEntry[bytes]) -> None:
        """Something in a folder that is neither a sound file nor a folder to enter."""
        if entry.is_symlink():
            self.count_link(entry, holds_sound=False)
        else:
            self._count_name(entry.name)

    def count_link(self, entry: os.DirEntry[bytes], *, holds_sound: bool) -> None:
        """A symbolic link that is not followed; one that leads nowhere does not count."""
        try:
            if entry.is_dir():
                self._n_linked_folders += 1
            elif not entry.is_file():
                return
            elif holds_sound:
                self._n_linked_files += 1
            else:
                self._count_name(entry.name)
        except OSError:  # a circle of links
            return

    def _count_name(self, name: bytes) -> None:
        if name.lower() in _CLUTTER:
            return
        ending = ending_of(name)
        if ending in self._endings or len(self._endings) < _MANY:
            self._endings[ending] += 1
        else:
            self._n_other += 1

    def count_alike(self, name: bytes) -> None:
        """A file that only shares its ending with sound files."""
        self._count_name(name)

    def total(self) -> PassedOver:
        """What was counted so far."""
        return PassedOver(
            endings=MappingProxyType(dict(self._endings)),
            n_other=self._n_other,
            n_linked_files=self._n_linked_files,
            n_linked_folders=self._n_linked_folders,
        )


def ending_of(name: bytes) -> str:
    """A name's ending in lower case with its dot; "" where what follows a dot is none."""
    stem, _, tail = name.rpartition(b".")
    if not stem or _ENDING.fullmatch(tail) is None:
        return ""
    return "." + tail.lower().decode("ascii")


def add_up(parts: Iterable[PassedOver]) -> PassedOver:
    """What several walks passed over."""
    endings: Counter[str] = Counter()
    n_other = n_linked_files = n_linked_folders = 0
    for part in parts:
        endings.update(part.endings)
        n_other += part.n_other
        n_linked_files += part.n_linked_files
        n_linked_folders += part.n_linked_folders
    return PassedOver(
        endings=MappingProxyType(dict(endings)),
        n_other=n_other,
        n_linked_files=n_linked_files,
        n_linked_folders=n_linked_folders,
    )
