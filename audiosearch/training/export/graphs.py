"""Torch modules in the exact form of a bundle's graphs, traced into ONNX files.

Inputs and outputs carry the names that `model` asks for; batch, time and word axes may vary.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.export.onnx_files import save_graph
from audiosearch.training.export.published_graph import inference_form
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.decoder import CaptionDecoder, CaptionerNetwork
from audiosearch.training.networks.frontend import FrontendConfig
from audiosearch.training.networks.tags import TagHead, tag_evidence

OPSET = 17


class EncoderGraph(nn.Module):
    """Waveform to memory frames, embedding, joint vector (if there is one) and tags."""

    def __init__(
        self,
        frontend: FrontendConfig,
        encoder: ConvNext,
        decoder: CaptionerNetwork,
        head: TagHead | None,
    ) -> None:
        super().__init__()
        self.log_mel, self.encoder = inference_form(frontend, encoder)
        self.trained = encoder  # whose tags are asked for parts; what is not asked is not exported
        self.decoder = decoder
        self.head = head

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """`(B, N)` to frames `(B, T, D)`, embedding `(B, E)`, joint `(B, J)`, tags `(B, C)`."""
        heard = self.encoder(self.log_mel(waveform))
        frames = self.decoder.project(heard.frames)
        embedding = functional.normalize(heard.embedding, dim=1)
        tags = torch.sigmoid(heard.logits)
        if self.head is None:
            return frames, embedding, tags
        return frames, embedding, self.head(tag_evidence(self.trained, heard.frames)), tags


class MemoryGraph(nn.Module):
    """Memory frames to the keys and values that the decoder attends to."""

    def __init__(self, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, D)` to two times `(B, L, H, T, d)`."""
        memory = self.decoder.memory(frames, torch.zeros(1, dtype=torch.long))
        return memory.keys, memory.values


@dataclass(frozen=True)
class GraphForm:
    """Names of a graph's inputs and outputs, with the names of their axes that vary."""

    inputs: dict[str, tuple[str, ...]]
    outputs: dict[str, tuple[str, ...]]


_MEMORY = ("batch", "", "", "frames")

ENCODER_FORM = GraphForm(
    inputs={"waveform": ("batch", "samples")},
    outputs={
        "frames": ("batch", "frames"),
        "embedding": ("batch",),
        "joint": ("batch",),
        "tags": ("batch",),
    },
)
ENCODER_FORM_WITHOUT_JOINT = GraphForm(
    inputs=ENCODER_FORM.inputs,
    outputs={"frames": ("batch", "frames"), "embedding": ("batch",), "tags": ("batch",)},
)
MEMORY_FORM = GraphForm(
    inputs={"frames": ("batch", "frames")},
    outputs={"memory_keys": _MEMORY, "memory_values": _MEMORY},
)
TEXT_FORM = GraphForm(inputs={"tokens": ("batch", "words")}, outputs={"joint": ("batch",)})


def write_graph(
    network: nn.Module, example: Sequence[Tensor], *, form: GraphForm, path: Path
) -> None:
    """Trace a network with example inputs into an ONNX file, matrices as float16."""
    network.eval()
    axes = {
        name: {place: axis for place, axis in enumerate(names) if axis}
        for name, names in (form.inputs | form.outputs).items()
    }
    with warnings.catch_warnings():
        # The tracing exporter is announced as old (the new one needs more packages) and talks of
        # what it could not fold. Whether the graph is right is measured, by `parity`.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(example),
            str(path),
            input_names=list(form.inputs),
            output_names=list(form.outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    save_graph(onnx.load(path), path=path)
