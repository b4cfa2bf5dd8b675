"""Files of weights of others, read without running anything in them.

torch's restricted unpickler reads PyTorch's files: it calls what rebuilds tensors and nothing else.
NumPy's scalars and arrays, which training checkpoints hold beside their weights, become `Skipped`.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from audiosearch.errors import BundleError

_ZIP_MAGIC = b"PK\x03\x04"
# What PyTorch before 1.6 began its files with, as many published ones still do: a pickled number.
_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_OLD_FORM = "save it again with a current PyTorch, or as safetensors"
_REFUSED = "and nothing in a file of weights is run; only tensors and plain containers are read"


class Skipped:
    """In place of something harmless that is not needed; keeps nothing."""

    def __init__(self, *arguments: object) -> None:
        """Take anything."""

    def __setstate__(self, state: object) -> None:
        """Take anything."""


_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *(
        (Skipped, f"{module}.{name}")
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("scalar", "_reconstruct")
    ),
    (Skipped, "numpy.dtype"),
    (Skipped, "numpy.ndarray"),
]


def read_weights(path: Path) -> dict[str, Any]:
    """What a file of weights holds: tensors, and plain values beside them.

    Raises:
        BundleError: the file cannot be read, is neither safetensors nor PyTorch's, or
            holds anything but tensors, numbers, texts and containers of these.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_OLD_MAGIC))
        if start.startswith(_ZIP_MAGIC):
            content: object = _read_pytorch(path)
        elif start == _OLD_MAGIC:
            content = _read_old_pytorch(path)
        elif start[8:9] == b"{":
            content = load_file(path)
        elif names := _names_in_pickle(path):
            raise BundleError(
                f"refused: it wants {', '.join(names)}, {_REFUSED}", path=path, remedy=_OLD_FORM
            )
        else:
            raise BundleError(
                "is neither safetensors nor one of PyTorch's forms", path=path, remedy=_OLD_FORM
            )
    except SafetensorError as error:
        raise BundleError(f"is no sound safetensors file: {error}", path=path) from error
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror or error}", path=path) from error
    if not isinstance(content, dict):
        raise BundleError("holds no dictionary of parameters", path=path)
    return content


def tensors_of(table: dict[Any, Any], *, under: str = "") -> dict[str, Tensor]:
    """The tensors of a dictionary whose names begin with `under`, named by what follows it."""
    return {
        name.removeprefix(under): value
        for name, value in table.items()
        if isinstance(name, str) and name.startswith(under) and isinstance(value, Tensor)
    }


def read_model_state(path: Path) -> dict[str, Tensor]:
    """The parameters in a file of weights: bare, or under "model".

    Raises:
        BundleError: the file cannot be read safely.
    """
    content = read_weights(path)
    inner = content.get("model", content)
    return tensors_of(inner) if isinstance(inner, dict) else {}


def load_parameters(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load the parameters of the file `path`, which must fit one to one.

    Raises:
        BundleError: one is missing, unknown or of another size.
    """
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise BundleError(f"parameters do not fit: {error}", path=path) from error


def read_plain_pickle(content: bytes) -> object:
    """What a pickle of containers, numbers and texts holds.

    Raises:
        BundleError: it names anything that would have to be imported, or is no pickle.
    """
    try:
        result: object = _PlainUnpickler(io.BytesIO(content)).load()
    except (BundleError, MemoryError):
        raise
    except Exception as error:  # bytes that are no pickle fail in every way
        raise BundleError(f"cannot be read safely: {type(error).__name__}: {error}") from error
    return result


def _names_in_pickle(path: Path) -> list[str]:
    """What a bare pickle would have imported, which is not done; none where it is no pickle."""
    names: dict[str, None] = {}
    texts: list[str] = []
    memo: dict[int, str] = {}
    try:
        with path.open("rb") as file:
            for code, argument, _ in pickletools.genops(file):
                if code.name == "GLOBAL":
                    names[str(argument).replace(" ", ".", 1)] = None
                elif code.name == "STACK_GLOBAL":
                    names[".".join(texts[-2:])] = None
                elif code.name == "MEMOIZE" or code.name.endswith("PUT"):
                    memo[len(memo) if argument is None else int(argument)] = "".join(texts[-1:])
                elif code.name.endswith("GET"):
                    texts.append(memo.get(int(argument or 0), ""))
                elif isinstance(argument, str):
                    texts.append(argument)
    except ValueError:  # no pickle, or no whole one
        pass
    return list(names)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        """Nothing is imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise BundleError(f"refused: it wants {module}.{name}, {_REFUSED}")


def _read_old_pytorch(path: Path) -> object:
    """As `_read_pytorch`, of the form before PyTorch 1.6, which cannot be mapped."""
    try:
        with warnings.catch_warnings(), safe_globals(_STAND_INS):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # damaged pickles fail in every way
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise BundleError(
                f"refused: it wants {named[1]}, {_REFUSED}", path=path, remedy=_OLD_FORM
            ) from error
        first = str(error).partition("\n")[0]
        raise BundleError(
            f"cannot be read safely: {first or type(error).__name__}", path=path, remedy=_OLD_FORM
        ) from error


def _read_pytorch(path: Path) -> object:
    try:
        # Mapped: what is not asked for, such as an optimiser's state, is not read.
        with warnings.catch_warnings(), safe_globals(_STAND_INS):
            warnings.simplefilter("ignore")  # of pickle protocols above 2: they are refused or read
            unsafe = get_unsafe_globals_in_checkpoint(path)
            if unsafe:
                raise BundleError(
                    f"refused: it wants {', '.join(sorted(unsafe))}, {_REFUSED}",
                    path=path,
                    remedy="take the safetensors form, where there is one",
                )
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (BundleError, MemoryError, OSError):
        raise
    except Exception as error:  # damaged zips and pickles fail in every way
        first = str(error).partition("\n")[0]
        raise BundleError(
            f"cannot be read safely: {first or type(error).__name__}", path=path, remedy=_OLD_FORM
        ) from error
