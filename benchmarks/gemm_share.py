"""How much of what the processor can do an encoder does: floating-point operations a second.

python -m benchmarks.gemm_share [--bundle FOLDER]

One core. The peak is the fastest of several products of matrices, by the same runtime in the same
process; operations are those of the graph's products and convolutions, counted from the shapes that
the runtime's profile tells. The table has the operators by time.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from audiosearch._resources import bundled_models_path
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.layer_pieces import layers_in_pieces
from audiosearch.model.pointwise import pointwise_as_convolutions

RUNS = 15
PEAK_SHAPES = ((1024, 1024, 1024), (512, 512, 2048), (124, 640, 160))


@dataclass(frozen=True)
class Operator:
    """What the nodes of one operator take for one window."""

    name: str
    seconds: float
    flop: float


@dataclass(frozen=True)
class Share:
    """One window's cost on one core."""

    seconds: float  # of processor time
    flop: float
    peak_flops: float
    operators: Sequence[Operator]

    @property
    def flops(self) -> float:
        """Operations a second."""
        return self.flop / self.seconds

    @property
    def share(self) -> float:
        """Of the peak."""
        return self.flops / self.peak_flops


def measured_share(bundle: Bundle, *, convolutions: bool = True) -> Share:
    """Measure an encoder as it runs on the CPU; without `convolutions` as its file has it."""
    written = bundle.graphs["encoder"].read()
    content = layers_in_pieces(pointwise_as_convolutions(written)) if convolutions else written
    n_samples = round(bundle.window_s * bundle.sample_rate)
    sound = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32) / 10
    feed = {"waveform": sound}
    session = _session(content)
    seconds = min(_seconds(session, feed) for _ in range(RUNS))
    # Counted as it is written: blocked layouts fill channels up, which does no more work.
    flop = sum(each.flop for each in _operators(written, feed))
    return Share(seconds, flop, peak_flops(), _operators(content, feed))


def peak_flops() -> float:
    """Operations a second of the fastest product of matrices."""
    best = 0.0
    for rows, inner, columns in PEAK_SHAPES:
        right = numpy_helper.from_array(np.ones((inner, columns), np.float32), "right")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["left", "right"], ["out"])],
            "peak",
            [helper.make_tensor_value_info("left", TensorProto.FLOAT, [rows, inner])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [rows, columns])],
            [right],
        )
        opsets = [helper.make_opsetid("", 17)]
        session = _session(
            helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        )
        left = np.ones((rows, inner), np.float32)
        took = min(_seconds(session, {"left": left}) for _ in range(RUNS))
        best = max(best, 2 * rows * inner * columns / took)
    return best


def _session(content: bytes, *, profile: Path | None = None) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    if profile is not None:
        settings.enable_profiling = True
        settings.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])


def _seconds(session: Any, feed: dict[str, Any]) -> float:
    began = time.process_time()
    session.run(None, feed)
    return time.process_time() - began


def _operators(content: bytes, feed: dict[str, Any]) -> list[Operator]:
    with tempfile.TemporaryDirectory() as folder:
        session = _session(content, profile=Path(folder) / "profile")
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    least: dict[str, float] = {}  # of each node: the machine may be busy
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node, took = event["name"], event["dur"] / 1e6
            least[node] = min(took, least.get(node, took))
            told[node] = event["args"]
    seconds: dict[str, float] = defaultdict(float)
    flop: dict[str, float] = defaultdict(float)
    for node, arguments in told.items():
        seconds[arguments["op_name"]] += least[node]
        flop[arguments["op_name"]] += _flop(arguments)
    found = [Operator(name, took, flop[name]) for name, took in seconds.items()]
    return sorted(found, key=lambda each: -each.seconds)


def _flop(told: dict[str, Any]) -> float:
    """Multiplications and additions of one node; 0 for what is no product."""
    inputs: list[list[int]] = [next(iter(each.values())) for each in told["input_type_shape"]]
    outputs: list[list[int]] = [next(iter(each.values())) for each in told["output_type_shape"]]
    operator = told["op_name"]
    if "Conv" in operator:
        return 2.0 * math.prod(outputs[0]) * math.prod(inputs[1][1:])
    if "MatMul" in operator or "Gemm" in operator:
        rows = math.prod(outputs[0]) / outputs[0][-1]
        return 2.0 * math.prod(outputs[0]) * math.prod(inputs[0]) / rows
    return 0.0


@click.command()
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(bundle: Path | None) -> None:
    """Print an encoder's share of the processor's peak, and its operators."""
    loaded = load_bundle(bundle or bundled_models_path() / "starter")
    for name, convolutions in (("as its file has it", False), ("as it runs", True)):
        found = measured_share(loaded, convolutions=convolutions)
        click.echo(
            f"{name}: {1e3 * found.seconds:.2f} ms a window, {found.flop / 1e9:.2f} GFLOP,"
            f" {found.share:.0%} of a peak of {found.peak_flops / 1e9:.0f} GFLOP/s"
        )
        for each in found.operators[:10]:
            rate = f"{each.flop / each.seconds / 1e9:6.0f} GFLOP/s" if each.flop else ""
            click.echo(f"  {each.name:<20} {1e3 * each.seconds:7.3f} ms  {rate}")


if __name__ == "__main__":
    main()
