"""Decoding in a child process, seen from the main process.

The pipe is the brake: a worker waits when the main process does not take its blocks, and time is
counted against it only while the main process waits for it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from audiosearch._typing import Floats
from audiosearch._urls import is_url
from audiosearch.audio.sandbox.process import WorkerProcess, ending
from audiosearch.audio.sandbox.protocol import (
    BrokenConversation,
    Message,
    MessageKind,
    OpenedFile,
    pack_open,
    pack_stretch,
    pack_view,
    send,
    unpack_block,
    unpack_broken,
    unpack_error,
    unpack_facts,
    unpack_form,
    unpack_opened,
)
from audiosearch.audio.types import AudioFacts, StretchRequest, ViewRequest
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError, DecoderBroken

if TYPE_CHECKING:
    from audiosearch.remote.fetched_files import FetchedFile, HeldFile

__all__ = ["OpenedFile", "Worker", "WorkerClosed", "WorkerLimits", "worker_command"]

Content = TypeVar("Content")

_SERVE = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiosearch.audio.sandbox.child import main; main(sys.argv[2:])"
)


class WorkerClosed(Exception):
    """`Worker.close` was called while a file was being read: no fault of the file."""


@dataclass(frozen=True)
class WorkerLimits:
    """What a decoding process may use for one file, and whether it measures loudness."""

    memory_bytes: int = 1 << 30  # address space on top of the interpreter's own
    stall_s: float = 30.0  # waited for without any sign of progress; also CPU time without it
    loudness: bool = True

    @classmethod
    def of(cls, config: IndexConfig) -> WorkerLimits:
        """As the settings have it."""
        return cls(
            memory_bytes=config.worker_memory_mb << 20,
            stall_s=config.worker_stall_s,
            loudness=config.loudness,
        )


def worker_command(limits: WorkerLimits) -> list[str]:
    """How a decoding process is started.

    With `-P` and this process's own module path: `python -m` would look for modules in the
    current folder first, which may well be a folder of strangers' files.
    """
    return [
        sys.executable,
        "-P",
        "-c",
        _SERVE,
        json.dumps([place for place in sys.path if place]),
        f"--memory-bytes={limits.memory_bytes}",
        f"--stall-s={limits.stall_s}",
        *([] if limits.loudness else ["--no-loudness"]),
    ]


class Worker(AbstractContextManager["Worker"]):
    """One decoding process and its successors; used by one thread, `close` by any.

        with Worker(limits) as worker:
            opened = worker.open(path, sample_rate=32_000)
            for block in worker.blocks():       # or worker.skip(), when the sound is known already
                ...
            facts = worker.facts()

    A decoder that crashes, hangs or eats memory fails its own file; the next gets a new process.
    A sound at a URL is fetched here first, by this process: decoders never see the network. The
    copy stays until it is decoded, or another sound is asked for.
    `command` replaces `worker_command(limits)` in tests of what a broken decoder does.
    """

    def __init__(
        self, limits: WorkerLimits | None = None, *, command: Sequence[str] | None = None
    ) -> None:
        self._limits = limits or WorkerLimits()
        self._command = list(command) if command is not None else worker_command(self._limits)
        self._path = b""
        self._blocks_done = True
        self._facts: AudioFacts | None = None
        self._closed = False
        self._held: HeldFile | None = None
        self._child: WorkerProcess | None = WorkerProcess(self._command)

    @property
    def pid(self) -> int | None:
        """The present process; None between one that was given up and its successor."""
        return None if self._child is None else self._child.pid

    def open(self, path: bytes, *, sample_rate: int, mixed: bool = True) -> OpenedFile:
        """Read a file through without decoding it; `blocks` then gives it at `sample_rate`.

        With `mixed` false blocks hold all channels, sample by sample: as many as the file's
        fingerprint tells.

        Raises:
            DecodeError: it is no readable sound file, or its decoder crashed or stalled; AWAY: it
                lies in a store that cannot be reached now.
            WorkerClosed: `close` was called, here or from another thread.
            AudiosearchError: no decoding process can be started here, or it cannot decode anything.
        """
        self._begin(path)
        self._blocks_done = True
        fetched = self._fetch(path)
        here = path if fetched is None else fetched.path
        self._ask(MessageKind.OPEN, pack_open(here, sample_rate, mixed=mixed))
        opened = self._unpacked(unpack_opened, self._answer(MessageKind.OPENED))
        if fetched is None:
            return opened
        size, mtime_ns, version = fetched.stat
        return replace(opened, size=size, mtime_ns=mtime_ns, ctime_ns=version)

    def blocks(self) -> Iterator[Floats]:
        """Decode the opened file: mono blocks (n,), about a second each.

        Leaving the iteration early gives up the file, and its process with it.

        Raises:
            DecodeError: this file cannot be decoded, or not to its end.
            WorkerClosed: `close` was called, here or from another thread.
        """
        self._facts, self._blocks_done = None, False
        self._ask(MessageKind.DECODE)
        while True:
            message = self._answer(MessageKind.BLOCK, MessageKind.FACTS)
            if message.kind is MessageKind.FACTS:
                self._blocks_done = True
                self._facts = self._unpacked(unpack_facts, message)
                self._let_go()
                return
            yield self._unpacked(unpack_block, message)

    def stretch(self, request: StretchRequest) -> Iterator[Floats]:
        """Some samples of a file: blocks (n, channels), a quarter of a second or a second each.

        It asks for no `open`. A request that goes on where the last one ended costs no seeking.
        Leaving the iteration early gives up the process.

        Raises:
            DecodeError: the file cannot be read, or is another by now (CHANGED).
            WorkerClosed: `close` was called, here or from another thread.
        """
        self._begin(request.path)
        request = self._here(request)
        self._ask(MessageKind.STRETCH, pack_stretch(request))
        channels = self._unpacked(unpack_form, self._answer(MessageKind.FORM))
        while True:
            message = self._answer(MessageKind.BLOCK, MessageKind.END)
            if message.kind is MessageKind.END:
                self._blocks_done = True
                return
            block = self._unpacked(unpack_block, message)
            if len(block) % channels:
                raise self._nonsense(message)
            yield block.reshape(-1, channels)

    def view(self, request: ViewRequest) -> bytes:
        """What is to be seen of some samples, `width` times `height` bytes.

        Raises:
            DecodeError: as of `stretch`; it takes longer than is waited for (TIMEOUT).
            WorkerClosed: `close` was called, here or from another thread.
        """
        self._begin(request.stretch.path)
        request = replace(request, stretch=self._here(request.stretch))
        self._ask(MessageKind.VIEW, pack_view(request))
        message = self._answer(MessageKind.IMAGE)
        self._blocks_done = True
        if len(message.payload) != request.width * request.height:
            raise self._nonsense(message)
        return message.payload

    def _begin(self, path: bytes) -> None:
        """Another file is asked for now; what still comes of the last one, nobody takes."""
        if not self._blocks_done:
            self._drop_child()
        self._path, self._facts, self._blocks_done = path, None, False

    def _here(self, request: StretchRequest) -> StretchRequest:
        """The same of a file that lies here; the copy of a remote one has its size and time."""
        fetched = self._fetch(request.path)
        return request if fetched is None else replace(request, path=fetched.path)

    def _fetch(self, path: bytes) -> FetchedFile | None:
        """A copy of the file at a URL, as it is now; None for a path."""
        if not is_url(path):
            self._let_go()
            return None
        from audiosearch.remote.fetched_files import HeldFile  # noqa: PLC0415 - for URLs alone

        self._check_not_closed()
        self._held = self._held or HeldFile()
        fetched = self._held.of(path, check=self._check_not_closed)
        if self._closed:  # meanwhile, by another thread
            self._let_go()
            raise WorkerClosed
        return fetched

    def _let_go(self) -> None:
        """Remove the copy of a remote file."""
        if self._held is not None:
            self._held.let_go()

    def facts(self) -> AudioFacts:
        """What the file turned out to be, once all its blocks are taken.

        Raises:
            RuntimeError: they are not.
        """
        if self._facts is None:
            raise RuntimeError("facts are known when all blocks have been taken")
        return self._facts

    def skip(self) -> None:
        """Do not decode the opened file."""
        self._path, self._facts = b"", None
        child = self._child
        if child is not None:
            with contextlib.suppress(OSError, ValueError):  # gone, and the file with it
                send(child.requests, MessageKind.SKIP)

    def close(self) -> None:
        """End the process, also in the middle of a file; a thread waiting for it gets an error."""
        self._closed = True
        self._drop_child()
        self._let_go()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, kind: MessageKind, payload: bytes = b"") -> None:
        """Send a request to a living, ready process."""
        for _ in range(2):  # one that died between two files is replaced, the file not blamed
            child = self._living()
            try:
                child.wait_ready()
                send(child.requests, kind, payload)
            except (OSError, ValueError):  # its pipe is broken, or closed by another thread
                self._drop_child()
                if kind is MessageKind.DECODE:
                    break  # a new process would not know which file
            except AudiosearchError:
                self._check_not_closed()
                raise
            else:
                return
        self._check_not_closed()
        raise self._error("the decoding process ended", DecodeCode.CRASHED)

    def _living(self) -> WorkerProcess:
        self._check_not_closed()
        child = self._child
        if child is None:
            child = self._child = WorkerProcess(self._command)
            if self._closed:  # meanwhile, by another thread
                self._drop_child()
                raise WorkerClosed
        return child

    def _check_not_closed(self) -> None:
        if self._closed:
            raise WorkerClosed

    def _answer(self, *wanted: MessageKind) -> Message:
        """The next message but beats.

        Raises:
            DecodeError: the process says so, or it died or was stopped over this file.
            DecoderBroken: the process says so.
        """
        child = self._living()
        try:
            message = child.next_message(self._limits.stall_s)
            while message.kind is MessageKind.BEAT:
                message = child.next_message(self._limits.stall_s)
        except (BrokenConversation, OSError, ValueError):
            self._drop_child()
            self._blocks_done = True
            self._check_not_closed()
            raise self._cause_of_death(child) from None
        if message.kind is MessageKind.ERROR:
            self._blocks_done = True
            error = self._unpacked(unpack_error, message)
            if error.code is DecodeCode.MEMORY:
                self._drop_child()  # what is left of its memory is in pieces
            raise self._error(error.reason, error.code)
        if message.kind is MessageKind.BROKEN:
            self._blocks_done = True
            raise DecoderBroken(self._unpacked(unpack_broken, message))
        if message.kind not in wanted:
            raise self._nonsense(message)
        return message

    def _unpacked(self, unpack: Callable[[bytes], Content], message: Message) -> Content:
        """A message's content; hostile input may have taken over who sends it."""
        try:
            return unpack(message.payload)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._nonsense(message) from None

    def _nonsense(self, message: Message) -> DecodeError:
        self._drop_child()
        self._blocks_done = True
        return self._error(f"nonsense from the decoder ({message.kind.name})", DecodeCode.CRASHED)

    def _cause_of_death(self, child: WorkerProcess) -> DecodeError:
        if child.stalled:
            reason = f"the decoder gave no sign of progress for {self._limits.stall_s:g} s"
            return self._error(reason, DecodeCode.TIMEOUT)
        if child.returncode == -getattr(signal, "SIGXCPU", 0):
            return self._error("the decoder calculates without progress", DecodeCode.TIMEOUT)
        return self._error(f"the decoder crashed ({ending(child.returncode)})", DecodeCode.CRASHED)

    def _error(self, reason: str, code: DecodeCode) -> DecodeError:
        return DecodeError(reason, code=code, path=self._path)

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
