"""Bytes that strangers wrote, as texts: which letters they mean, and one printable line of them."""

from __future__ import annotations

import codecs
import re

MAX_KEY_CHARACTERS = 64
MAX_VALUE_CHARACTERS = 4000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_IN_KEY = re.compile(r"[^\w.-]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def decode(content: bytes, *, otherwise: str = "cp1252", cut: bool = False) -> str:
    """UTF-8 where the bytes are that, else the letters of `otherwise` (Windows' western ones).

    Bytes are taken one string at a time: a Latin-1 note spoils no label beside it. `cut` says
    that the text fills its field, whose end may have split a letter of UTF-8.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content[len(bom) :].decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        whole = content[: error.start]
        if error.reason == "unexpected end of data" and (cut or not whole.isascii()):
            return whole.decode("utf-8")
    try:
        return content.decode(otherwise)
    except (UnicodeDecodeError, LookupError):
        return content.decode("latin-1")


def until_nul(content: bytes) -> bytes:
    """What stands before the first NUL: what follows is whatever the writer's memory held."""
    return content.partition(b"\0")[0]


def fixed(content: bytes) -> str:
    """The text of a field of fixed length, padded with NULs."""
    text = until_nul(content)
    return decode(text, cut=len(text) == len(content))


def mended(text: str) -> str:
    """A text of FFmpeg's, whose bytes that were no UTF-8 came as lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return decode(text.encode("utf-8", "surrogateescape"))
    return text


def one_line(text: str) -> str:
    """Printable characters only, white space as single spaces, of bounded length."""
    text = text[: 4 * MAX_VALUE_CHARACTERS]
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:MAX_VALUE_CHARACTERS].rstrip()


def key_of(name: str, *, camel: bool = False) -> str:
    """A field's name as a key: lower case, other signs as `_`; `camel`: logComment too."""
    name = one_line(name[: 2 * MAX_KEY_CHARACTERS])
    if camel:
        name = _CAMEL.sub("_", name)
    return _NOT_IN_KEY.sub("_", name.lower()).strip("_.")[:MAX_KEY_CHARACTERS]
