"""Several streams of one container, each read at its own pace and in bounded memory.

In: an open part. Out: for each stream an iterator over its packets. All are read in one pass;
packets that a stream's reader has not asked for yet wait. Where the streams do not lie side by side
but one behind the other, too much would have to wait: then the stream that is asked for gets a
container of its own, in which it is read on from where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypeAlias

from av.audio.stream import AudioStream
from av.packet import Packet

from audiosearch.audio.container import OpenedPart, open_part, packets
from audiosearch.audio.source import Span

MAX_WAITING_BYTES = 32 << 20

AudioPacket: TypeAlias = "Packet[AudioStream]"


class Demultiplexer:
    """Gives the packets of the streams `part.heard`; `stack` closes what it opens beside."""

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
            yield from self._own(index)

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

    def _own(self, index: int) -> Iterator[AudioPacket]:
        part = self._stack.enter_context(open_part(self._path, self._span))
        stream = part.container.streams[index]
        assert isinstance(stream, AudioStream)
        for number, packet in enumerate(packets(self._path, part.container, stream)):
            if number >= self._n_given[index]:
                yield packet
