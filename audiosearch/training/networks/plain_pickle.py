"""An unpickler for tensors and plain containers; every other global is refused by its name.

In: the bytes of a pickle. Out: dicts, lists, tuples, sets, numbers, texts, and what the caller
makes of each tensor. A pickle is a program that may call whatever it names, so it is given a
fixed table of harmless stand-ins and nothing else: none of its names is ever imported. NumPy's
scalars and arrays, which training checkpoints hold beside their weights, become `Skipped`.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from audiosearch.errors import AudiosearchError


class RefusedGlobal(Exception):
    """The pickle names something that is no tensor and no plain container."""


class NotPlain(Exception):
    """The bytes are no pickle of plain things."""


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers are: the record `key`, of `n_elements`."""

    key: str
    dtype: torch.dtype
    n_elements: int


@dataclass(frozen=True)
class PickledTensor:
    """A tensor as a pickle describes it: a view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Skipped:
    """In place of something harmless that is not needed; keeps nothing."""

    def __init__(self, *arguments: object) -> None:
        """Take anything."""

    def __setstate__(self, state: object) -> None:
        """Take anything."""


class _Dtype:
    """A storage class or dtype named in a pickle; not callable."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_DTYPES = (
    "uint8",
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "bool",
)
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, content: bytes, *, stored: Callable[[PickledTensor], object]) -> None:
        super().__init__(io.BytesIO(content))
        self._known: Mapping[tuple[str, str], Any] = MappingProxyType(
            {
                ("collections", "OrderedDict"): OrderedDict,
                ("builtins", "set"): set,
                ("builtins", "frozenset"): frozenset,
                ("torch", "Size"): tuple,
                ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: stored(_tensor(*parts)),
                ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
                **{("torch", name): _Dtype(dtype) for name, dtype in _STORAGES.items()},
                **{("torch", name): _Dtype(getattr(torch, name)) for name in _DTYPES},
                **{(module, "scalar"): Skipped for module in _NUMPY},
                **{(module, "_reconstruct"): Skipped for module in _NUMPY},
                ("numpy", "dtype"): Skipped,
                ("numpy", "ndarray"): Skipped,
                ("_codecs", "encode"): Skipped,  # how old pickles write the bytes of a scalar
            }
        )

    def find_class(self, module: str, name: str, /) -> Any:
        """The stand-in for a global, or a refusal."""
        module = "builtins" if module == "__builtin__" else module  # Python 2's name for it
        try:
            return self._known[module, name]
        except KeyError:
            raise RefusedGlobal(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Storage:
        """The storage that a pickle refers to."""
        match pid:
            case ("storage", _Dtype() as kind, str() as key, str(), int() as count) if count >= 0:
                return Storage(key=key, dtype=kind.dtype, n_elements=count)
        raise NotPlain("a reference to something that is no storage")


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: object) -> PickledTensor:
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Storage) or not all(type(n) is int for n in numbers):
        raise NotPlain("a tensor without a storage")
    if len(shape) != len(stride):
        raise NotPlain("a tensor of unfit shape")
    return PickledTensor(storage, offset, tuple(shape), tuple(stride))


def _no_tensors(_: PickledTensor) -> object:
    raise NotPlain("a tensor where none belongs")


def load_plain(
    content: bytes, *, stored: Callable[[PickledTensor], object] = _no_tensors
) -> object:
    """What a pickle holds, `stored` called for each tensor.

    Raises:
        RefusedGlobal: it names anything outside the table.
        NotPlain: it is no pickle, or not of such things.
    """
    try:
        result: object = _PlainUnpickler(content, stored=stored).load()
    except (RefusedGlobal, NotPlain, AudiosearchError, MemoryError):
        raise
    except Exception as error:  # bytes that are no pickle fail in every way
        raise NotPlain(f"{type(error).__name__}: {error}") from error
    return result
