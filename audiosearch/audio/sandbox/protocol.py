"""What a decoding process and the main process say to each other, and how it is put into bytes.

No pickles: a decoder that hostile input has taken over must not be able to run anything in the
main process.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, BinaryIO

import numpy as np

from audiosearch._typing import Floats
from audiosearch.audio.types import AudioFacts, Fingerprint, StretchRequest, ViewKind, ViewRequest
from audiosearch.errors import DecodeCode, DecodeError

BUFFER_BYTES = 1 << 19  # of a stream of answers: a short sound is written, and read, in one go
MAX_MESSAGE_BYTES = 64 << 20  # far above any message: a larger length is a broken pipe's noise
_HEADER = struct.Struct(">BI")


class MessageKind(IntEnum):
    """Kinds of messages: one byte, before four of length (big-endian) and that many bytes.

    These are UTF-8 JSON, or raw little-endian float32 samples for BLOCK.

        main    OPEN {path, sample_rate, mixed}   DECODE            STRETCH {...}      VIEW {...}
                SKIP in place of DECODE: no answer is wanted
        worker  READY, then  OPENED {...}         BLOCK* FACTS {...}  FORM BLOCK* END  IMAGE
                in place of any of them: ERROR {...} for a file that cannot be read, BROKEN {reason}
                where it is the program that is at fault
                BEAT between messages while a file is slow but moving
    """

    OPEN = 1
    DECODE = 2
    STRETCH = 3
    VIEW = 4
    SKIP = 5
    READY = 16
    OPENED = 17
    BEAT = 18
    BLOCK = 19
    FACTS = 20
    ERROR = 21
    BROKEN = 22
    FORM = 23
    END = 24
    IMAGE = 25


class BrokenConversation(Exception):
    """The other side is gone, or speaks nonsense."""


@dataclass(frozen=True)
class Message:
    """One message, whole."""

    kind: MessageKind
    payload: bytes = b""


@dataclass(frozen=True)
class OpenedFile:
    """A file that was read through once, undecoded, and has not changed meanwhile."""

    fingerprint: Fingerprint
    metadata: dict[str, tuple[str, ...]]
    remark: str | None  # header and file disagree, or some of it cannot be heard
    size: int
    mtime_ns: int
    ctime_ns: int
    expected_s: float | None = None  # what its headers tell of, which may well be wrong


def send(
    stream: BinaryIO,
    kind: MessageKind,
    payload: bytes | memoryview = b"",
    *,
    flush: bool = True,
) -> None:
    """Write one message; without `flush` it may wait in the stream's buffer for the next one.

    Raises:
        OSError: the other side has closed its end.
    """
    stream.write(_HEADER.pack(kind, len(payload)))
    stream.write(payload)
    if flush:
        stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Wait for one message.

    Raises:
        BrokenConversation: the stream ends, or this is no message.
    """
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise BrokenConversation("end of stream")
    kind, length = _HEADER.unpack(header)
    if length > MAX_MESSAGE_BYTES:
        raise BrokenConversation(f"a message of {length} bytes")
    payload = stream.read(length)
    if len(payload) < length:
        raise BrokenConversation("end of stream inside a message")
    try:
        return Message(MessageKind(kind), payload)
    except ValueError:
        raise BrokenConversation(f"unknown kind of message {kind}") from None


def pack_open(path: bytes, sample_rate: int, *, mixed: bool = True) -> bytes:
    """The payload of OPEN."""
    return _dump({"path": _text(path), "sample_rate": sample_rate, "mixed": mixed})


def unpack_open(payload: bytes) -> tuple[bytes, int, bool]:
    """Path and sample rate wanted, and whether channels are to be mixed to one."""
    content = json.loads(payload)
    path = base64.b64decode(content["path"])
    return path, int(content["sample_rate"]), bool(content["mixed"])


def pack_opened(opened: OpenedFile) -> bytes:
    """The payload of OPENED."""
    # `asdict` would copy each text of the metadata.
    described = vars(opened.fingerprint) | {"audio_hash": _text(opened.fingerprint.audio_hash)}
    return _dump(vars(opened) | {"fingerprint": described})


def unpack_opened(payload: bytes) -> OpenedFile:
    """The payload of OPENED, read.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    content = json.loads(payload)
    described = content.pop("fingerprint")
    described["audio_hash"] = base64.b64decode(described["audio_hash"])
    metadata = _metadata(content.pop("metadata"))
    return OpenedFile(fingerprint=Fingerprint(**described), metadata=metadata, **content)


def _metadata(content: Any) -> dict[str, tuple[str, ...]]:
    """Texts by key, each with a value at least: a child taken over may send anything."""
    if not isinstance(content, dict):
        raise TypeError("metadata that is no table")
    for values in content.values():
        if not (
            isinstance(values, list)
            and values
            and all(isinstance(value, str) and value for value in values)
        ):
            raise TypeError("metadata that is no list of texts")
    return {key: tuple(values) for key, values in content.items()}


def pack_facts(facts: AudioFacts) -> bytes:
    """The payload of FACTS."""
    return _dump(vars(facts))


def unpack_facts(payload: bytes) -> AudioFacts:
    """The payload of FACTS, read."""
    return AudioFacts(**json.loads(payload))


def pack_stretch(request: StretchRequest) -> bytes:
    """The payload of STRETCH."""
    return _dump(asdict(request) | {"path": _text(request.path)})


def unpack_stretch(payload: bytes) -> StretchRequest:
    """The payload of STRETCH, read."""
    return _stretch(json.loads(payload))


def _stretch(content: dict[str, Any]) -> StretchRequest:
    return StretchRequest(**content | {"path": base64.b64decode(content["path"])})


def pack_view(request: ViewRequest) -> bytes:
    """The payload of VIEW."""
    stretch = asdict(request.stretch) | {"path": _text(request.stretch.path)}
    return _dump(asdict(request) | {"stretch": stretch})


def unpack_view(payload: bytes) -> ViewRequest:
    """The payload of VIEW, read."""
    content = json.loads(payload)
    content["stretch"] = _stretch(content["stretch"])
    return ViewRequest(**content | {"kind": ViewKind(content["kind"])})


def pack_form(channels: int) -> bytes:
    """The payload of FORM: of how many channels the blocks of a stretch are."""
    return _dump({"channels": channels})


def unpack_form(payload: bytes) -> int:
    """The payload of FORM, read.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    channels = int(json.loads(payload)["channels"])
    if channels < 1:
        raise ValueError("no channel")
    return channels


def pack_error(error: DecodeError) -> bytes:
    """The payload of ERROR; the path is known on the other side."""
    return _dump({"code": error.code.value, "reason": error.reason})


def unpack_error(payload: bytes) -> DecodeError:
    """The error sent, about no file as yet."""
    content = json.loads(payload)
    return DecodeError(str(content["reason"]), code=DecodeCode(content["code"]))


def pack_broken(reason: str) -> bytes:
    """The payload of BROKEN."""
    return _dump({"reason": reason})


def unpack_broken(payload: bytes) -> str:
    """Why nothing can be decoded."""
    return str(json.loads(payload)["reason"])


def unpack_block(payload: bytes) -> Floats:
    """Samples (n,), of several channels one after the other; read-only, they lie in the message."""
    return np.frombuffer(payload, np.float32)


def _dump(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("utf-8")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
