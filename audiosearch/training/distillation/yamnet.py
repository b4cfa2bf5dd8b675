"""YAMNet as a teacher: what it makes of each patch of 0.975 s, as the 8-bit numbers it computes.

Needed at training time only (`ai-edge-litert`, in the extra `train`). The layers that it gives no
output for are found by their shapes, since a converted file keeps no stable names.
"""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audiosearch.errors import AudiosearchError

SAMPLE_RATE = 16_000
PATCH_SAMPLES = 15_600
HOP_SAMPLES = 7_680
CLASSES, FEATURES = 521, 1024
_SCORE_SCALE = 1 / 256  # of the sigmoid's own 8-bit output, which is coarser than the logits
_LOUDEST = 0.9

Samples = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class ByteScale:
    """What an 8-bit number stands for: `step * (number - zero)`."""

    step: float
    zero: int

    def real(self, values: Bytes) -> npt.NDArray[np.float32]:
        """The numbers meant, of the same shape."""
        return np.float32(self.step) * (values.astype(np.float32) - self.zero)


@dataclass(frozen=True)
class TaughtPatches:
    """What a teacher makes of a sound, patch by patch."""

    logits: Bytes
    """`(P, C)`: before the sigmoid that gives the scores."""
    features: Bytes
    """`(P, D)`: the layer before the classifier."""


class Teacher(Protocol):
    """A tagger that hears patches of one length at a fixed hop, in 8-bit numbers."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        ...

    @property
    def logit_scale(self) -> ByteScale:
        """What its logits stand for."""
        ...

    @property
    def feature_scale(self) -> ByteScale:
        """What its features stand for."""
        ...

    def hear(self, waveform: Samples) -> TaughtPatches:
        """What it makes of `(N,)` samples at 16 kHz."""
        ...


class Yamnet:
    """Google's YAMNet from its TFLite file (classification variant, version 1).

    Raises:
        AudiosearchError: The file or the list of classes beside it is missing or another one, or
            `ai-edge-litert` is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = _interpreter(path)
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_tensor_details()
        logits = _only(details, CLASSES, path=path)
        features = _only(details, FEATURES, path=path)
        self._logits, self.logit_scale = int(logits["index"]), _scale(logits)
        self._features, self.feature_scale = int(features["index"]), _scale(features)
        self.classes = read_classes(path.with_name("yamnet_class_map.csv"))

    def hear(self, waveform: Samples) -> TaughtPatches:
        """What it makes of `(N,)` samples; shorter sounds are one patch, filled with silence.

        It hears every sound at one peak level, so that what a sound is does not hang on how loud
        it was recorded.
        """
        peak = float(np.abs(waveform).max(initial=0.0))
        levelled = waveform * np.float32(_LOUDEST / peak) if peak > 0 else waveform
        heard = [self._patch(levelled[at : at + PATCH_SAMPLES]) for at in starts(waveform.size)]
        return TaughtPatches(
            logits=np.stack([one.logits for one in heard]),
            features=np.stack([one.features for one in heard]),
        )

    def _patch(self, samples: Samples) -> TaughtPatches:
        padded = np.zeros(PATCH_SAMPLES, np.float32)
        padded[: samples.size] = samples
        self._interpreter.set_tensor(self._input, padded)
        self._interpreter.invoke()
        return TaughtPatches(
            logits=self._interpreter.get_tensor(self._logits).reshape(-1),
            features=self._interpreter.get_tensor(self._features).reshape(-1),
        )


def starts(n_samples: int) -> range:
    """First samples of the patches that a sound of `n_samples` holds whole, at least one."""
    return range(0, max(0, n_samples - PATCH_SAMPLES) + 1, HOP_SAMPLES)


def read_classes(path: Path) -> tuple[str, ...]:
    """The names in the teacher's list of classes, in its order.

    Raises:
        AudiosearchError: it cannot be read, or holds another number of classes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            names = tuple(row["display_name"] for row in csv.DictReader(lines))
    except (OSError, KeyError) as error:
        raise AudiosearchError(f"cannot read the teacher's classes: {error}", path=path) from error
    if len(names) != CLASSES:
        raise AudiosearchError(f"lists {len(names)} classes in place of {CLASSES}", path=path)
    return names


def _interpreter(path: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  (training extra only)
    except ImportError as error:
        raise AudiosearchError(
            "the teacher needs ai-edge-litert", remedy="pip install 'audiosearch[train]'"
        ) from error
    try:
        with warnings.catch_warnings():
            # It says that keeping what lies between is meant for debugging; here it is what counts.
            warnings.simplefilter("ignore", UserWarning)
            found = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
        found.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise AudiosearchError(f"is no TFLite model: {error}", path=path) from error
    shape = tuple(found.get_input_details()[0]["shape"])
    if shape != (PATCH_SAMPLES,):
        raise AudiosearchError(f"takes {shape} in place of {PATCH_SAMPLES} samples", path=path)
    return found


def _only(details: list[dict[str, Any]], size: int, *, path: Path) -> dict[str, Any]:
    """The one activation of `size` 8-bit numbers, the scores themselves left out."""
    found = [
        detail
        for detail in details
        if detail["dtype"] is np.int8
        and int(np.prod(detail["shape"])) == size
        and detail["shape"][0] == 1
        and not np.isclose(detail["quantization"][0], _SCORE_SCALE)
    ]
    if len(found) != 1:
        raise AudiosearchError(f"has {len(found)} layers of {size} numbers, not one", path=path)
    return found[0]


def _scale(detail: dict[str, Any]) -> ByteScale:
    step, zero = detail["quantization"]
    return ByteScale(step=float(step), zero=int(zero))
