"""Published joint spaces and taggers become bundles that compute what their networks do."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch.nn import functional  # noqa: E402

from audiosearch.convert.importer import AUDIOSET_TAGS, import_published  # noqa: E402
from audiosearch.errors import BundleError, FeatureUnavailable  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND  # noqa: E402
from audiosearch.training.networks.frontend import LogMel  # noqa: E402
from tests.published_joint import (  # noqa: E402
    CLAP_FRONTEND,
    JOINT_DIM,
    SAMPLES,
    small_clap,
    small_cnn14,
    write_clap_folder,
    write_cnn14,
    write_msclap,
)

OPTIONS = RuntimeOptions(device="cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def clap(tmp_path_factory, models):
    source = write_clap_folder(tmp_path_factory.mktemp("clap"))
    return load_bundle(import_published([source], name="clap", folder=models))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(0, 0.1, SAMPLES).astype(np.float32)


def test_a_clap_folder_says_what_it_is(clap):
    assert (clap.sample_rate, clap.window_s, clap.max_samples) == (48_000, 10.0, SAMPLES)
    assert (clap.joint_dim, clap.embedding_dim, clap.decoder) == (JOINT_DIM, 32, None)
    assert clap.licence == "apache-2.0"
    assert set(clap.graphs) == {"encoder", "text"}
    assert clap.pieces.holds("dog")
    assert not clap.pieces.holds("cat")


@pytest.mark.parametrize("fused", [False, True])
def test_clap_gives_the_numbers_of_its_networks(tmp_path, noise, fused):
    source = write_clap_folder(tmp_path / "clap", seed=3, fused=fused, one_file=fused)
    model = Model(
        load_bundle(import_published([source], name="clap", folder=tmp_path)), options=OPTIONS
    )
    sound, text = small_clap(seed=3, fused=fused)
    [heard] = model.encoder.encode_many([noise])
    with torch.no_grad():
        embedding, joint = sound(torch.from_numpy(noise)[None])
    np.testing.assert_allclose(heard.joint, joint[0], atol=1e-4)
    np.testing.assert_allclose(heard.embedding, embedding[0], atol=1e-4)
    np.testing.assert_array_equal(heard.frames, heard.embedding[None])
    texts = ["a dog barks", "rain falls and then a bell rings"]
    found = model.tower.embed(texts)
    for row, ids in zip(found, map(model.bundle.pieces.encode, texts), strict=True):
        with torch.no_grad():
            np.testing.assert_allclose(row, text(torch.tensor([ids]))[0], atol=1e-4)
    assert float(found[0] @ found[1]) < 0.999


def test_short_sounds_are_repeated_and_padded_as_published(clap):
    """np.tile as often as it fits in whole, then zeros."""
    model = Model(clap, options=OPTIONS)
    rng = np.random.default_rng(1)
    for count in (1, 4800, 130_000, 239_999, 479_999):
        short = rng.normal(0, 0.1, count).astype(np.float32)
        filled = np.tile(short, SAMPLES // count)
        filled = np.pad(filled, (0, SAMPLES - len(filled)))
        [one] = model.encoder.encode_many([short])
        [other] = model.encoder.encode_many([filled])
        np.testing.assert_allclose(one.joint, other.joint, atol=1e-5)


def test_long_sounds_are_heard_in_stretches(clap, noise):
    model = Model(clap, options=OPTIONS)
    longer = np.concatenate([noise, 0.3 * noise[:100_000]])
    [heard] = model.encoder.encode_many([longer])
    parts = model.encoder.encode_many([longer[:SAMPLES], longer[-SAMPLES:]])
    mean = parts[0].joint + parts[1].joint
    np.testing.assert_allclose(heard.joint, mean / np.linalg.norm(mean), atol=1e-5)
    assert heard.frames.shape == (2, 32)


def test_what_needs_a_captioner_says_so(clap, noise):
    model = Model(clap, options=OPTIONS)
    with pytest.raises(FeatureUnavailable, match="no captioner") as refused:
        model.scorer.without_sound([(3,)])
    assert "models combine" in refused.value.remedy
    assert model.decoder.device.name == "cpu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion_type": "channel_map"}, "fusion_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"depths": [1, 1, 1]}, "do not fit"),
        ({"window_size": 3}, "sizes are unfit"),
        ({"patch_stride": [4, 4]}, "overlap"),
    ],
)
def test_other_forms_of_clap_are_refused(tmp_path, settings, message):
    source = write_clap_folder(tmp_path / "clap", **settings)
    with pytest.raises(BundleError, match=message):
        import_published([source], name="other", folder=tmp_path)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("preprocessor_config.json", {"padding": "repeat"}, "padding"),
        ("preprocessor_config.json", {"truncation": "middle"}, "truncation"),
        ("preprocessor_config.json", {"hop_length": "many"}, "unfit"),
        ("preprocessor_config.json", {"frequency_min": None}, "unfit"),
        ("preprocessor_config.json", {"max_length_s": 60}, "do not fit into"),
        ("preprocessor_config.json", {"feature_size": 64}, "64 bands"),
        ("vocab.json", {"<s>": 999_999}, "tokens are unfit"),
    ],
)
def test_settings_that_are_not_known_are_refused(tmp_path, file, change, message):
    source = write_clap_folder(tmp_path / "clap")
    content = json.loads((source / file).read_text()) | change
    (source / file).write_text(json.dumps(content))
    with pytest.raises(BundleError, match=message):
        import_published([source], name="other", folder=tmp_path)


@pytest.mark.parametrize("other", ["gpt2", "cnn14.pth"])
def test_a_clap_folder_beside_another_path_is_refused(tmp_path, other):
    source = write_clap_folder(tmp_path / "clap")
    write_msclap(tmp_path)
    write_cnn14(tmp_path / "cnn14.pth")
    with pytest.raises(BundleError, match=r"clap: is a CLAP, and is imported alone"):
        import_published([tmp_path / other, source], name="other", folder=tmp_path)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("file", ["preprocessor_config.json", "merges.txt", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused(tmp_path, file):
    source = write_clap_folder(tmp_path / "clap")
    (source / file).unlink()
    with pytest.raises(BundleError):
        import_published([source], name="other", folder=tmp_path)


@pytest.mark.parametrize("old", [True, False])
def test_cnn14_gives_the_numbers_of_its_network(tmp_path, old):
    path = write_cnn14(tmp_path / "Cnn14_mAP=0.431.pth", old=old)
    bundle = load_bundle(import_published([path], name="cnn14", folder=tmp_path))
    assert (bundle.sample_rate, bundle.joint_dim, bundle.decoder) == (32_000, 0, None)
    assert bundle.tags == AUDIOSET_TAGS
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (320_000, 70_000, 10_240)]
    found = Model(bundle, options=OPTIONS).encoder.encode_many(sounds)
    network = small_cnn14()
    for sound, heard in zip(sounds, found, strict=True):
        with torch.no_grad():
            expected = network(LogMel(CNN14_FRONTEND)(torch.from_numpy(sound)[None]))
        unit = functional.normalize(expected.embedding, dim=1)[0]
        np.testing.assert_allclose(heard.embedding, unit, atol=1e-4)
        np.testing.assert_allclose(heard.tags, torch.sigmoid(expected.logits)[0], atol=1e-4)


@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_the_filters_in_the_file_tell_what_cnn14_was_trained_to_hear(tmp_path, rate):
    path = write_cnn14(tmp_path / "Cnn14_16k.pth", sample_rate=rate)
    assert load_bundle(import_published([path], name="low", folder=tmp_path)).sample_rate == rate


def test_filters_of_another_kind_are_refused(tmp_path):
    path = write_cnn14(tmp_path / "cnn14.pth")
    content = torch.load(path, weights_only=True)
    content["model"]["logmel_extractor.melW"] *= 2
    torch.save(content, path)
    with pytest.raises(BundleError, match="none of the published"):
        import_published([path], name="low", folder=tmp_path)


class _Runs:
    def __reduce__(self):
        return print, ("this must not run",)


def test_nothing_in_an_old_file_is_run(tmp_path, capsys):
    path = tmp_path / "Cnn14.pth"
    content = {"model": {"conv_block1.conv1.weight": torch.zeros(1)}, "more": _Runs()}
    torch.save(content, path, _use_new_zipfile_serialization=False, pickle_module=pickle)
    with pytest.raises(BundleError, match=r"refused: it wants .*print"):
        import_published([path], name="bad", folder=tmp_path)
    assert capsys.readouterr().out == ""


def test_mel_filters_of_both_kinds_are_the_published_ones():
    from dataclasses import replace  # noqa: PLC0415

    torchaudio = pytest.importorskip("torchaudio")
    from audiosearch.training.networks.frontend import mel_filterbank  # noqa: PLC0415

    config = replace(CLAP_FRONTEND, mels=64)
    theirs = torchaudio.functional.melscale_fbanks(513, 50.0, 14_000.0, 64, 48_000)
    torch.testing.assert_close(
        mel_filterbank(replace(config, htk=True)), theirs, atol=1e-4, rtol=0.0
    )
    theirs = torchaudio.functional.melscale_fbanks(
        513, 50.0, 14_000.0, 64, 48_000, norm="slaney", mel_scale="slaney"
    )
    torch.testing.assert_close(mel_filterbank(config), theirs, atol=1e-6, rtol=0.0)
