"""The sound files on the disk: listed in order, without being held.

`walk` lists what lies under a folder in the order of its paths' bytes, which is what `scan.changes`
compares. It opens no file, and passes over whatever is not a regular one with the ending of a sound
file.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from audiosearch.store.queries.files import Found
from audiosearch.store.queries.places import SEPARATOR, join

# Endings that FFmpeg reads sound from. Playlists are not among them: they name other files.
AUDIO_EXTENSIONS: Final = frozenset(
    {
        *(
            b"wav",
            b"wave",
            b"bwf",
            b"rf64",
            b"w64",
            b"aif",
            b"aiff",
            b"aifc",
            b"caf",
            b"au",
            b"snd",
        ),
        *(b"flac", b"alac", b"ape", b"wv", b"tta", b"tak", b"shn", b"dsf", b"dff"),
        *(b"mp3", b"mp2", b"mpa", b"m4a", b"m4b", b"aac", b"ogg", b"oga", b"opus", b"spx"),
        *(b"wma", b"ac3", b"eac3", b"dts", b"amr", b"mka", b"weba", b"mpc", b"voc", b"ra"),
    }
)


@dataclass(frozen=True)
class Problem:
    """A folder or file that could not be looked at: an absolute path and the reason."""

    path: bytes
    reason: str


def is_absent_or_empty(folder: bytes) -> bool:
    """Whether a folder is not there, cannot be listed, or has nothing in it.

    So looks an unmounted drive: nothing may be concluded about its files.
    """
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except NotADirectoryError:
        return False
    except OSError:
        return True


class _Entry(NamedTuple):
    """Something in a folder; `key` sorts folders as their contents' paths will sort."""

    key: bytes
    path: bytes  # relative to the root
    entry: os.DirEntry[bytes] | None  # None: a folder to enter, already looked at


def walk(
    root: bytes,
    *,
    under: bytes = b"",
    follow_symlinks: bool = False,
    exclude: Sequence[str] = (),
    on_problem: Callable[[Problem], None],
) -> Iterator[Found]:
    """Sound files under `root`, in ascending order of their relative paths' bytes.

    Regular files with a known ending only, so a FIFO or a device is never opened. Each folder is
    entered once, however many links lead to it.

    Args:
        root: an absolute path.
        under: only this folder or file of it.
        follow_symlinks: whether links to files and folders count.
        exclude: patterns of names that are passed over, files and folders alike.
        on_problem: told of what cannot be looked at; the walk goes on.
    """
    excluded = excluded_names(exclude)
    entered: set[tuple[int, int]] = set()
    start = join(root, under) if under else root
    if under and os.path.isfile(start):  # noqa: PTH113 - paths are bytes
        yield from _single(start, under, on_problem=on_problem)
        return
    stack = [_Entry(b"", under, None)]
    while stack:
        _, path, entry = stack.pop()
        if entry is not None:
            found = _stat(entry, path, follow_symlinks=follow_symlinks, on_problem=on_problem)
            if found is not None:
                yield found
            continue
        folder = join(root, path) if path else root
        try:
            if follow_symlinks and not _first_visit(folder, entered):
                continue
            listed = _list(
                folder, path, excluded, follow_symlinks=follow_symlinks, on_problem=on_problem
            )
        except FileNotFoundError:
            continue  # removed since it was listed
        except OSError as error:
            on_problem(Problem(folder, error.strerror or str(error)))
            continue
        stack.extend(sorted(listed, key=lambda each: each.key, reverse=True))


def excluded_names(exclude: Sequence[str]) -> re.Pattern[str]:
    """What matches the names that are passed over."""
    return re.compile("|".join(fnmatch.translate(each) for each in exclude) or r"(?!)")


def _first_visit(folder: bytes, entered: set[tuple[int, int]]) -> bool:
    """Whether a folder has not been entered yet, under this or another name."""
    facts = os.stat(folder)  # noqa: PTH116 - paths are bytes
    identity = (facts.st_dev, facts.st_ino)
    if identity in entered:
        return False
    entered.add(identity)
    return True


def _list(
    folder: bytes,
    path: bytes,
    excluded: re.Pattern[str],
    *,
    follow_symlinks: bool,
    on_problem: Callable[[Problem], None],
) -> list[_Entry]:
    """The subfolders and sound files of a folder."""
    listed: list[_Entry] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if excluded.fullmatch(os.fsdecode(entry.name)):
                continue
            inner = join(path, entry.name) if path else entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=follow_symlinks)
            except OSError as error:  # a link in a circle of links
                on_problem(Problem(entry.path, error.strerror or str(error)))
                continue
            if is_folder:
                listed.append(_Entry(entry.name + SEPARATOR, inner, None))
            elif has_audio_extension(entry.name):
                listed.append(_Entry(entry.name, inner, entry))
    return listed


def listed_so(path: bytes) -> bool:
    """Whether its folder lists a path by exactly this name.

    File systems that ignore case find `A.wav` as `a.wav` too, when it was renamed in its case only.
    """
    folder, name = os.path.split(path)
    try:
        if not os.path.samefile(join(folder, name.swapcase()), path):  # noqa: PTH121  # bytes
            return True
    except OSError:  # there is no such name: case matters here
        return True
    with os.scandir(folder) as entries:
        return any(entry.name == name for entry in entries)


def has_audio_extension(name: bytes) -> bool:
    """Whether a name ends like a sound file's."""
    _, dot, extension = name.rpartition(b".")
    return bool(dot) and extension.lower() in AUDIO_EXTENSIONS


def _stat(
    entry: os.DirEntry[bytes],
    path: bytes,
    *,
    follow_symlinks: bool,
    on_problem: Callable[[Problem], None],
) -> Found | None:
    """A regular file's facts; None for anything else, and for one that is gone by now."""
    try:
        if not entry.is_file(follow_symlinks=follow_symlinks):
            return None
        facts = entry.stat(follow_symlinks=follow_symlinks)
    except FileNotFoundError:
        return None
    except OSError as error:
        on_problem(Problem(entry.path, error.strerror or str(error)))
        return None
    return Found(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _single(file: bytes, path: bytes, *, on_problem: Callable[[Problem], None]) -> Iterator[Found]:
    try:
        facts = os.stat(file)  # noqa: PTH116 - paths are bytes
    except OSError as error:
        on_problem(Problem(file, error.strerror or str(error)))
        return
    yield Found(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
