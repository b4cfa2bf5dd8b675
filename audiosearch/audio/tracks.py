"""Several streams of one container: read at their own pace, and laid side by side in time.

It holds about a second of each stream's sound, and a bounded number of packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet

from audiosearch._typing import Floats
from audiosearch.audio.container import OpenedPart, open_part, packets
from audiosearch.audio.source import Span

MAX_LATE_S = 12 * 3600.0  # a later start is a clock gone wrong, not an hour of silence
BLOCK_S = 1.0


@dataclass(frozen=True)
class Track:
    """One stream: its blocks (n, channels), and how many samples of silence come before."""

    channels: int
    late: int
    blocks: Iterable[Floats]


def side_by_side(tracks: Sequence[Track], *, sample_rate: int) -> Iterator[Floats]:
    """Blocks `(n, channels of all)` of `BLOCK_S`, until the last track ends.

    A stream that starts later or ends earlier is silent there; one that pauses by its timestamps
    (a microphone switched off) is silent meanwhile.
    """
    readers = [_Reader(track) for track in tracks]
    size = round(BLOCK_S * sample_rate)
    while True:
        pieces = [reader.take(size) for reader in readers]
        longest = max(len(piece) for piece in pieces)
        if longest:
            yield np.concatenate([_filled(piece, longest) for piece in pieces], axis=1)
        if longest < size:
            return


class _Reader:
    """A track as a stream of samples."""

    def __init__(self, track: Track) -> None:
        self._blocks = iter(track.blocks)
        self._late = track.late
        self._held: Floats = np.empty((0, track.channels), np.float32)

    def take(self, n_samples: int) -> Floats:
        """The next samples, fewer only at the end."""
        pieces: list[Floats] = []
        wanted = n_samples
        if self._late:
            silent = min(self._late, wanted)
            pieces.append(np.zeros((silent, self._held.shape[1]), np.float32))
            self._late -= silent
            wanted -= silent
        while wanted:
            if not len(self._held):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._held = block
                continue
            pieces.append(self._held[:wanted])
            self._held = self._held[wanted:]
            wanted -= len(pieces[-1])
        return np.concatenate(pieces) if pieces else self._held[:0]


def _filled(piece: Floats, length: int) -> Floats:
    if len(piece) == length:
        return piece
    return np.concatenate((piece, np.zeros((length - len(piece), piece.shape[1]), np.float32)))


MAX_WAITING_BYTES = 32 << 20

AudioPacket: TypeAlias = "Packet[AudioStream]"


class Demultiplexer:
    """Gives the packets of the streams `part.heard`; `stack` closes what it opens beside.

    All are read in one pass; packets that a stream's reader has not asked for yet wait. Where the
    streams do not lie side by side but one behind the other, too much would have to wait: then
    the stream that is asked for gets a container of its own, read on from where it was.
    """

    def __init__(
        self, path: bytes, part: OpenedPart, span: Span | None, *, stack: ExitStack
    ) -> None:
        self._path = path
        self._span = span
        self._stack = stack
        self._source = packets(path, part.container, *part.heard)
        self._waiting: dict[int, deque[AudioPacket]] = {s.index: deque() for s in part.heard}
        self._n_given = dict.fromkeys(self._waiting, 0)
        self._apart: set[int] = set()  # streams with a container of their own
        self._waiting_bytes = 0

    def packets(self, stream: AudioStream) -> Iterator[AudioPacket]:
        """The packets of one stream, in order.

        Raises:
            DecodeError: UNREADABLE or MEMORY.
        """
        index = stream.index
        while (packet := self._next(index)) is not None:
            self._n_given[index] += 1
            yield packet
        if index in self._apart:
            yield from self._read_apart(index)

    def _next(self, index: int) -> AudioPacket | None:
        """The next packet of the common pass; None at its end, or if this stream leaves it."""
        waiting = self._waiting[index]
        while not waiting:
            if self._waiting_bytes > MAX_WAITING_BYTES:
                self._apart.add(index)
                return None
            packet = next(self._source, None)
            if packet is None:
                return None
            if packet.stream_index not in self._apart:
                self._waiting[packet.stream_index].append(packet)
                self._waiting_bytes += packet.size
        packet = waiting.popleft()
        self._waiting_bytes -= packet.size
        return packet

    def _read_apart(self, index: int) -> Iterator[AudioPacket]:
        """The rest of a stream that left the common pass, from a reader of its own."""
        part = self._stack.enter_context(open_part(self._path, self._span))
        stream = part.container.streams[index]
        assert isinstance(stream, AudioStream)
        for number, packet in enumerate(packets(self._path, part.container, stream)):
            if number >= self._n_given[index]:
                yield packet
