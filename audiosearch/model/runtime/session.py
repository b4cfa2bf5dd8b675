"""Sessions of ONNX Runtime: which device, how many threads, and what is really used.

A graphics card that is asked for and cannot be used is reported (`Device.note`, and a warning in
the log); the same graph then runs on the CPU.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from audiosearch._typing import AnyArray, Floats
from audiosearch.config import ModelConfig
from audiosearch.errors import BundleError
from audiosearch.model.bundle import BundleFile
from audiosearch.model.layer_pieces import layers_in_pieces
from audiosearch.model.pointwise import pointwise_as_convolutions
from audiosearch.model.runtime.device_array import DeviceArray, bound_run
from audiosearch.model.runtime.parallel import MOST, pause_if_wanted
from audiosearch.model.runtime.providers import (
    CPU,
    CUDA,
    Providers,
    available_cores,
    cuda_remedy,
    wanted_providers,
)

log = logging.getLogger(__name__)

_one_arena = threading.Event()  # whether sessions share what they compute in


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """What sessions run on.

    Attributes:
        device: auto, cpu or cuda.
        threads: 0 = one a core.
        hold: whether what one run gives and the next one takes stays on the device; None: on a
            graphics card only, since on the CPU it is there anyway.
        exact: whether all is computed in float32 even where a bundle has graphs in 8 bits.
    """

    device: str = "auto"
    threads: int = 0
    hold: bool | None = None
    exact: bool = False

    @classmethod
    def of(cls, config: ModelConfig) -> RuntimeOptions:
        """What the settings say."""
        return cls(device=config.device, threads=config.threads, exact=config.exact)

    @property
    def cores(self) -> int:
        """How many cores may be kept busy."""
        return self.threads or available_cores()

    def for_processor(self, graphs: Mapping[str, BundleFile], name: str) -> BundleFile | None:
        """The graph `name` of those for processors, where there is one and it is to be used."""
        if name not in graphs or self.exact:
            return None
        providers, _ = wanted_providers(onnx_runtime(), self.device)
        return graphs[name] if providers[0][0] == CPU else None


@dataclass(frozen=True)
class Device:
    """What a session really runs on."""

    provider: str  # ONNX Runtime's name, such as CPUExecutionProvider
    note: str | None = None  # why it is not what was asked for

    @property
    def name(self) -> str:
        """The device in a word: cpu or cuda."""
        return "cuda" if self.provider == CUDA else "cpu"


class OutOfMemory(Exception):
    """The device has no room for this batch; a smaller one may pass."""


class Lost(OutOfMemory):
    """An array is held on a card that is no longer used; it has to be made anew."""


class GraphSession:
    """One loaded graph.

    `fused` lets the runtime look for operators to join and for better memory layouts. Convolutions
    gain much from it, small decoders nothing, and it takes a fifth of the time to load.
    `shared` keeps cores free for other runs of it at the same time (`workers`); a run of a session
    that is not shared uses them all.
    """

    def __init__(
        self,
        graph: BundleFile,
        *,
        options: RuntimeOptions,
        fused: bool = False,
        shared: bool = True,
    ) -> None:
        self._graph = graph
        self._options = options
        self._fused = fused
        self._shared = shared
        wanted, reason = wanted_providers(onnx_runtime(), options.device)
        try:
            self._session = self._load(wanted)
        except Exception as error:
            if len(wanted) == 1 or not _is_runtime_error(error):
                raise _unfit(graph, error) from error
            reason = f"the graphics card cannot be used: {_first_line(error)}"
            self._session = self._load([(CPU, {})])
        used = str(self._session.get_providers()[0])
        if wanted[0][0] == CUDA and used != CUDA:
            reason = reason or "CUDA or cuDNN libraries are missing"
        remedy = f"{cuda_remedy(onnx_runtime())}, or set model.device to cpu"
        self.device = Device(used, None if reason is None else f"{reason}; {remedy}")
        _say(self.device.note)
        self.inputs = tuple(str(item.name) for item in self._session.get_inputs())
        self.outputs = tuple(str(item.name) for item in self._session.get_outputs())

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the device busy; see `parallel_map`."""
        if not self._shared or self.device.name == "cuda":
            return 1
        return min(self._options.cores, MOST)

    @property
    def holds(self) -> bool:
        """Whether outputs can stay on the device (`run_holding`)."""
        hold = self._options.hold
        return self.device.name == "cuda" if hold is None else hold

    def _load(self, providers: Providers) -> Any:
        content = self._graph.read()
        if self._fused and providers[0][0] == CPU:
            content = layers_in_pieces(pointwise_as_convolutions(content))
        runtime = onnx_runtime()
        settings = runtime.SessionOptions()
        levels = runtime.GraphOptimizationLevel
        settings.graph_optimization_level = (
            levels.ORT_ENABLE_ALL if self._fused else levels.ORT_ENABLE_BASIC
        )
        settings.log_severity_level = 4
        cores = self._options.cores
        # Each run brings a thread of its own; only cores beyond these need one of the runtime.
        settings.intra_op_num_threads = cores - min(cores, MOST) + 1 if self._shared else cores
        settings.inter_op_num_threads = 1
        # Threads that wait for each other at every operator spin, but not beyond a run: between
        # the graphs of one query they would take the cores from the graph that runs.
        spin = "0" if self._shared else "1"
        settings.add_session_config_entry("session.intra_op.allow_spinning", spin)
        settings.add_session_config_entry("session.force_spinning_stop", "1")
        if _one_arena.is_set() and providers[0][0] == CPU:
            _make_arena()
            settings.add_session_config_entry("session.use_env_allocators", "1")
        return runtime.InferenceSession(
            content,
            sess_options=settings,
            providers=providers,
            enable_fallback=0,  # its own way back to the CPU prints to stdout, where results go
        )

    def run(self, names: Sequence[str], feed: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The outputs `names` for the inputs `feed`.

        Raises:
            OutOfMemory: the device has no room for this batch, or the card gave up.
            BundleError: the graph does not take these inputs.
        """
        pause_if_wanted()
        try:
            outputs: list[AnyArray] = self._session.run(list(names), dict(feed))
        except Exception as error:
            if not _is_runtime_error(error):
                raise
            raise self._failure(error) from error
        return outputs

    def run_holding(
        self, names: Sequence[str], held: Sequence[str], feed: Mapping[str, AnyArray | DeviceArray]
    ) -> tuple[list[AnyArray], list[AnyArray] | list[DeviceArray]]:
        """The outputs `names` as arrays, and the outputs `held` where the graph runs.

        Inputs may be held too. A session that does not hold gives arrays for `held`.

        Raises:
            OutOfMemory: as for `run`.
            Lost: an input is held on another device than the session's.
            BundleError: the graph does not take these inputs.
        """
        device = self.device.name
        arrays: dict[str, AnyArray] = {}
        for name, given in feed.items():
            if not isinstance(given, DeviceArray):
                arrays[name] = given
            elif given.device != device or not self.holds:
                raise Lost(f"{name} is held on a device that is no longer used")
        if not self.holds:
            outputs = self.run([*names, *held], arrays)
            return outputs[: len(names)], outputs[len(names) :]
        pause_if_wanted()
        try:
            return bound_run(self._session, names, held, feed, device=device)
        except Exception as error:
            if not _is_runtime_error(error):
                raise
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> Exception:
        """What the runtime's error is to those above."""
        if _is_out_of_memory(error):
            return OutOfMemory(_first_line(error))
        return _unfit(self._graph, error)

    def run_anywhere(self, names: Sequence[str], feed: Mapping[str, AnyArray]) -> list[AnyArray]:
        """As `run`, on the CPU from now on if the graphics card has no room.

        Raises:
            MemoryError: the CPU has none either.
            BundleError: the graph does not take these inputs.
        """
        try:
            return self.run(names, feed)
        except OutOfMemory as error:
            if self.device.name != "cuda":
                raise MemoryError(f"no memory to run the model: {error}") from error
            self.use_cpu(reason=f"the graphics card gave up ({error}); using the CPU")
        return self.run_anywhere(names, feed)

    def use_cpu(self, *, reason: str) -> None:
        """Load the same graph on the CPU in place of the card, and say why."""
        self._session = self._load([(CPU, {})])
        self.device = Device(CPU, reason)
        _say(reason)


def share_arena() -> None:
    """Let sessions on the CPU, from now on, compute in one piece of memory instead of one each.

    For a process that runs graphs in turn and then ends: it is never given back.
    """
    _one_arena.set()


@cache
def _make_arena() -> None:
    runtime = onnx_runtime()
    place = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    runtime.create_and_register_allocator(place, runtime.OrtArenaCfg(0, -1, -1, -1))


@cache
def onnx_runtime() -> ModuleType:
    """ONNX Runtime; nothing in this package imports it otherwise.

    Its builds for graphics cards look up a host for telemetry, and leave a file in the temporary
    folder, unless this variable says otherwise before the import; a person's own value stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415 - 30 ms that most commands need not pay

    module: ModuleType = onnxruntime
    module.set_default_logger_severity(4)  # what goes wrong comes as exceptions
    return module


def _is_runtime_error(error: Exception) -> bool:
    """Whether ONNX Runtime raised it: its exceptions share no base class but Exception."""
    return type(error).__module__.startswith("onnxruntime.") or isinstance(
        error, (RuntimeError, ValueError)
    )


def _is_out_of_memory(error: Exception) -> bool:
    if type(error).__name__ == "EPFail":  # the card failed in the middle; the CPU may not
        return True
    text = str(error).lower()
    return "failed to allocate memory" in text or "out of memory" in text or "bad_alloc" in text


def _unfit(graph: BundleFile, error: Exception) -> BundleError:
    return BundleError(
        f"ONNX Runtime refuses it: {_first_line(error)}",
        path=graph.path,
        remedy="audiosearch models verify; or get the bundle again",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@cache
def _say(note: str | None) -> None:
    """Log a note, once a process."""
    if note is not None:
        log.warning("%s", note)


def empty(shape: Sequence[int]) -> Floats:
    """A float32 array without content, such as the caches before the first step."""
    return np.zeros(tuple(shape), dtype=np.float32)
