"""The decoding process: reads files for the main process and dies in its place.

FFmpeg is a million lines of C, and files come from anywhere: what crashes, hangs or eats memory
here costs one file. It ends by itself when the main process is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

import av.logging
import numpy as np

from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import survey_of
from audiosearch.audio.metadata import metadata_of
from audiosearch.audio.sandbox.protocol import (
    BUFFER_BYTES,
    BrokenConversation,
    MessageKind,
    OpenedFile,
    pack_broken,
    pack_error,
    pack_facts,
    pack_opened,
    receive,
    send,
    unpack_open,
    unpack_stretch,
    unpack_view,
)
from audiosearch.audio.sandbox.stretches import StretchReader
from audiosearch.audio.sandbox.watched import WatchedFile
from audiosearch.audio.sound import KeptPackets, Sound, open_sound
from audiosearch.errors import DecodeError, DecoderBroken

if sys.platform != "win32":  # which has no such limits; the main process still stops what stalls
    import resource

BEAT_S = 1.0
ORPHAN_CHECK_S = 2.0


def main(arguments: Sequence[str]) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--stall-s", type=float, required=True)
    parser.add_argument("--no-loudness", dest="loudness", action="store_false")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's business
    requests, answers = _take_standard_streams()
    av.logging.set_level(None)
    _limit_memory(options.memory_bytes)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    pulse = _Pulse(answers, stall_s=options.stall_s)
    send(answers, MessageKind.READY)
    try:
        serve(requests, answers, pulse, loudness=options.loudness)
    except (BrokenConversation, BrokenPipeError):
        return  # the main process has closed the conversation


def serve(requests: BinaryIO, answers: BinaryIO, pulse: _Pulse, *, loudness: bool = True) -> None:
    """Answer requests, one file after the other; whether `loudness` is measured.

    Raises:
        BrokenConversation, BrokenPipeError: the main process is gone.
    """
    opened: _FileReading | None = None
    stretches = StretchReader(pulse)
    while True:
        request = receive(requests)
        pulse.renew()
        if opened is not None and request.kind is not MessageKind.DECODE:
            opened.close()
        try:
            if request.kind is MessageKind.OPEN:
                path, sample_rate, mixed = unpack_open(request.payload)
                opened = _FileReading(path, sample_rate, mixed=mixed)
                send(answers, MessageKind.OPENED, pack_opened(opened.open(pulse)))
            elif request.kind is MessageKind.DECODE and opened is not None:
                opened.decode(answers, pulse, loudness=loudness)
            elif request.kind is MessageKind.SKIP:
                opened = None
            elif request.kind is MessageKind.STRETCH:
                stretches.send(unpack_stretch(request.payload), answers)
            elif request.kind is MessageKind.VIEW:
                image = stretches.view(unpack_view(request.payload))
                send(answers, MessageKind.IMAGE, image)
            else:
                raise BrokenConversation(f"{request.kind.name} was not to be asked now")
        except DecodeError as error:
            send(answers, MessageKind.ERROR, pack_error(error))
        except DecoderBroken as error:
            send(answers, MessageKind.BROKEN, pack_broken(error.reason))


class _FileReading:
    """One file from opening to its last sample, watched for changes under way.

    It is read once where its packets fit into memory: they are hashed, then decoded.
    """

    def __init__(self, path: bytes, sample_rate: int, *, mixed: bool) -> None:
        self._path = path
        self._sample_rate = sample_rate
        self._mixed = mixed
        self._file = WatchedFile(path)
        self._stack = ExitStack()
        self._heard: tuple[Sound, KeptPackets] | None = None

    def close(self) -> None:
        """Let go of the file, if it is still open; once its sound is wanted, it is opened anew."""
        self._heard = None
        self._stack.close()

    def open(self, pulse: _Pulse) -> OpenedFile:
        """Read it through: identity and texts."""
        path = self._path
        kept = KeptPackets()
        try:
            sound = self._stack.enter_context(open_sound(path))
            texts = metadata_of(sound)
            expected_s = sound.expected_s
            survey = survey_of(sound, progress=pulse, kept=kept)
            if kept.suffice(sound):
                self._heard = sound, kept
            else:
                self.close()
            self._file.check_unchanged()
        except Exception as error:
            self.close()
            raise self._file.reason(error) from error
        return OpenedFile(
            fingerprint=survey.fingerprint,
            metadata=texts,
            remark=survey.remark,
            size=self._file.stat.st_size,
            mtime_ns=self._file.stat.st_mtime_ns,
            ctime_ns=self._file.stat.st_ctime_ns,
            expected_s=expected_s,
        )

    def decode(self, answers: BinaryIO, pulse: _Pulse, *, loudness: bool) -> None:
        """Send its sound, then its facts."""
        decoding = Decoding(
            self._path,
            sample_rate=self._sample_rate,
            progress=pulse,
            mixed=self._mixed,
            opened=self._heard,
            loudness=loudness,
        )
        try:
            for block in decoding:
                octets = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
                if pulse.is_due:
                    send(answers, MessageKind.BLOCK, octets)
                    pulse.renew()
                else:  # together with the next ones: each that is written wakes who reads them
                    send(answers, MessageKind.BLOCK, octets, flush=False)
                    pulse.allow()
        except BrokenPipeError:
            raise
        except Exception as error:
            raise self._file.reason(error) from error
        finally:
            self.close()
        self._file.check_unchanged()
        send(answers, MessageKind.FACTS, pack_facts(decoding.facts))


class _Pulse:
    """Called wherever a file moves on: tells the main process, and renews the CPU time."""

    def __init__(self, answers: BinaryIO, *, stall_s: float) -> None:
        self._answers = answers
        self._stall_s = stall_s
        self._next_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the main process has heard nothing for as long as it should."""
        return time.monotonic() >= self._next_s

    def __call__(self) -> None:
        if self.is_due:
            send(self._answers, MessageKind.BEAT)
            self.renew()

    def renew(self) -> None:
        """The main process was told something."""
        self._next_s = time.monotonic() + BEAT_S
        self.allow()

    def allow(self) -> None:
        """Allow `stall_s` of CPU time from now on; used up without progress, the process dies."""
        if sys.platform != "win32":
            hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
            soft = int(time.process_time() + self._stall_s) + 1
            if hard == resource.RLIM_INFINITY or soft < hard:
                resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the conversation; a stray print must not end up in the middle of it."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", BUFFER_BYTES)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, answers


def _limit_memory(memory_bytes: int) -> None:
    """Give the decoder `memory_bytes` of address space on top of what Python and FFmpeg take."""
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS takes RLIMIT_AS and ignores it, or refuses
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            taken = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = taken + memory_bytes
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _end_with(parent: int) -> None:
    """End this process when the main process has ended, even where it was killed.

    The closed pipe tells the same, but a decoder that hangs never looks at it. (Linux can send a
    signal at the parent's death, but means the parent's thread, which may well end earlier.)
    """
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)
