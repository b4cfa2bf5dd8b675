"""What indexing asks of its surroundings, what its threads hand over, and what it gives back.

Decoding, the model and the display come in as protocols, so that the pipeline is tested with
small fakes and loads neither FFmpeg nor ONNX. The real ones fit as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from audiosearch._typing import Floats
from audiosearch.indexing.passed_over import NOTHING, PassedOver

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile
    from audiosearch.audio.types import AudioFacts
    from audiosearch.audio.windows import Window
    from audiosearch.indexing.claims import SoundClaims
    from audiosearch.model.captioner import CaptionOut
    from audiosearch.model.encoder import Encoded
    from audiosearch.model.shared_frames import SoundParts
    from audiosearch.store.queries.pending import PendingFile


class SoundReader(Protocol):
    """Opens and decodes one file after another (`audio.sandbox.client.Worker`)."""

    def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
        """Read a file through; raises DecodeError."""

    def blocks(self) -> Iterator[Floats]:
        """Decode it: mono blocks (n,); raises DecodeError."""

    def facts(self) -> AudioFacts:
        """What it turned out to be, once all blocks are taken."""

    def skip(self) -> None:
        """Do not decode it."""

    def close(self) -> None:
        """Stop, also in the middle of a file, also from another thread."""


OpenReader = Callable[[], AbstractContextManager[SoundReader]]


class WindowEncoder(Protocol):
    """Samples to vectors (`model.encoder.Encoder`)."""

    def encode_many(self, waveforms: Sequence[Floats]) -> Sequence[Encoded]:
        """Encode windows (n_i,), each as if it were alone."""

    def encode_parts(self, sounds: Sequence[SoundParts]) -> Sequence[Sequence[Encoded]]:
        """Encode windows of sounds, each sound once."""


class WindowCaptioner(Protocol):
    """Frames to sentences."""

    def captions(self, frames: Sequence[Floats]) -> Sequence[CaptionOut]:
        """A sentence for each window's frames (T_i, D)."""


@dataclass(frozen=True)
class Models:
    """The parts of a bundle that indexing uses."""

    encoder: WindowEncoder
    captioner: WindowCaptioner | None  # None: no captions wanted
    embed_texts: Callable[[Sequence[str]], Floats] | None  # (n, J); None: no joint space


class Progress(Protocol):
    """Where the pipeline says how it goes; called from one thread, often."""

    def start(self, n_files: int) -> None:
        """There are `n_files` to look at."""

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """So far `n_files` are done, `n_failed` of them in vain, with `seconds` of sound heard.

        `under_way` is how much of further files is done, added up: 1.0 is a whole file. `rate` is
        seconds of sound a second over the last moments.
        """

    def warn(self, message: str) -> None:
        """Something the user should know; the work goes on."""


class NoProgress:
    """Says nothing."""

    def start(self, n_files: int) -> None:
        """See `Progress`."""

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """See `Progress`."""

    def warn(self, message: str) -> None:
        """See `Progress`."""


@dataclass(frozen=True)
class DeletionGuard:
    """A place where so much is gone at once that nothing was marked as missing."""

    path: bytes
    n_lost: int
    n_known: int


@dataclass(frozen=True)
class IndexReport:
    """What a run of `index` found and did.

    Attributes:
        n_files: files found on the disk.
        n_new: of these, not known before.
        n_changed: of these, different from last time.
        n_unchanged: of these, as they were.
        n_missing: files newly marked as missing (moved ones included).
        n_failed: files that could not be read in this run.
        n_recognised: files whose sound was known, so that nothing was decoded.
        n_encoded: files that were decoded and encoded.
        n_unsettled: files that kept changing while they were read; tried again next time.
        n_windows: windows encoded.
        n_captioned: windows stored earlier, without captions, that got theirs now.
        sound_s: seconds of sound encoded, overlaps counted once.
        wall_s: seconds the run took.
        stages_s: seconds by stage; `open` and `decode` add up over parallel readers.
        offline: places that were absent or empty, or became so meanwhile, so that nothing was
            concluded about them.
        guarded: places where more than half was gone.
        problems: folders and files that could not be looked at, as texts.
        interrupted: whether it was stopped before all was done; what is committed stays.
        unsettled: absolute paths of files that were being written to, and so left for later.
        recent: absolute paths of files that were to be read and had just been written to.
        passed_over: what was seen in the folders and not listened to.
        n_remarked: files read in this run of which there is something to be said, such as that
            header and file disagree on how much sound there is.
    """

    n_files: int
    n_new: int
    n_changed: int
    n_unchanged: int
    n_missing: int
    n_failed: int
    n_recognised: int
    n_encoded: int
    n_unsettled: int
    n_windows: int
    n_captioned: int
    sound_s: float
    wall_s: float
    stages_s: Mapping[str, float]
    offline: tuple[bytes, ...]
    guarded: tuple[DeletionGuard, ...]
    problems: tuple[str, ...]
    interrupted: bool
    unsettled: tuple[bytes, ...] = ()
    recent: tuple[bytes, ...] = ()
    passed_over: PassedOver = NOTHING
    n_remarked: int = 0


@dataclass(frozen=True)
class AlreadyEncoded:
    """A file whose sound this bundle has encoded already."""

    file: PendingFile
    opened: OpenedFile


@dataclass(frozen=True)
class InFlightDuplicate:
    """A file whose sound another file of this run is being decoded for."""

    file: PendingFile
    opened: OpenedFile


@dataclass(frozen=True)
class Started:
    """A file whose windows follow; `resumed`: those stored earlier are kept and left out."""

    file: PendingFile
    opened: OpenedFile
    resumed: bool


@dataclass(frozen=True, eq=False)
class DecodedWindow:
    """A window to be encoded."""

    file: PendingFile
    window: Window


@dataclass(frozen=True)
class Finished:
    """A file that was decoded to its end, and gave `n_windows` in all."""

    file: PendingFile
    n_windows: int
    facts: AudioFacts


@dataclass(frozen=True)
class Failed:
    """A file that could not be read; `vanished`: it is no longer there."""

    file: PendingFile
    code: str  # a DecodeCode, or the word for a failure further on
    reason: str
    vanished: bool
    audio_hash: bytes | None  # of the sound claimed for it, if it came to that


@dataclass(frozen=True)
class ReaderFailed:
    """A reader cannot go on, which is no file's fault."""

    error: BaseException


# What readers tell the main thread, one after another. Each file gives `AlreadyEncoded` or
# `InFlightDuplicate` (nothing to decode), or `Started`, `DecodedWindow` ..., `Finished`; `Failed`
# may come at any point. Items of one file come in order, those of several files mixed.
Item = (
    AlreadyEncoded | InFlightDuplicate | Started | DecodedWindow | Finished | Failed | ReaderFailed
)

# With one of these, all that a file gives has come.
LAST_ITEMS: Final = (AlreadyEncoded, InFlightDuplicate, Finished, Failed)


@dataclass(frozen=True, eq=False)
class CaptionedWindow:
    """A window with its vectors; `sentence` is None where nothing is said of it."""

    decoded: DecodedWindow
    encoded: Encoded
    sentence: CaptionOut | None


@dataclass(frozen=True)
class EncodedBatch:
    """What was read together, and the windows of it, which were encoded together."""

    items: Sequence[Item]
    encoded: Sequence[CaptionedWindow]


@dataclass(frozen=True)
class HeardBatch:
    """What was read together, heard elsewhere; items of one file come in order, over batches too.

    `seconds` is how long each stage took there.
    """

    items: Sequence[Item]
    encoded: Sequence[CaptionedWindow]
    seconds: Mapping[str, float]


class Hearing(Protocol):
    """Reads and encodes in place of this process (`cluster.hearing.ClusterHearing`)."""

    def batches(
        self,
        files: Iterator[PendingFile],
        *,
        claims: SoundClaims,
        progress: Progress,
        stop: threading.Event,
    ) -> Iterator[HeardBatch]:
        """What became of all the files, until there are no more or the run is stopped.

        Each batch is committed before the next one is asked for. Raises AudiosearchError where
        nobody is left to read them; they wait for the next run, then.
        """

    def captions(
        self, batches: Iterator[Sequence[Floats]], *, progress: Progress, stop: threading.Event
    ) -> Iterator[Sequence[CaptionOut]]:
        """A sentence for each window's frames (T_i, D), batch by batch in their order.

        Ends early where `stop` is set.

        Batches are taken a few ahead of what is given. Raises AudiosearchError where nobody is
        left.
        """
