"""What a command and the process that answers say to each other, as frozen values.

These classes, and those that they hold, are the protocol: whoever changes one counts `PROTOCOL` up,
unless the version of the program changes with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from audiosearch.audio.clip import ClipRange, absolute
from audiosearch.config import Config, IndexConfig, ModelConfig, SearchConfig, UserConfig
from audiosearch.search.filters import Filters
from audiosearch.search.results import Description, FindResult, Hit, TextQuery

# POST /commands/answer takes a question and is answered by lines: Wait*, Hits* | Descriptions*,
# then the end, or a Refusal. GET /commands/greeting is for where a token has to be proved.
PROTOCOL: Final = 7
ANSWER_PATH: Final = "/commands/answer"
GREETING_PATH: Final = "/commands/greeting"
# Headers of a command; a server of another version or library refuses.
VERSION_HEADER: Final = "Audiosearch-Version"
LIBRARY_HEADER: Final = "Audiosearch-Library"
CHALLENGE_HEADER: Final = "Audiosearch-Challenge"
PROOF_SCHEME: Final = "Proof"  # of `Authorization`


def version_line(version: str) -> str:
    """What both sides must be of, as a header has it."""
    return f"{PROTOCOL}/{version}"


def library_line(data_dir: Path) -> str:
    """The library that both sides must mean, links resolved, as a header can hold it."""
    return os.fsencode(os.path.realpath(data_dir)).hex()


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The server will listen; `proof` of the token, `challenge` for the command in turn."""

    pid: int
    proof: str
    challenge: str


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
    user: UserConfig = field(default_factory=UserConfig)

    @classmethod
    def of(cls, config: Config) -> Settings:
        """What of the settings an answer may depend on; the rest is the same for everybody."""
        bundle = config.model.bundle
        if len(Path(bundle).parts) > 1 or bundle in (".", ".."):  # a folder, not a name
            bundle = os.fsdecode(absolute(bundle))
        index = IndexConfig(
            hop=config.index.hop,
            worker_memory_mb=config.index.worker_memory_mb,
            worker_stall_s=config.index.worker_stall_s,
        )
        return cls(
            model=replace(config.model, bundle=bundle),
            index=index,
            search=config.search,
            user=config.user,
        )


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
