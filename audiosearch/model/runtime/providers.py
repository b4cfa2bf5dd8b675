"""What ONNX Runtime may run on here: providers, graphics cards, cores. Loads nothing."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from functools import cache
from types import ModuleType

Providers = list[tuple[str, dict[str, str]]]  # names with options, the first that works is used

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    "use_tf32": "0",  # its 10-bit products would not give the CPU's answers
    "cudnn_conv_algo_search": "HEURISTIC",  # a full search is repeated for every new length
    "arena_extend_strategy": "kSameAsRequested",
}


def cuda_remedy(runtime: ModuleType) -> str:
    """What a user does so that `runtime` can run on a graphics card.

    Its two builds are packages that lie in the same folder: one takes the other's place only after
    that is gone.
    """
    install = "pip install 'audiosearch[cuda]'"
    if CUDA not in runtime.get_available_providers():
        install = f"pip uninstall onnxruntime, then {install}"
    return install


def wanted_providers(runtime: ModuleType, device: str) -> tuple[Providers, str | None]:
    """Providers of `runtime` to try, and why the one asked for is not among them."""
    cpu: tuple[str, dict[str, str]] = (CPU, {})
    if device == "cpu":
        return [cpu], None
    if CUDA not in runtime.get_available_providers():
        missing = "this build of ONNX Runtime has no CUDA"
        return [cpu], missing if device == "cuda" else None
    if count_cuda_devices() == 0:
        return [cpu], "no graphics card was found" if device == "cuda" else None
    if hasattr(runtime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints; what fails shows later
            runtime.preload_dlls()  # finds the CUDA libraries that pip installed
    return [(CUDA, dict(_CUDA_OPTIONS)), cpu], None


@cache
def _driver() -> ctypes.CDLL | None:
    """The CUDA driver, ready for use; None without one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return None if driver.cuInit(0) else driver
    except (OSError, AttributeError):
        return None


@cache
def count_cuda_devices() -> int:
    """Graphics cards that the CUDA driver sees; 0 without a driver."""
    driver, count = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def free_card_memory() -> int | None:
    """Bytes that are free on the first graphics card, which sessions use; None if nobody tells.

    It asks in the context that the runtime of CUDA works in too, so ask once a session uses the
    card (https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__PRIMARY__CTX.html).
    """
    driver = _driver()
    card, context = ctypes.c_int(0), ctypes.c_void_p()
    if driver is None or driver.cuDeviceGet(ctypes.byref(card), 0):
        return None
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), card):
        return None
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    try:
        if driver.cuCtxPushCurrent_v2(context):
            return None
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(card)
    return None if failed else free.value


def card_name() -> str | None:
    """What the first graphics card calls itself; None without one."""
    driver = _driver()
    card, name = ctypes.c_int(0), ctypes.create_string_buffer(256)
    if driver is None or driver.cuDeviceGet(ctypes.byref(card), 0):
        return None
    return None if driver.cuDeviceGetName(name, len(name), card) else name.value.decode()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
