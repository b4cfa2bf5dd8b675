"""Files of weights, read without running anything in them: PyTorch's zip form and safetensors.

In: a path, recognised by its content. Out: what the file holds as plain containers, its tensors
as places in the file (`StoredTensor`) that are read when asked for. It does not know what the
tensors mean. Formats: https://github.com/huggingface/safetensors#format and
https://docs.pytorch.org/docs/stable/notes/serialization.html.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiosearch.errors import BundleError
from audiosearch.training.networks.plain_pickle import (
    NotPlain,
    PickledTensor,
    RefusedGlobal,
    load_plain,
)

_ZIP_MAGIC = b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip entry: lengths of its name and extra field
_MAX_HEADER = 100_000_000  # bytes; a safetensors header is JSON, of a few kilobytes

_SAFETENSORS_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

_OLD_FORM = "save it again with a current PyTorch, or as safetensors"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that lies in a file: `n_elements` of a storage from byte `begin` on."""

    path: Path
    begin: int
    n_elements: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0  # of its first element in the storage

    def load(self) -> Tensor:
        """The tensor itself.

        Raises:
            BundleError: it reaches beyond its storage, or the file has become shorter.
        """
        if 0 in self.shape:
            return torch.zeros(self.shape, dtype=self.dtype)
        steps = [(n - 1) * step for n, step in zip(self.shape, self.stride, strict=True)]
        least = min(self.offset, *self.shape, *self.stride, 0)
        if least < 0 or self.offset + sum(steps) >= self.n_elements:
            raise BundleError("holds a tensor that reaches beyond its storage", path=self.path)
        n_bytes = self.n_elements * self.dtype.itemsize
        with self.path.open("rb") as file:
            file.seek(self.begin)
            content = bytearray(file.read(n_bytes))
        if len(content) != n_bytes:
            raise BundleError("is cut short", path=self.path)
        flat = torch.frombuffer(content, dtype=self.dtype)
        return flat.as_strided(self.shape, self.stride, self.offset).clone()


def read_weights(path: Path) -> dict[str, Any]:
    """What a file of weights holds; its leaves are `StoredTensor`s and plain values.

    Raises:
        BundleError: the file cannot be read, is of neither form, or holds anything but tensors,
            numbers, texts and containers of these.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start.startswith(_ZIP_MAGIC):
            content: object = _read_zip(path)
        elif len(start) == 9 and start[8:] == b"{":
            content = _read_safetensors(path)
        else:
            raise BundleError(
                "is neither safetensors nor PyTorch's zip form", path=path, remedy=_OLD_FORM
            )
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror or error}", path=path) from error
    if not isinstance(content, dict):
        raise BundleError("holds no dictionary of parameters", path=path)
    return content


def load_tensors(table: dict[Any, Any], *, under: str = "") -> dict[str, Tensor]:
    """The tensors of a dictionary whose names begin with `under`, named by what follows it."""
    return {
        name.removeprefix(under): value.load()
        for name, value in table.items()
        if isinstance(name, str) and name.startswith(under) and isinstance(value, StoredTensor)
    }


def _read_safetensors(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_MAX_HEADER, path.stat().st_size - 8):
            raise BundleError("is no safetensors file: its header is too long", path=path)
        header = file.read(length)
    try:
        table = json.loads(header)
        table.pop("__metadata__", None)
        return {
            name: _safetensor(path, entry, first_byte=8 + length) for name, entry in table.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"is no sound safetensors file: {error}", path=path) from error


def _safetensor(path: Path, entry: Any, *, first_byte: int) -> StoredTensor:
    dtype = _SAFETENSORS_TYPES[entry["dtype"]]
    shape = tuple(int(n) for n in entry["shape"])
    begin, end = entry["data_offsets"]
    count = math.prod(shape)
    if begin < 0 or end - begin != count * dtype.itemsize:
        raise ValueError(f"a tensor of {shape} in {end - begin} bytes")
    stride = tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))
    return StoredTensor(path, first_byte + begin, count, dtype, shape, stride)


def _read_zip(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            pickles = [name for name in entries if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise BundleError("is a zip, but no PyTorch file", path=path, remedy=_OLD_FORM)
            prefix = pickles[0].removesuffix("data.pkl")
            if (order := entries.get(f"{prefix}byteorder")) and archive.read(order) != b"little":
                raise BundleError("was written on a big-endian machine", path=path)
            pickled = archive.read(pickles[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"is a damaged zip: {error}", path=path) from error

    def stored(tensor: PickledTensor) -> StoredTensor:
        storage = tensor.storage
        entry = entries.get(f"{prefix}data/{storage.key}")
        n_bytes = storage.n_elements * storage.dtype.itemsize
        if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size < n_bytes:
            raise BundleError(f"lacks the data of tensor {storage.key!r}", path=path)
        return StoredTensor(
            path,
            _first_byte(path, entry),
            storage.n_elements,
            storage.dtype,
            tensor.shape,
            tensor.stride,
            tensor.offset,
        )

    try:
        return load_plain(pickled, stored=stored)
    except RefusedGlobal as error:
        raise BundleError(
            f"refused: it wants {error}, and nothing in a file of weights is run; only tensors"
            " and plain containers are read",
            path=path,
            remedy="take the safetensors form, where there is one",
        ) from error
    except NotPlain as error:
        raise BundleError(f"cannot be read safely: {error}", path=path) from error


def _first_byte(path: Path, entry: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return int(entry.header_offset + _LOCAL_HEADER.size + name + extra)
