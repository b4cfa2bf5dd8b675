"""What a command and the process that answers say to each other, as frozen values.

These classes, and those that they hold, are the protocol: whoever changes one counts `PROTOCOL` up,
unless the version of the program changes with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from audiosearch.audio.clip import ClipRange
from audiosearch.config import IndexConfig, ModelConfig, SearchConfig
from audiosearch.search.filters import Filters
from audiosearch.search.results import Description, FindResult, Hit, TextQuery

#   command: Hello                               server: Welcome | Refusal
#   (without Unix sockets) Proof
#   command: FindQuestion, SimilarQuestion ...   server: Wait*, Hits* | Descriptions*, end | Refusal
# One connection takes questions one after the other.
PROTOCOL: Final = 4


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The first word of a command.

    Attributes:
        version: of the program; others are refused, since their answers may differ.
        library: the data folder, links resolved.
        challenge: random; who knows the token can prove it on this.
    """

    protocol: int
    version: str
    library: str
    challenge: str


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The server will listen; `proof` of the token, `challenge` for the command in turn."""

    pid: int
    proof: str
    challenge: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    """That the command knows the token; only where no file system guards the connection."""

    proof: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The command has to do it itself, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that a question is to be answered with."""

    model: ModelConfig
    index: IndexConfig
    search: SearchConfig


@dataclass(frozen=True, kw_only=True)
class FileSeen:
    """A file as the command sees it: a server that sees another under its path must not answer."""

    inode: int
    size: int
    mtime_ns: int


def see(path: bytes) -> FileSeen | None:
    """A file as this process sees it; None where it sees none."""
    try:
        status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
    except OSError:
        return None
    return FileSeen(inode=status.st_ino, size=status.st_size, mtime_ns=status.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class FindQuestion:
    """Sounds for words; folders of the filters are absolute, as are paths of sounds.

    Attributes:
        seen: the files of `query.like`, in their order.
    """

    settings: Settings
    query: TextQuery
    seen: tuple[FileSeen, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SimilarQuestion:
    """Sounds for sounds; the clips' paths are absolute, as are the folders."""

    settings: Settings
    clips: tuple[ClipRange, ...]
    seen: tuple[FileSeen, ...]  # of the clips, in their order
    include_self: bool
    filters: Filters
    limit: int | None
    min_similarity: float | None
    sort: str | None
    reverse: bool


@dataclass(frozen=True, kw_only=True)
class DescribeQuestion:
    """Captions for a sound; the clip's path is absolute."""

    settings: Settings
    clip: ClipRange
    seen: FileSeen
    limit: int
    normalise: str | None
    explain: bool


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Still at work, sent every `after_s`; `begun` is false while other questions come first."""

    begun: bool
    after_s: float


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Some hits, in order."""

    rows: tuple[Hit, ...]


@dataclass(frozen=True, kw_only=True)
class Descriptions:
    """Some described windows, in order."""

    rows: tuple[Description, ...]


@dataclass(frozen=True, kw_only=True)
class FoundEnd:
    """The rest of an answer with hits.

    Attributes:
        result: without the hits that came before.
        device: what the model runs on, in a word.
        remarks: what the command would have warned of.
    """

    result: FindResult
    device: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DescribeEnd:
    """All windows are described."""

    remarks: tuple[str, ...]


Question = FindQuestion | SimilarQuestion | DescribeQuestion
