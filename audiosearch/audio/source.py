"""A part of a file as FFmpeg is to see it: a range of its bytes, some of them put right.

FFmpeg believes headers. Where one lies about its size, or a file is several joined end to end,
FFmpeg is given a `Span` instead of the file, and reads it through `SpanFile`, byte by byte as it
lies on the disk but for a few patched fields. Files in order are never read this way.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

BUFFER_BYTES = 1 << 18  # FFmpeg asks for that much at once


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `end` of a file; each of `patches` (offset in the file, bytes) replaced.

    `head` comes before them: another container's header, where FFmpeg cannot read the file's own.
    """

    start: int
    end: int
    patches: tuple[tuple[int, bytes], ...] = ()
    head: bytes = b""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.head) + max(0, self.end - self.start)


class SpanFile(io.RawIOBase):
    """A `Span` of the file at `path`, as a binary stream that starts at 0.

    Raises:
        OSError: the file cannot be opened or read.
    """

    def __init__(self, path: bytes, span: Span) -> None:
        super().__init__()
        self.name = os.fsdecode(os.path.basename(path))  # noqa: PTH119  (paths are bytes here)
        self._span = span
        self._at = 0
        self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from here on, less only at the span's end."""
        left = max(0, self._span.size - self._at)
        head = self._span.head[self._at :]
        if head:
            content = head if size < 0 else head[:size]
            self._at += len(content)
            return content
        start = self._span.start + self._at - len(self._span.head)
        self._file.seek(start)
        content = self._read_exactly(left if size < 0 else min(size, left))
        self._at += len(content)
        for at, patch in self._span.patches:
            first, last = max(at, start), min(at + len(patch), start + len(content))
            if first < last:
                mended = bytearray(content)
                mended[first - start : last - start] = patch[first - at : last - at]
                content = bytes(mended)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset; returns the new one."""
        base = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._at,
            os.SEEK_END: self._span.size,
        }
        self._at = max(0, base[whence] + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def close(self) -> None:
        """Close the file beneath."""
        if not self.closed:
            self._file.close()
        super().close()

    def _read_exactly(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0 and (piece := self._file.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
