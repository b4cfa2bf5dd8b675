"""Our networks against numbers of the authors' own code, where its data is at hand.

Set AUDIOSEARCH_PARITY to a folder with `mini/` (small checkpoints with random weights, their
inputs and outputs). Tolerances are those of float32 on a CPU.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.convert.checkpoints import load_cnext_trans, load_convnext  # noqa: E402
from audiosearch.training.export.bundle import write_decoder_graphs  # noqa: E402
from audiosearch.training.export.graphs import GraphForm, write_graph  # noqa: E402
from audiosearch.training.export.parity import check_decoder_parity, open_session  # noqa: E402
from audiosearch.training.export.published_graph import inference_form  # noqa: E402
from audiosearch.training.networks.decoder import caption_cross_entropy  # noqa: E402
from audiosearch.training.networks.frontend import PAPER_FRONTEND, LogMel  # noqa: E402

FOLDER = os.environ.get("AUDIOSEARCH_PARITY")
pytestmark = pytest.mark.skipif(
    FOLDER is None or not (Path(FOLDER) / "mini").is_dir(),
    reason="AUDIOSEARCH_PARITY does not name a folder of reference numbers with mini/",
)

CLIPS = ("a10", "a3_7", "a12_34", "tiny0_3")
BOS, EOS = 1, 2


@pytest.fixture(scope="module")
def mini() -> Path:
    return Path(FOLDER or "") / "mini"


@pytest.fixture(scope="module")
def arrays(mini):
    return np.load(mini / "decoder_mini.npz")


@pytest.fixture(scope="module")
def decoder(mini):
    return load_cnext_trans(mini / "cnext_trans_mini_random.ckpt")


@pytest.mark.parametrize("form", ["trained", "exported"])
@pytest.mark.parametrize("clip", CLIPS)
def test_encoder_gives_the_published_numbers(mini, clip, form):
    network = load_convnext(mini / "convnext_mini_random.pth")
    log_mel = LogMel(PAPER_FRONTEND)
    if form == "exported":
        log_mel, network = inference_form(PAPER_FRONTEND, network)
    expected = np.load(mini / "encoder_mini.npz")
    waveform = torch.from_numpy(np.load(mini / "audio.npz")[clip]).unsqueeze(0)
    with torch.no_grad():
        heard = network(log_mel(waveform))
    frames = heard.frames[0].T.numpy()
    np.testing.assert_allclose(frames, expected[f"{clip}.frame_embs"], atol=1e-4)
    np.testing.assert_allclose(heard.embedding[0], expected[f"{clip}.clip_emb"], atol=1e-4)
    np.testing.assert_allclose(heard.logits[0], expected[f"{clip}.logits"], atol=1e-4)
    probabilities = torch.sigmoid(heard.logits)[0]
    np.testing.assert_allclose(probabilities, expected[f"{clip}.probs"], atol=1e-5)


def test_encoder_gives_the_published_numbers_as_onnx(mini, tmp_path):
    class Frames(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            network = load_convnext(mini / "convnext_mini_random.pth")
            self.log_mel, self.network = inference_form(PAPER_FRONTEND, network)

        def forward(self, waveform):
            heard = self.network(self.log_mel(waveform))
            return heard.frames, heard.logits

    form = GraphForm(
        inputs={"waveform": ("batch", "samples")},
        outputs={"frames": ("batch", "frames"), "logits": ("batch",)},
    )
    write_graph(Frames(), [torch.randn(2, 64_000)], form=form, path=tmp_path / "encoder.onnx")
    session = open_session(tmp_path / "encoder.onnx")
    expected, audio = np.load(mini / "encoder_mini.npz"), np.load(mini / "audio.npz")
    for clip in CLIPS:
        frames, logits = session.run(["frames", "logits"], {"waveform": audio[clip][None]})
        np.testing.assert_allclose(frames[0].T, expected[f"{clip}.frame_embs"], atol=1e-4)
        np.testing.assert_allclose(logits[0], expected[f"{clip}.logits"], atol=1e-4)


def test_projection_gives_the_published_memory(decoder, arrays):
    with torch.no_grad():
        memory = decoder.project(torch.from_numpy(arrays["frame_embs_in"]))
    for row, length in enumerate(arrays["lens"]):
        expected = arrays["memory"][row, :, :length].T
        np.testing.assert_allclose(memory[row, :length], expected, atol=1e-4)


def test_logits_of_own_captions(decoder, arrays):
    captions = torch.from_numpy(arrays["caps"])
    with torch.no_grad():
        logits = decoder(
            decoder.project(torch.from_numpy(arrays["frame_embs_in"])),
            torch.from_numpy(arrays["lens"]),
            captions[:, :-1],
        )
    expected = arrays["logits_diag"].transpose(0, 2, 1)
    scored = (captions[:, 1:] != 0).numpy()
    np.testing.assert_allclose(logits.numpy()[scored], expected[scored], atol=1e-4)


def test_cross_entropy_of_every_pair(decoder, arrays):
    captions = torch.from_numpy(arrays["caps"])
    lengths = torch.from_numpy(arrays["lens"])
    count = len(captions)
    with torch.no_grad():
        frames = decoder.project(torch.from_numpy(arrays["frame_embs_in"]))
        rows = []
        for sound in range(count):
            logits = decoder(
                frames[sound].expand(count, -1, -1),
                lengths[sound].expand(count),
                captions[:, :-1],
            )
            rows.append(caption_cross_entropy(logits, captions[:, 1:]))
    np.testing.assert_allclose(torch.stack(rows), arrays["CE"], atol=1e-4)


def test_exported_decoder_agrees_and_scores_alike(decoder, arrays, tmp_path):
    write_decoder_graphs(decoder, folder=tmp_path)
    with torch.no_grad():
        frames = decoder.project(torch.from_numpy(arrays["frame_embs_in"])).numpy()
    check_decoder_parity(decoder, frames[:3], folder=tmp_path)
    log_probs = _teacher_forced(tmp_path, decoder, frames, arrays)
    captions = arrays["caps"]
    wanted = captions[:, 1:]
    taken = np.take_along_axis(log_probs, wanted[..., None], axis=2)[..., 0]
    losses = -(taken * (wanted != 0)).sum(axis=1) / (wanted != 0).sum(axis=1)
    np.testing.assert_allclose(losses, np.diagonal(arrays["CE"]), atol=1e-4)


def _teacher_forced(folder, decoder, frames, arrays):
    config = decoder.config
    memory = open_session(folder / "memory.onnx")
    keys, values = memory.run(["memory_keys", "memory_values"], {"frames": frames})
    empty = np.zeros(
        (len(frames), config.layers, config.heads, 0, config.dim // config.heads), np.float32
    )
    session = open_session(folder / "decoder.onnx")
    (log_probs,) = session.run(
        ["log_probs"],
        {
            "tokens": arrays["caps"][:, :-1],
            "past_keys": empty,
            "past_values": empty,
            "memory_keys": keys,
            "memory_values": values,
            "memory_lengths": arrays["lens"],
        },
    )
    return log_probs


def test_greedy_captions_are_the_published_ids(decoder, arrays):
    forbidden = torch.from_numpy(arrays["forbid_rep_mask"])
    expected = arrays["greedy"]
    for row, length in enumerate(arrays["lens"]):
        features = torch.from_numpy(arrays["frame_embs_in"][row : row + 1, :length])
        found = _greedy(decoder, features, forbidden, minimum=3, maximum=20)
        wanted = [int(token) for token in expected[row] if token != 0]
        assert _before_end(found) == _before_end(wanted)


def _before_end(ids):
    words = [token for token in ids if token != BOS]
    return words[: words.index(EOS)] if EOS in words else words


def _greedy(decoder, features, forbidden, *, minimum, maximum):
    ids = [BOS]
    with torch.no_grad():
        frames = decoder.project(features)
        lengths = torch.tensor([features.shape[1]])
        for step in range(maximum):
            logits = decoder(frames, lengths, torch.tensor([ids]))[0, -1]
            if step < minimum:
                logits[EOS] = -torch.inf
            for token in ids:
                if forbidden[token]:
                    logits[token] = -torch.inf
            ids.append(int(logits.argmax()))
            if ids[-1] == EOS:
                break
    return ids
