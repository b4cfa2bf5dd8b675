"""A sound file opened as a whole: the parts it is made of, one after the other.

Most files are one part with one stream. Chained Ogg files of unlike links are several parts; a
capture with a stream for each microphone is one part with several streams. Ogg Vorbis in order
is read without opening it as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from av.audio.stream import AudioStream
from av.packet import Packet

from audiosearch.audio.container import (
    OpenedPart,
    StreamFormat,
    check_is_sound_file,
    open_part,
    stream_format,
)
from audiosearch.audio.extent import AS_IT_IS, Extent, extent_of
from audiosearch.audio.ogg_vorbis import OggVorbis, read_ogg_vorbis
from audiosearch.audio.source import Span
from audiosearch.errors import DecodeCode, DecodeError


@dataclass(frozen=True, eq=False)
class Sound:
    """An open file; `plain`: its packets, where it is so much in order that they are all of it."""

    path: bytes
    extent: Extent
    plain: OggVorbis | None
    _stack: ExitStack

    @cached_property
    def first(self) -> OpenedPart:
        """Its first part, open as long as the file.

        Raises:
            DecodeError: EMPTY, UNREADABLE, UNSUPPORTED, NO_AUDIO or MEMORY.
        """
        span = self.extent.spans[0] if self.extent.spans else None
        return self._stack.enter_context(open_part(self.path, span))

    @property
    def form(self) -> StreamFormat:
        """What its first stream is."""
        if self.plain is not None:
            return self.plain.form
        form = stream_format(self.first.container, self.first.heard[0])
        container = self.extent.container
        return form if container is None else replace(form, container=container)

    @property
    def channels(self) -> int:
        """Those of all streams of its first part that are heard."""
        if self.plain is not None:
            return self.plain.channels
        return sum(stream.codec_context.layout.nb_channels for stream in self.first.heard)

    @property
    def n_parts(self) -> int:
        """How many parts it is made of."""
        return max(1, len(self.extent.spans))

    @property
    def expected_s(self) -> float | None:
        """How long it will be, for want of better knowledge; None: nothing tells."""
        if self.plain is not None:
            return self.plain.n_samples / self.plain.sample_rate
        if self.extent.present_s is not None:
            return self.extent.present_s
        told = self.first.container.duration if self.n_parts == 1 else None
        return None if told is None else told / 1_000_000

    def parts(self) -> Iterator[OpenedPart | Span]:
        """Its parts in order, each open until the next is asked for; a span: it cannot be opened.

        Raises:
            DecodeError: UNREADABLE or MEMORY.
        """
        yield self.first
        for span in self.extent.spans[1:]:
            with ExitStack() as stack:
                try:
                    part = stack.enter_context(open_part(self.path, span))
                except DecodeError as error:
                    if error.code in (DecodeCode.UNREADABLE, DecodeCode.MEMORY):
                        raise
                    yield span
                else:
                    yield part


class KeptPackets:
    """The packets of a sound that has been read through, so that it need not be read once more.

    Only of what is one part with one stream, and not too large; of others nothing is kept.
    """

    MOST_BYTES = 32 << 20
    PACKET_BYTES = 512  # that a packet takes beside its sound

    def __init__(self) -> None:
        self.packets: list[Packet[AudioStream]] | None = None  # all of them; None: not kept

    def wants(self, sound: Sound) -> bool:
        """Whether the packets of a sound are worth keeping; plain ones it has itself."""
        return sound.plain is None and sound.n_parts == 1 and len(sound.first.streams) == 1

    def suffice(self, sound: Sound) -> bool:
        """Whether a sound that was read through can be decoded without reading it again."""
        return sound.plain is not None or self.packets is not None


@contextmanager
def open_sound(path: bytes) -> Iterator[Sound]:
    """Open the file at `path`.

    Raises:
        DecodeError: EMPTY, UNREADABLE, UNSUPPORTED, NO_AUDIO or MEMORY.
    """
    check_is_sound_file(path)
    plain = read_ogg_vorbis(path)
    with ExitStack() as stack:
        sound = Sound(path, AS_IT_IS if plain else extent_of(path), plain, stack)
        if plain is None:
            sound.first  # noqa: B018  (what cannot be opened is refused here)
        yield sound
