"""The sound files on the disk: listed in the order of their paths, without being held."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from audiosearch._urls import is_url
from audiosearch.indexing.passed_over import Exclusions, PassedOverTally, is_system_folder
from audiosearch.store.queries.files import FileStat
from audiosearch.store.queries.places import SEPARATOR, join, path_inside

# What the demuxers that are allowed (`audio.container.DEMUXERS`) read and people have, films too,
# whose sound is heard. Left out are playlists, which name other files, and endings that mostly mean
# something else (`.dat`, `.act`, `.vpk`).
AUDIO_EXTENSIONS: Final = frozenset(
    {
        # samples as they are
        *(
            b"wav",
            b"wave",
            b"bwf",
            b"rf64",
            b"bw64",
            b"w64",
            b"amb",
            b"aif",
            b"aiff",
            b"aifc",
            b"aiffc",
            b"cdda",
        ),
        *(b"caf", b"au", b"snd", b"voc", b"8svx", b"svx", b"16sv", b"iff", b"sph", b"nist"),
        *(b"ircam", b"sf", b"avr", b"paf", b"fap", b"pvf", b"sox", b"sds", b"wve", b"rso"),
        # without loss
        *(b"flac", b"alac", b"ape", b"wv", b"tta", b"tak", b"shn", b"dsf", b"dff", b"wsd"),
        *(b"osq", b"rka", b"bonk", b"mlp", b"thd", b"truehd"),
        # music and radio
        *(b"mp3", b"mp2", b"mp1", b"mpa", b"m1a", b"m2a", b"mpga", b"aac", b"adts", b"loas"),
        *(b"latm", b"ogg", b"oga", b"opus", b"spx", b"weba", b"wma", b"mpc", b"mp+", b"vqf"),
        *(b"ra", b"ac3", b"eac3", b"ec3", b"ac4", b"dts", b"dtshd", b"oma", b"aa3", b"iamf"),
        # the family of MP4
        *(b"m4a", b"m4b", b"m4p", b"m4r", b"mp4", b"m4v", b"f4a", b"f4b", b"f4v", b"mov", b"qt"),
        *(b"qta", b"3gp", b"3gpp", b"3g2", b"3gp2", b"3ga", b"aax", b"aa"),
        # telephones and dictation
        *(b"amr", b"awb", b"qcp", b"dss", b"mmf", b"lc3"),
        # films
        *(b"mka", b"mkv", b"mk3d", b"webm", b"ogv", b"ogm", b"ogx", b"avi", b"divx", b"asf"),
        *(b"wmv", b"wtv", b"flv", b"mpg", b"mpeg", b"vob", b"ts", b"mts", b"m2ts", b"m2t"),
        *(b"mxf", b"gxf", b"dv", b"rm", b"rmvb", b"nut", b"nuv", b"nsv"),
        # games
        *(b"fsb", b"adx", b"hca", b"ast", b"brstm", b"bfstm", b"bcstm", b"xwma", b"msf"),
    }
)

# Programmers name TypeScript so, by the ten thousand: these are looked into before they count.
SHARED: Final = (b".ts", b".mts")
_SYNC: Final = b"\x47"  # begins each packet of a transport stream
_PACKET: Final = 188  # bytes; with a time code of four before it, 192
HEAD_BYTES: Final = 2 * _PACKET  # that tell


def has_audio_extension(name: bytes) -> bool:
    """Whether a name ends like a sound file's."""
    _, dot, extension = name.rpartition(b".")
    return bool(dot) and extension.lower() in AUDIO_EXTENSIONS


def is_named_alike(path: bytes) -> bool:
    """Whether a regular file only shares its ending with sound files: TypeScript named `.ts`.

    Only files of such an ending are opened. One that cannot be is no such file: why it cannot be
    read is told when it is to be heard.
    """
    if not path.lower().endswith(SHARED):
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # bytes
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    return begins_alike(head)


def begins_alike(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` of a file that is named like a film are those of no film."""
    return not any(
        head[start : start + 1] == head[start + length : start + length + 1] == _SYNC
        for start, length in ((0, _PACKET), (4, _PACKET + 4))
    )


@dataclass(frozen=True)
class Problem:
    """A folder or file that could not be looked at: an absolute path and the reason."""

    path: bytes
    reason: str


def is_absent_or_empty(folder: bytes) -> bool:
    """Whether a folder is not there, cannot be listed, or has nothing in it.

    So looks an unmounted drive, or a store that cannot be reached: nothing may be concluded about
    its files.
    """
    if is_url(folder):
        from audiosearch.remote.fetched_files import is_absent_remotely  # noqa: PLC0415 - URLs alone

        return is_absent_remotely(folder)
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except NotADirectoryError:
        return False
    except OSError:
        return True


def is_gone(path: bytes) -> bool:
    """Whether there is no such path; one that cannot be looked at may well be there."""
    if is_url(path):
        from audiosearch.remote.fetched_files import is_gone_remotely  # noqa: PLC0415 - URLs alone

        return is_gone_remotely(path)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


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
    tally: PassedOverTally | None = None,
    own: bytes | None = None,
) -> Iterator[FileStat]:
    """Sound files under `root`, in ascending order of their relative paths' bytes.

    Regular files with a known ending only, so a FIFO or a device is never opened. Each folder is
    entered once, however many links lead to it.

    Args:
        root: an absolute path.
        under: only this folder or file of it; nothing where that is passed over.
        follow_symlinks: whether links to files and folders count.
        exclude: patterns of names that are passed over, files and folders alike.
        on_problem: told of what cannot be looked at; the walk goes on.
        tally: told of files that hold no sound, and of links that are not followed.
        own: the library's own folder (an absolute path), whose files are not told to `tally`.
    """
    exclusions = Exclusions(exclude)
    if exclusions.excludes_path(under):
        return
    look = _Look(exclusions, follow_symlinks, on_problem, tally)
    quiet = _Look(exclusions, follow_symlinks, on_problem, None)
    entered: set[tuple[int, int]] = set()
    start = join(root, under) if under else root
    if under and os.path.isfile(start):  # noqa: PTH113 - paths are bytes
        yield from _single(start, under, look)
        return
    stack = [_Entry(b"", under, None)]
    while stack:
        _, path, entry = stack.pop()
        if entry is not None:
            found = _stat(entry, path, look)
            if found is not None:
                yield found
            continue
        folder = join(root, path) if path else root
        try:
            if follow_symlinks and not _first_visit(folder, entered):
                continue
            is_own = own is not None and path_inside(folder, own) is not None
            listed = _list(folder, path, quiet if is_own else look)
        except FileNotFoundError:
            continue  # removed since it was listed
        except OSError as error:
            on_problem(Problem(folder, error.strerror or str(error)))
            continue
        stack.extend(sorted(listed, key=lambda each: each.key, reverse=True))


class _Look(NamedTuple):
    """How a walk looks at what it meets; see the arguments of `walk`."""

    exclusions: Exclusions
    follow_symlinks: bool
    on_problem: Callable[[Problem], None]
    tally: PassedOverTally | None


def _first_visit(folder: bytes, entered: set[tuple[int, int]]) -> bool:
    """Whether a folder has not been entered yet, under this or another name."""
    facts = os.stat(folder)  # noqa: PTH116 - paths are bytes
    identity = (facts.st_dev, facts.st_ino)
    if identity in entered:
        return False
    entered.add(identity)
    return True


def _list(folder: bytes, path: bytes, look: _Look) -> list[_Entry]:
    """The subfolders and sound files of a folder."""
    listed: list[_Entry] = []
    exclusions, tally = look.exclusions, look.tally
    with os.scandir(folder) as entries:
        for entry in entries:
            if exclusions.excludes(entry.name):
                continue
            try:
                is_folder = entry.is_dir(follow_symlinks=look.follow_symlinks)
            except OSError as error:  # a link in a circle of links
                look.on_problem(Problem(entry.path, error.strerror or str(error)))
                continue
            if is_folder:
                if not is_system_folder(entry.name):
                    inner = join(path, entry.name) if path else entry.name
                    listed.append(_Entry(entry.name + SEPARATOR, inner, None))
            elif has_audio_extension(entry.name):
                inner = join(path, entry.name) if path else entry.name
                listed.append(_Entry(entry.name, inner, entry))
            elif tally is not None:
                tally.count(entry)
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


def _stat(entry: os.DirEntry[bytes], path: bytes, look: _Look) -> FileStat | None:
    """A regular file's facts; None for anything else, and for one that is gone by now."""
    try:
        if not entry.is_file(follow_symlinks=look.follow_symlinks):
            if look.tally is not None and entry.is_symlink():
                look.tally.count_link(entry, holds_sound=True)
            return None
        facts = entry.stat(follow_symlinks=look.follow_symlinks)
    except FileNotFoundError:
        return None
    except OSError as error:
        look.on_problem(Problem(entry.path, error.strerror or str(error)))
        return None
    return None if _alike(entry.path, look) else _found(path, facts)


def _alike(file: bytes, look: _Look) -> bool:
    """Whether a file is none of ours but for its ending."""
    alike = is_named_alike(file)
    if alike and look.tally is not None:
        look.tally.count_alike(os.path.basename(file))  # noqa: PTH119 - paths are bytes
    return alike


def _single(file: bytes, path: bytes, look: _Look) -> Iterator[FileStat]:
    try:
        facts = os.stat(file)  # noqa: PTH116 - paths are bytes
    except OSError as error:
        look.on_problem(Problem(file, error.strerror or str(error)))
        return
    if not _alike(file, look):
        yield _found(path, facts)


def _found(path: bytes, facts: os.stat_result) -> FileStat:
    return FileStat(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def is_relevant(path: bytes, *, root: bytes, exclusions: Exclusions) -> bool:
    """Whether something at this path can change what is known of a root."""
    inside = path_inside(path, root)
    if inside is None or exclusions.excludes_path(inside):
        return False
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return True  # it may have been a folder
    return stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and has_audio_extension(path))
