"""Published layouts become bundles that say and compute what the checkpoint does."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.convert.checkpoints import read_published  # noqa: E402
from audiosearch.convert.importer import AUDIOSET_TAGS, import_published  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.decoder import Decoder  # noqa: E402
from audiosearch.model.encoder import Encoder  # noqa: E402
from audiosearch.model.scoring import CaptionScorer  # noqa: E402
from audiosearch.model.tokenizer import Splitting  # noqa: E402
from audiosearch.training.networks.decoder import caption_cross_entropy  # noqa: E402
from audiosearch.training.networks.frontend import PAPER_FRONTEND, LogMel  # noqa: E402
from tests.published_checkpoints import (  # noqa: E402
    WORDS,
    small_decoder,
    small_encoder,
    tokenizer_state,
    write_captioner,
    write_encoder,
    write_hub_folder,
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return write_hub_folder(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def bundle(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return load_bundle(import_published([hub], name="small", folder=folder))


def test_a_hub_folder_keeps_its_words_tasks_and_settings(bundle):
    vocabulary = bundle.vocabulary
    assert vocabulary.words[: len(WORDS)] == WORDS
    assert vocabulary.splitting is Splitting.ENGLISH
    assert dict(vocabulary.tasks) == {"clotho": len(WORDS), "audiocaps": len(WORDS) + 1}
    assert bundle.start_token == vocabulary.tasks["clotho"]
    assert vocabulary.repeatable == {4, 5}
    assert (bundle.beam.width, bundle.beam.min_tokens, bundle.beam.max_tokens) == (2, 2, 8)
    assert (bundle.decoder.heads, bundle.sample_rate, bundle.joint_dim) == (2, 32_000, 0)
    assert bundle.tags == AUDIOSET_TAGS


def test_there_are_527_tags_each_named_once():
    assert len(set(AUDIOSET_TAGS)) == 527
    known = {0: "Speech", 74: "Dog", 137: "Music", 300: "Vehicle", 500: "Silence", 526: ""}
    known[526] = "Field recording"
    assert {place: AUDIOSET_TAGS[place] for place in known} == known


def test_the_bundle_gives_the_numbers_of_the_networks(bundle):
    words = bundle.vocabulary.words
    encoder, captioner = small_encoder(), small_decoder(words)
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (48_000, 30_000, 7_360)]
    caption = bundle.vocabulary.encode("The man's dog doesn't bark")
    assert 3 not in caption
    found = Encoder(bundle).encode_many(sounds)
    decoder = Decoder(bundle)
    losses = CaptionScorer(decoder).cross_entropies(
        [caption], decoder.memory([encoded.frames for encoded in found])
    )[0]
    tokens = torch.tensor([[bundle.start_token, *caption, 2]])
    for sound, encoded, loss in zip(sounds, found, losses, strict=True):
        with torch.no_grad():
            heard = encoder(LogMel(PAPER_FRONTEND)(torch.from_numpy(sound)[None]))
            frames = captioner.project(heard.frames)
            logits = captioner(frames, torch.tensor([frames.shape[1]]), tokens[:, :-1])
        np.testing.assert_allclose(encoded.frames, frames[0], atol=1e-4)
        np.testing.assert_allclose(encoded.tags, torch.sigmoid(heard.logits)[0], atol=1e-5)
        expected = float(caption_cross_entropy(logits, tokens[:, 1:])[0])
        assert float(loss) == pytest.approx(expected, abs=1e-4)


def test_every_layout_gives_the_same_networks(hub, tmp_path):
    safe = write_hub_folder(tmp_path / "safe", safetensors=True)
    files = [
        write_encoder(tmp_path / "convnext.pth"),
        write_encoder(tmp_path / "bare.pth", under_model=False),
    ]
    [first, captioner] = read_published(hub)
    [second, again] = read_published(safe)
    encoders = [first, second, *(part for file in files for part in read_published(file))]
    for encoder in encoders[1:]:
        for one, other in zip(
            first.network.parameters(), encoder.network.parameters(), strict=True
        ):
            assert torch.equal(one, other)
    assert captioner.vocabulary == again.vocabulary


def test_an_encoder_and_a_captioner_from_two_files(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    write_captioner(tmp_path / "run" / "checkpoints" / "best.ckpt")
    paths = [tmp_path / "run", write_encoder(tmp_path / "convnext.pth")]
    bundle = load_bundle(import_published(paths, name="two", folder=tmp_path / "models"))
    assert bundle.vocabulary.words == WORDS
    assert not bundle.vocabulary.tasks
    assert bundle.start_token == bundle.vocabulary.bos
    with pytest.raises(BundleError, match="is there already"):
        import_published(paths, name="two", folder=tmp_path / "models")


def test_a_captioner_of_our_own_training(tmp_path):
    network = small_decoder(WORDS)
    from dataclasses import asdict  # noqa: PLC0415

    state = {
        "network": network.state_dict(),
        "config": json.dumps(asdict(network.config)),
        "words": list(WORDS),
    }
    torch.save(state, tmp_path / "decoder.pt")
    [part] = read_published(tmp_path / "decoder.pt")
    assert part.vocabulary.splitting is Splitting.SPACES
    assert part.network.config == network.config


@pytest.mark.parametrize("change", [{"nhead": 4}, {"nhead": 8}])
def test_the_number_of_heads_comes_from_the_settings(tmp_path, change):
    path = write_captioner(tmp_path / "best.ckpt", **change)
    assert read_published(path)[0].network.config.heads == change["nhead"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_decoder_layers": 3}, "do not fit"),
        ({"acti_name": "relu"}, "acti_name"),
        ({"nhead": "many"}, "unfit"),
        ({"task_names": ["macs"]}, "token for each"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, change, message):
    with pytest.raises(BundleError, match=message):
        read_published(write_captioner(tmp_path / "best.ckpt", **change))


def test_without_settings_the_heads_are_not_guessed(tmp_path):
    write_captioner(tmp_path / "best.ckpt")
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    del content["hyper_parameters"]
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(BundleError, match="number of heads"):
        read_published(tmp_path / "best.ckpt")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t["hparams"].update(level="char"), "level"),
        (lambda t: t["hparams"].update(lowercase=False), "lowercase"),
        (lambda t: t["itos"].update({1: "<sos>"}), "<sos>"),
        (lambda t: t["itos"].pop(7), "number its words"),
        (lambda t: t["itos"].popitem(), "words, its network"),
        (lambda t: t.pop("itos"), "older or unknown"),
    ],
)
def test_other_tokenizers_are_refused(tmp_path, edit, message):
    write_captioner(tmp_path / "best.ckpt")
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    state = tokenizer_state(WORDS)
    edit(state["tokenizer"])
    content["state_dict"]["tokenizers.0._extra_state"] = state
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(BundleError, match=message):
        read_published(tmp_path / "best.ckpt")


def test_a_folder_without_weights_and_half_a_model_are_refused(tmp_path):
    with pytest.raises(BundleError, match="no file of weights"):
        read_published(tmp_path)
    encoder = write_encoder(tmp_path / "convnext.pth")
    with pytest.raises(BundleError, match="one encoder and one captioner"):
        import_published([encoder], name="half", folder=tmp_path / "models")
    with pytest.raises(BundleError, match="no name"):
        import_published([encoder], name="../half", folder=tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_hub_tokenizer_that_would_run_something_is_refused(tmp_path):
    import pickle  # noqa: PLC0415

    folder = write_hub_folder(tmp_path / "hub")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    packed = pickle.dumps({"model.tokenizers.0._extra_state": print})
    state["_extra_state_"] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(BundleError, match=r"builtins\.print"):
        read_published(folder)
