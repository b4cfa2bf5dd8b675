"""What the driver and its workers say to each other, and what the driver asks of an engine.

The engine comes in as a protocol, so that all that may go wrong is tested without a cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from audiosearch.config import IndexConfig
from audiosearch.indexing.claims import ReadingDecision
from audiosearch.store.queries.pending import PendingFile

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile


class SessionLost(Exception):
    """A worker that was started anew knows nothing of what was begun."""


class WorkerDied(Exception):
    """A worker, its node or what it had made is gone; says how."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker needs to know for a run.

    Attributes:
        version: of this program, which must be the same everywhere.
        bundle_path: where the model stands on the driver; perhaps on the worker too.
        fingerprint: of the model, which must be the same everywhere.
        task: captioning style, as the settings name it.
        device: auto, cpu or cuda.
        cores: how many processors are the worker's: decoding processes, and threads of the model.
        config: batch size, captions and limits of decoding processes.
        hop_s: between windows.
        roots: absolute paths of the folders that it must see.
        exact: whether all is computed in float32.
    """

    version: str
    bundle_path: str
    fingerprint: str
    task: str
    device: str
    cores: int
    config: IndexConfig
    hop_s: float
    roots: tuple[bytes, ...]
    exact: bool = False


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker says of itself when a session begins; without `session`, it cannot work yet.

    Attributes:
        session: names the session in all calls that follow.
        version: of this program, there.
        lacks_model: it needs the files of the model sent.
        unseen: roots that are not there, or empty, on that machine.
        n_readers: how many files it reads at a time.
    """

    session: str | None
    version: str
    lacks_model: bool = False
    unseen: tuple[bytes, ...] = ()
    n_readers: int = 0


@dataclass(frozen=True)
class SoundQuestion:
    """A file that a worker has opened, and that waits for a decision."""

    file: PendingFile
    opened: OpenedFile


@dataclass(frozen=True)
class WorkerOrders:
    """Further files, decisions by file id, and whether more files may follow."""

    files: Sequence[PendingFile]
    decisions: Mapping[int, ReadingDecision]
    more: bool


@dataclass(frozen=True)
class WorkerQuestions:
    """What a worker wants decided, and how many files it has taken up since the session began."""

    questions: Sequence[SoundQuestion]
    n_taken: int


@dataclass(frozen=True)
class WorkerSpot:
    """Where a worker can be: part of a machine, with an accelerator or only processors."""

    node_id: str
    node_name: str
    number: int  # of several on one machine
    cores: int
    n_accelerators: int  # 0 or 1


class Engine(Protocol):
    """What runs workers; calls of one worker may run at the same time."""

    def spots(self) -> Sequence[WorkerSpot]:
        """Where workers can be, at this moment."""

    def hire(self, spot: WorkerSpot) -> Any:
        """Start a worker, and start it anew whenever its process dies."""

    def dismiss(self, worker: Any) -> None:
        """End a worker; harmless when it is gone."""

    def share(self, content: object) -> Any:
        """Something large that several calls are given."""

    def call(self, worker: Any, method: str, *arguments: object) -> Hashable:
        """Begin a call of a method of `HearingWorker`."""

    def finished(self, calls: Sequence[Hashable], *, timeout_s: float) -> Sequence[Hashable]:
        """Those of the calls that have ended, as soon as there is one, or none in time."""

    def result(self, call: Hashable) -> Any:
        """What a call that has ended gave.

        Raises:
            WorkerDied: the worker is gone, or another one since the session began.
            AudiosearchError: it raised that, or something that nobody foresaw.
        """

    def close(self) -> None:
        """End all workers."""
