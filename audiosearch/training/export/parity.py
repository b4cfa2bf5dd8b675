"""Does the exported bundle compute what the trained networks compute?

Compared are several lengths and batches, words all at once, and words one by one with caches.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from audiosearch._typing import AnyArray
from audiosearch.errors import AudiosearchError
from audiosearch.model.runtime.session import onnx_runtime
from audiosearch.training.export.graphs import EncoderGraph
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.decoder import CaptionerNetwork

TOLERANCE = 1e-4

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def check_parity(networks: BundleNetworks, facts: BundleFacts, *, folder: Path) -> None:
    """Compare torch with ONNX Runtime on every graph of a bundle.

    Raises:
        AudiosearchError: An output differs by more than 1e-4 (of 1, or of its largest value).
    """
    frames = _check_encoder(networks, facts, folder)
    check_decoder_parity(networks.decoder, frames, folder=folder)
    if networks.tower is not None:
        words = networks.tower.sentence.config.pieces
        rng = np.random.default_rng(0)
        session = open_session(folder / "text.onnx")
        for count in (1, 5, 12):
            tokens = rng.integers(4, words, (3, count))
            tokens[0, max(1, count // 2) :] = 0
            with torch.no_grad():
                expected = networks.tower(torch.from_numpy(tokens)).numpy()
            (found,) = session.run(["joint"], {"tokens": tokens})
            compare(found, expected, what=f"text joint of {count} words", path=folder)


def open_session(path: Path) -> InferenceSession:
    """A CPU session; the runtime's own chatter is off, since problems come as exceptions."""
    options = onnx_runtime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    return onnx_runtime().InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _check_encoder(networks: BundleNetworks, facts: BundleFacts, folder: Path) -> AnyArray:
    graph = EncoderGraph(networks.frontend, networks.encoder, networks.decoder, networks.head)
    graph.eval()
    session = open_session(folder / "encoder.onnx")
    names = [item.name for item in session.get_outputs()]
    rate = networks.frontend.sample_rate
    frames: AnyArray = np.zeros(0, np.float32)
    rng = np.random.default_rng(0)
    for count in (facts.min_samples, int(1.37 * rate), int(facts.window_s * rate)):
        noise = rng.standard_normal((2, max(count, facts.min_samples))) * [[0.1], [0.01]]
        waveform = noise.astype(np.float32)
        with torch.no_grad():
            expected = graph(torch.from_numpy(waveform))
        found = session.run(names, {"waveform": waveform})
        for name, ours, theirs in zip(names, found, expected, strict=True):
            compare(ours, theirs.numpy(), what=f"{name} of {count} samples", path=folder)
        frames = found[names.index("frames")]
    return frames


def check_decoder_parity(network: CaptionerNetwork, frames: AnyArray, *, folder: Path) -> None:
    """Compare the decoder graphs with torch: all words at once, and one by one.

    Args:
        network: The decoder in torch.
        frames: `(B, T, frame_dim)` to attend to; the last row counts only half of them.
        folder: Where `memory.onnx` and `decoder.onnx` are.

    Raises:
        AudiosearchError: The log-probabilities differ by more than 1e-4.
    """
    network.eval()
    config = network.config
    batch, length = frames.shape[0], frames.shape[1]
    lengths = np.full(batch, length, np.int64)
    lengths[-1] = max(1, length // 2)
    rng = np.random.default_rng(1)
    tokens = rng.integers(4, config.vocabulary, (batch, 9))
    tokens[:, 0] = 1
    with torch.no_grad():
        logits = network(
            torch.from_numpy(frames), torch.from_numpy(lengths), torch.from_numpy(tokens)
        )
    expected = logits.log_softmax(dim=2).numpy()
    memory = open_session(folder / "memory.onnx")
    feed = {"frames": frames, "frame_lengths": lengths}
    taken = {item.name: feed[item.name] for item in memory.get_inputs()}
    keys, values = memory.run(["memory_keys", "memory_values"], taken)
    session = open_session(folder / "decoder.onnx")
    empty = np.zeros(
        (batch, config.layers, config.heads, 0, config.dim // config.heads), np.float32
    )

    def run(
        words: AnyArray, past: tuple[AnyArray, AnyArray]
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        outputs = session.run(
            ["log_probs", "present_keys", "present_values"],
            {
                "tokens": words,
                "past_keys": past[0],
                "past_values": past[1],
                "memory_keys": keys,
                "memory_values": values,
                "memory_lengths": lengths,
            },
        )
        return outputs[0], outputs[1], outputs[2]

    at_once, _, _ = run(tokens, (empty, empty))
    compare(at_once, expected, what="log_probs, all words at once", path=folder)
    past = (empty, empty)
    for place in range(tokens.shape[1]):
        step, *grown = run(tokens[:, place : place + 1], past)
        past = (grown[0], grown[1])
        compare(step[:, 0], expected[:, place], what=f"log_probs, word {place} alone", path=folder)


def compare(found: AnyArray, expected: AnyArray, *, what: str, path: Path) -> None:
    """See that an output is what torch gives.

    Raises:
        AudiosearchError: it differs by more than 1e-4, of 1 or of the largest value.
    """
    if found.shape != expected.shape:
        raise AudiosearchError(
            f"export failed: {what} has shape {found.shape}, torch gives {expected.shape}",
            path=path,
        )
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    difference = float(np.abs(found - expected).max(initial=0.0)) / scale
    if not difference <= TOLERANCE:
        raise AudiosearchError(
            f"export failed: {what} differs from torch by {difference:.2g}", path=path
        )
