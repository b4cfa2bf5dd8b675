"""Arrays that stay on the device of a session, from one run to the next.

On a graphics card this keeps the large things of a beam off the bus. By the runtime's binding:
https://onnxruntime.ai/docs/performance/device-tensor.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audiosearch._typing import AnyArray


@dataclass(frozen=True)
class DeviceArray:
    """An array on a device; `numpy.asarray` gives a copy of it."""

    value: Any  # the runtime's own
    device: str  # cpu or cuda

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return tuple(self.value.shape())

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self.value.numpy(), dtype=dtype)


def bound_run(
    session: Any,
    names: Sequence[str],
    held: Sequence[str],
    feed: Mapping[str, AnyArray | DeviceArray],
    *,
    device: str,
) -> tuple[list[AnyArray], list[DeviceArray]]:
    """The outputs `names` as arrays, and the outputs `held` where they are.

    Args:
        session: the runtime's session.
        names: outputs that are fetched.
        held: outputs that stay on the device.
        feed: inputs; arrays are copied to the device once, held ones are used as they are.
        device: cpu or cuda, what the session runs on.
    """
    binding = session.io_binding()
    for name, given in feed.items():
        if isinstance(given, DeviceArray):
            binding.bind_ortvalue_input(name, given.value)
        else:
            binding.bind_cpu_input(name, np.ascontiguousarray(given))
    for name in names:
        binding.bind_output(name, "cpu")
    for name in held:
        binding.bind_output(name, device)
    binding.synchronize_inputs()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    outputs = binding.get_outputs()
    fetched: list[AnyArray] = [output.numpy() for output in outputs[: len(names)]]
    return fetched, [DeviceArray(output, device) for output in outputs[len(names) :]]
