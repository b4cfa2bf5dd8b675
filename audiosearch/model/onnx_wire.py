"""Messages of ONNX in protobuf's wire format, read and written; fields come by `fields_of`."""

from __future__ import annotations

from audiosearch.model.onnx_check import NotOnnx, fields_of

_VARINT, _BYTES = 0, 2  # the only kinds of fields that graphs, nodes and their names have


def wire_field(number: int, value: int | bytes | memoryview) -> bytes:
    """A field of a message."""
    return b"".join(field_parts(number, value))


def field_parts(number: int, value: int | bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """A field of a message in two parts to be joined, so that long ones are copied once."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT), _varint(value)
    return field_head(number, len(value)), value


def field_head(number: int, length: int) -> bytes:
    """What stands before the bytes of a field."""
    return _varint(number << 3 | _BYTES) + _varint(length)


def message_of(value: int | memoryview) -> memoryview:
    """A field's value as the message that it must be.

    Raises:
        NotOnnx: it is a number.
    """
    if isinstance(value, int):
        raise NotOnnx("a number stands where a message should")
    return value


def text_of(value: int | memoryview) -> str:
    """A field's value as the text that it must be.

    Raises:
        NotOnnx: it is a number.
    """
    return bytes(message_of(value)).decode("utf-8", "replace")


def name_of(value: int | memoryview, number: int) -> str:
    """The text in field `number` of a message; empty without one.

    Raises:
        NotOnnx: it is no message.
    """
    return next((text_of(v) for n, v in fields_of(message_of(value)) if n == number), "")


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
