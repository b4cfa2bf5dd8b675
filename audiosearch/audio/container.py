"""Opening a sound file with PyAV: which containers are read, and how FFmpeg is held to one file.

PyAV, because its wheels carry FFmpeg: nothing is to be installed beside Python, and one library
reads everything from WAV to the sound of a video. It does not decode.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from audiosearch.audio.source import BUFFER_BYTES, Span, SpanFile
from audiosearch.errors import DecodeCode, DecodeError

# Demuxers by FFmpeg's names: each reads one file and has a signature to recognise it by.
# FFmpeg also knows "formats" that are lists of other files or addresses (HLS, DASH, concat, image
# sequences, SDP): a playlist named `song.mp3` would make it open whatever the list says. So they
# are allowed by name, and only the `file` protocol is open (`_OPTIONS`). Those that recognise a
# file by its extension alone (raw G.722, raw PCM) are left out: any garbage is "sound" to them.
DEMUXERS = (
    "3dostr,4xm,aa,aac,aax,ac3,ac4,ace,acm,act,adp,ads,adx,aea,aiff,aix,amr,apac,ape,apm,aptx,"
    "asf,ast,au,avi,avr,bfstm,binka,bonk,brstm,caf,dsf,dss,dts,dtshd,dv,ea,eac3,epaf,flac,flv,"
    "fsb,gxf,hca,hcom,iamf,iff,ircam,iss,kvag,lc3,loas,lvf,lxf,matroska,webm,mca,mlp,mmf,mods,"
    "moflex,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,msf,mtaf,musx,mxf,nistsphere,nsv,"
    "nut,nuv,ogg,oma,osq,paf,pp_bnk,pvf,qcp,qoa,rka,rm,rpl,rsd,rso,sds,sdx,shn,siff,smjpeg,"
    "sol,sox,svag,swf,tak,truehd,tta,voc,vpk,vqf,w64,wav,wavarc,wsd,wtv,wv,wve,xa,xmd,xvag,"
    "xwma"
)

# Outside, a header is damaged: a second of it would fill the memory.
MIN_RATE, MAX_RATE = 100, 12_288_000
MAX_CHANNELS = 256
MAX_STREAMS = 64  # heard at once; each takes a decoder, a filter and a second of sound

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": DEMUXERS,
}
# PyAV 19 always does so, and has no setting for it any more.
_UNDECODABLE: dict[str, Any] = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}
)
_NO_SOUND_FILE = "not a sound file, or its header is damaged"
_HEAD_BYTES = 1 << 16
_WRAPPED_BYTES = 160 << 10
# The words that frames of DTS begin with, of 16 and 14 bits in both byte orders, and of TrueHD.
_WRAPPED = (
    *(b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\x00", b"\xff\x1f\x00\xe8"),
    b"\xf8\x72\x6f\xba",
)
_PCM_BITS = re.compile(r"pcm_[suf](\d+)")
_BITS = {"u8": 8, "u8p": 8, "s16": 16, "s16p": 16}


@dataclass(frozen=True)
class StreamFormat:
    """What a stream is before anything of it is decoded."""

    codec: str  # FFmpeg's name of the codec: "vorbis", "pcm_s24le", "mp3"
    container: str  # FFmpeg's name of the demuxer, the first where it has several: "ogg", "mov"
    sample_rate: int
    channels: int
    bit_depth: int | None  # None for lossy codecs, and where the stream does not say


@dataclass(frozen=True, eq=False)
class OpenedPart:
    """An open container: a file, or one of several that it is made of."""

    container: InputContainer
    heard: tuple[AudioStream, ...]  # at least one: those that can be decoded
    unheard: tuple[AudioStream, ...]  # without a decoder, of an impossible header, or too many

    @property
    def streams(self) -> tuple[AudioStream, ...]:
        """All audio streams in the file's order."""
        both = (*self.heard, *self.unheard)
        return tuple(sorted(both, key=lambda stream: stream.index))


@contextmanager
def open_part(path: bytes, span: Span | None = None) -> Iterator[OpenedPart]:
    """Open `path`, or what `span` makes of it, with all its audio streams.

    Raises:
        DecodeError: EMPTY, UNREADABLE, UNSUPPORTED, NO_AUDIO or MEMORY.
    """
    check_is_sound_file(path)
    with ExitStack() as stack:
        try:
            # "file:" keeps a name such as "http:x.wav" or "concat:a|b" from being read as an
            # address. Undecodable bytes in tags come back as lone surrogates; audio.metadata mends
            # them.
            source = (
                "file:" + os.fsdecode(path)
                if span is None
                else stack.enter_context(closing(SpanFile(path, span)))
            )
            container = av.open(
                source,
                mode="r",
                container_options=_OPTIONS | probing_options(path, span),
                buffer_size=BUFFER_BYTES,
                **_UNDECODABLE,
            )
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            raise opening_error(error, path=path) from error
        stack.enter_context(container)
        yield _sorted(container, path)


def probing_options(path: bytes, span: Span | None) -> dict[str, str]:
    """How far FFmpeg looks for a codec that hides in the PCM of a WAV file.

    By itself it tries all codecs on the first 128 KB, again and again as they come: four of the
    five milliseconds that opening takes. What hides there begins with the file, or is DTS or
    TrueHD; MP2 behind silence is given up.
    """
    if span is not None:
        return {}
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return {}
        sound = file.read(_WRAPPED_BYTES)
    return {} if any(word in sound for word in _WRAPPED) else {"probesize": "8192"}


def _sorted(container: InputContainer, path: bytes) -> OpenedPart:
    heard: list[AudioStream] = []
    unheard: list[AudioStream] = []
    refused: DecodeError | None = None
    for stream in container.streams.audio:
        reason = _why_not(stream)
        if reason is None and len(heard) < MAX_STREAMS:
            # Threads of FFmpeg would each take a stack out of the worker's memory limit, and the
            # cores are already taken: one worker a core.
            stream.codec_context.thread_count = 1
            heard.append(stream)
        else:
            unheard.append(stream)
            if reason is not None and refused is None:
                refused = DecodeError(reason, code=DecodeCode.UNSUPPORTED, path=path)
    if not heard:
        nothing = DecodeError("holds no audio stream", code=DecodeCode.NO_AUDIO, path=path)
        raise refused or nothing
    return OpenedPart(container, tuple(heard), tuple(unheard))


def has_decoder(stream: AudioStream) -> bool:
    """Whether FFmpeg knows the stream's codec; its `codec_context` is None otherwise."""
    return stream.codec_context is not None


def _why_not(stream: AudioStream) -> str | None:
    if not has_decoder(stream):
        return "no decoder for its codec"
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels
    if MIN_RATE <= rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS:
        return None
    return f"impossible: {channels} channels at {rate} Hz" if rate else _NO_SOUND_FILE


def check_is_sound_file(path: bytes) -> os.stat_result:
    """The file's `stat`, if it is a regular file with something in it.

    Raises:
        DecodeError: UNREADABLE (absent, no permission, a FIFO, socket or device), EMPTY.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  (paths are bytes here)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error
    if not stat.S_ISREG(found.st_mode):
        raise DecodeError("not a regular file", code=DecodeCode.UNREADABLE, path=path)
    if found.st_size == 0:
        raise DecodeError("the file is empty", code=DecodeCode.EMPTY, path=path)
    return found


def opening_error(error: Exception, *, path: bytes) -> DecodeError:
    """What FFmpeg said on opening, as the library's own error."""
    if isinstance(error, MemoryError):
        return DecodeError("not enough memory to open it", code=DecodeCode.MEMORY, path=path)
    if isinstance(error, av.error.InvalidDataError):
        return DecodeError(_NO_SOUND_FILE, code=DecodeCode.UNSUPPORTED, path=path)
    # "Format not on whitelist" comes as EINVAL: a playlist, a still picture, a subtitle file.
    if isinstance(error, av.error.ArgumentError):
        return DecodeError(
            "not a kind of file that is searched for sound", code=DecodeCode.UNSUPPORTED, path=path
        )
    if isinstance(error, av.error.PatchWelcomeError):
        reason = "a kind of sound file that FFmpeg cannot read"
        return DecodeError(reason, code=DecodeCode.UNSUPPORTED, path=path)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.read(_HEAD_BYTES)
    except OSError as refused:
        reason = refused.strerror or str(refused)
        return DecodeError(reason, code=DecodeCode.UNREADABLE, path=path)
    # It can be read, so "End of file", "Input/output error" and worse ("Machine is not on the
    # network") are demuxers' words for a header that is cut short or makes no sense.
    return DecodeError("no complete header in it", code=DecodeCode.DAMAGED, path=path)


def stream_format(container: InputContainer, stream: AudioStream) -> StreamFormat:
    """What the headers say of a stream."""
    context = stream.codec_context
    return StreamFormat(
        codec=context.codec.canonical_name,
        container=container.format.name.partition(",")[0],
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        bit_depth=_bit_depth(stream),
    )


def packets(
    path: bytes, container: InputContainer, *streams: AudioStream
) -> Iterator[Packet[AudioStream]]:
    """The streams' packets, none of them empty (an empty one would flush a decoder).

    A container that breaks off ends the packets as the file's end would: what came before is
    sound. Only a read error of the operating system is passed on.

    Raises:
        DecodeError: UNREADABLE or MEMORY.
    """
    source = cast("Iterator[Packet[AudioStream]]", container.demux(*streams))
    try:
        for packet in source:
            if packet.size:
                yield packet
    except MemoryError as error:
        raise DecodeError("not enough memory", code=DecodeCode.MEMORY, path=path) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error
    except av.error.FFmpegError:
        return


def _bit_depth(stream: AudioStream) -> int | None:
    context = stream.codec_context
    name = context.codec.canonical_name
    pcm = _PCM_BITS.match(name)
    if pcm:
        return int(pcm.group(1))
    extradata = bytes(context.extradata or b"")
    if name == "flac" and len(extradata) >= 14:
        # STREAMINFO: 20 bits of rate, 3 of channels - 1, then 5 of bits per sample - 1
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if name == "alac" and len(extradata) >= 18:
        return extradata[17]  # after the 12 bytes of the atom's head: frame length (4), 0, depth
    if context.codec.lossless and not context.codec.lossy:
        # Deeper formats all decode to 32 bits, whatever was stored: not known from here.
        return _BITS.get(getattr(context.format, "name", ""))
    return None
