"""XML from strangers as a small tree: bounded, without entities, and as far as it is well formed.

Recorders write iXML that is cut off, undeclared Latin-1, or has a bare `&`; what stands before
the fault is read. Entity declarations (a few hundred bytes can stand for gigabytes, or for
another file) refuse the whole document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError, XMLParser

from audiosearch.audio.metadata.text import decode
from audiosearch.audio.metadata.unreadable import Unreadable

MAX_BYTES = 4 << 20  # of a longer document the beginning is read
MAX_ELEMENTS = 20_000
MAX_DEPTH = 64
_PIECE = 1 << 16

_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>")
_ENCODING = re.compile(r"encoding\s*=\s*[\"']([\w.:-]+)[\"']")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9A-Fa-f]+|amp|lt|gt|quot|apos);)")
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnreadableXml(Unreadable):
    """Not one element can be read of it."""


@dataclass(eq=False)
class Element:
    """One element: its name without the namespace, and what is in it."""

    name: str
    namespace: str
    attributes: dict[tuple[str, str], str]  # by (namespace, name)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def child(self, name: str) -> Element | None:
        """The first child of that name, whatever its case."""
        return next((each for each in self.children if each.name.lower() == name.lower()), None)

    def child_text(self, name: str) -> str:
        """The text of the first child of that name, "" without one."""
        found = self.child(name)
        return found.text.strip() if found is not None else ""

    def walk(self) -> Iterator[Element]:
        """It and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


def parse(content: bytes) -> Element:
    """The root element.

    Raises:
        UnreadableXml: there is none, or the document declares entities.
    """
    text = _text(content)
    if "<!ENTITY" in text:
        raise UnreadableXml("declares entities")
    builder = _Builder()
    # What makes it dangerous is refused above, and it builds no tree.
    parser = XMLParser(target=builder)  # noqa: S314
    try:
        for start in range(0, len(text), _PIECE):
            parser.feed(text[start : start + _PIECE])
        parser.close()
    except (ParseError, _Enough) as error:
        if builder.root is None:
            raise UnreadableXml(str(error)) from error
    if builder.root is None:
        raise UnreadableXml("no element")
    builder.finish()
    return builder.root


def _text(content: bytes) -> str:
    content = content[:MAX_BYTES].rstrip(b"\0 \r\n\t")
    head = content[:200].decode("latin-1")
    declared = _ENCODING.search(head) if "<?xml" in head else None
    otherwise = declared[1] if declared else "cp1252"
    if declared and not otherwise.lower().startswith(("utf", "us-ascii")):
        try:
            text = content.decode(otherwise)
        except (UnicodeDecodeError, LookupError):
            text = decode(content)
    elif content[:4] in (b"<\0?\0", b"<\0B\0"):
        text = content.decode("utf-16-le", "replace")
    else:
        text = decode(content)
    text = _DECLARATION.sub("", text.lstrip("\ufeff"), count=1)  # which is of the bytes
    start = text.find("<")
    if start < 0:
        raise UnreadableXml("no element")
    return _BARE_AMPERSAND.sub("&amp;", _NOT_IN_XML.sub(" ", text[start:]))


class _Enough(Exception):
    """The limits are reached; what is built so far stands."""


class _Builder:
    """The parser's target."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._n_elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._n_elements += 1
        if self._n_elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise _Enough("too many elements")
        namespace, name = _split(tag)
        element = Element(name, namespace, {_split(key): v for key, v in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def close(self) -> None:
        """Asked for by the parser."""

    def finish(self) -> None:
        """End what the document has left open."""
        while self._open:
            self.end("")


def _split(tag: str) -> tuple[str, str]:
    if tag.startswith("{"):
        namespace, _, name = tag[1:].rpartition("}")
        return namespace, name
    return "", tag.rpartition(":")[2]
