"""A file of vectors that is mapped into memory, with checksums of all that is in it.

Whoever writes to such a file changes its time, which it holds itself: then all of it is checked
when it is opened, otherwise its ids and some blocks.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import time
import weakref
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from audiosearch._typing import Floats, Ids
from audiosearch.store.coarse import CoarseRows, coarse_rows
from audiosearch.store.vectors import VectorTable

_MAGIC: Final = 0x3456_4553_4155  # "AUSEV4", little-endian
_NAME: Final = (1 << 40) - 1  # bits of it; those above are the version
# int64: see `VectorFileHead.words`, and a checksum of these, the ids and the blocks' checksums.
_HEADER: Final = 7
_ROWS_AT: Final = _HEADER * 8  # bytes
BLOCK: Final = 1 << 16  # bytes of rows that have a checksum of their own
COARSE_FROM: Final = 20_000  # rows; of fewer, all are multiplied in a millisecond
_CHUNK: Final = 8192  # rows in memory at a time
N_SAMPLED: Final = 16  # blocks that are checked each time: 1 MB, about a millisecond


@dataclass(frozen=True, kw_only=True)
class VectorFileHead:
    """What a file says of itself.

    Attributes:
        library: the number of the library that it was made from.
        changed: that library's counter of any change.
        n, dim: rows, and values in each.
        written_s: the file's own time, in whole seconds that every file system can keep.
    """

    library: int
    changed: int
    n: int
    dim: int
    written_s: int

    @property
    def words(self) -> list[int]:
        """As they are stored, the checksum left out."""
        return [_MAGIC, self.changed, self.n, self.dim, self.library, self.written_s]

    @property
    def scales_at(self) -> int:
        """Where the scales of the coarse rows begin, in bytes; their losses follow."""
        return _ROWS_AT + self.n * self.dim * 4

    @property
    def codes_at(self) -> int:
        """Where the codes of the coarse rows begin, in bytes."""
        return self.scales_at + self.n * 8

    @property
    def ids_at(self) -> int:
        """Where the ids begin, in bytes; those of the rows' owners follow."""
        return self.codes_at + self.n * self.dim

    @property
    def checked(self) -> int:
        """Bytes that the blocks' checksums are of: rows, scales, losses and codes."""
        return self.ids_at - _ROWS_AT

    @property
    def sums_at(self) -> int:
        """Where the blocks' checksums begin, in bytes."""
        return self.ids_at + self.n * 16

    @property
    def n_blocks(self) -> int:
        """Blocks of what has checksums, the last one perhaps shorter."""
        return -(-self.checked // BLOCK)

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.sums_at + self.n_blocks * 4


class DamagedVectors(Exception):
    """A file of vectors does not hold what was written into it."""


@dataclass(frozen=True)
class VectorFile:
    """An open file; its rows are mapped."""

    path: Path
    head: VectorFileHead
    table: VectorTable
    content: memoryview  # that the checksums are of, mapped
    sums: Sequence[int]

    def check(self, blocks: Iterable[int]) -> None:
        """Compare some blocks of rows with their checksums.

        Raises:
            DamagedVectors: one differs.
        """
        for block in blocks:
            if zlib.crc32(self.content[block * BLOCK : (block + 1) * BLOCK]) != self.sums[block]:
                raise DamagedVectors(f"block {block} of {len(self.sums)} is not what was written")


def open_vectors(path: Path, *, whole: bool = False) -> VectorFile | None:
    """A file of vectors; None where there is none, or one of another version.

    Args:
        path: of the file.
        whole: check all of it, not a sample.

    Raises:
        DamagedVectors: it does not hold what was written into it.
    """
    try:
        status = path.stat()
        words = np.fromfile(path, "<i8", _HEADER).tolist()
    except OSError:  # absent, or swept away by another process
        return None
    if len(words) < _HEADER or words[0] != _MAGIC:
        if words and words[0] & _NAME == _MAGIC & _NAME:
            return None
        raise DamagedVectors("it is no file of vectors")
    head = VectorFileHead(
        changed=words[1], n=words[2], dim=words[3], library=words[4], written_s=words[5]
    )
    if head.n <= 0 or head.dim <= 0 or status.st_size != head.size:
        raise DamagedVectors("its size is not what it says")
    try:
        content = np.asarray(np.memmap(path, np.uint8, "r", _ROWS_AT, (head.checked,)))
        keys = np.fromfile(path, "<i8", head.n * 2, offset=head.ids_at)
        sums = np.fromfile(path, "<u4", head.n_blocks, offset=head.sums_at)
    except (OSError, ValueError):  # swept away, or cut off, by another process
        return None
    is_whole = len(keys) == head.n * 2 and len(sums) == head.n_blocks
    if not is_whole or words[6] != _sum_of(head, keys, sums):
        raise DamagedVectors("its ids are not what was written")
    ids, owners = keys.reshape(2, head.n)
    if (np.diff(ids) <= 0).any():
        raise DamagedVectors("its ids are in no order")
    table = _table(head, ids, owners, content, _row_reader(path, head))
    file = VectorFile(path, head, table, content.data, sums.tolist())
    touched = status.st_mtime_ns != head.written_s * 10**9
    everything = whole or touched or head.n_blocks <= N_SAMPLED
    blocks = range(head.n_blocks)
    file.check(blocks if everything else random.sample(blocks, N_SAMPLED))
    if touched:  # it was copied, say, and is whole: not to be read through each time
        _set_time(path, head)
    return file


class _RowReader:
    """Reads rows of a file by their places; the file stays open as long as this is there."""

    def __init__(self, path: Path, head: VectorFileHead) -> None:
        """Raises OSError where it cannot be opened any more."""
        self._path, self._dim = path, head.dim
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __call__(self, rows: Ids) -> Floats:
        """Rows (m, D).

        Raises:
            OSError: the file ends before them.
        """
        size = self._dim * 4
        places = (_ROWS_AT + rows * size).tolist()
        found = b"".join([os.pread(self._file, size, place) for place in places])
        if len(found) != len(rows) * size:
            raise OSError(errno.EIO, "it ends before its rows", str(self._path))
        return np.frombuffer(found, "<f4").reshape(len(rows), self._dim)


def _row_reader(path: Path, head: VectorFileHead) -> _RowReader | None:
    """What reads single rows of a file; None where it is small, or the system has no such calls."""
    if sys.platform == "win32" or head.n < COARSE_FROM:
        return None
    try:
        return _RowReader(path, head)
    except OSError:  # swept away by another process
        return None


def _table(
    head: VectorFileHead,
    ids: Ids,
    owners: Ids,
    content: npt.NDArray[np.uint8],
    read_rows: _RowReader | None,
) -> VectorTable:
    """What a file holds, without reading it."""
    scales_at, codes_at = head.scales_at - _ROWS_AT, head.codes_at - _ROWS_AT
    measures = content[scales_at:codes_at].view("<f4").reshape(2, head.n)
    codes = content[codes_at:].view(np.int8).reshape(head.n, head.dim)
    return VectorTable(
        ids=ids,
        matrix=content[:scales_at].view("<f4").reshape(head.n, head.dim),
        coarse=CoarseRows(codes, measures[0], measures[1]) if head.n >= COARSE_FROM else None,
        owners=owners,
        read_rows=read_rows,
    )


def _write_coarse(file: BinaryIO, head: VectorFileHead) -> None:
    """Put the coarse form of the rows behind them, a bounded number at a time."""
    measures = np.empty((2, head.n), "<f4")
    for start in range(0, head.n, _CHUNK):
        some = slice(start, min(start + _CHUNK, head.n))
        file.seek(_ROWS_AT + start * head.dim * 4)
        rows = np.frombuffer(file.read((some.stop - start) * head.dim * 4), "<f4")
        coarse = coarse_rows(rows.reshape(-1, head.dim))
        measures[:, some] = coarse.scales, coarse.losses
        file.seek(head.codes_at + start * head.dim)
        file.write(coarse.codes.tobytes())
    file.seek(head.scales_at)
    file.write(measures.tobytes())


def finish_vectors(file: BinaryIO, head: VectorFileHead, ids: Ids, owners: Ids) -> None:
    """Put all the rest around the rows that were written behind the head's place.

    Raises:
        OSError: the disk is full, say.
    """
    _write_coarse(file, head)
    file.seek(_ROWS_AT)
    sums: list[int] = []
    left = head.checked
    while left:
        block = file.read(min(BLOCK, left))
        sums.append(zlib.crc32(block))
        left -= len(block)
    file.seek(head.ids_at)
    stored_sums = np.array(sums, "<u4")
    keys = np.concatenate([ids, owners])
    file.write(keys.astype("<i8").tobytes())
    file.write(stored_sums.tobytes())
    file.seek(0)
    words = [*head.words, _sum_of(head, keys, stored_sums)]
    file.write(np.array(words, "<i8").tobytes())
    file.flush()
    os.utime(file.fileno() if os.utime in os.supports_fd else file.name, (head.written_s,) * 2)


def begin_vectors(file: BinaryIO) -> None:
    """Leave room for the head; rows of little-endian float32 follow."""
    file.write(bytes(_ROWS_AT))


def time_to_write() -> int:
    """For `VectorFileHead.written_s`: even, since FAT keeps no other seconds."""
    return int(time.time()) // 2 * 2


def _sum_of(head: VectorFileHead, keys: Ids, sums: Ids) -> int:
    found = zlib.crc32(np.array(head.words, "<i8").tobytes())
    found = zlib.crc32(keys.astype("<i8").tobytes(), found)
    return zlib.crc32(sums.astype("<u4").tobytes(), found)


def _set_time(path: Path, head: VectorFileHead) -> None:
    try:
        os.utime(path, (head.written_s, head.written_s))
    except OSError:  # not ours to write, or gone
        return
