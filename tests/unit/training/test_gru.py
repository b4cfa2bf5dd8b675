"""The captioner with a GRU: what it computes, its graphs, its training, and its bundles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.convert.quantise import quantise_bundle  # noqa: E402
from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model.bundle import BundlePart, load_bundle  # noqa: E402
from audiosearch.model.combined_bundle import write_combined  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.training.data.dataset import Split  # noqa: E402
from audiosearch.training.export.bundle import write_decoder_graphs  # noqa: E402
from audiosearch.training.export.parity import check_decoder_parity, open_session  # noqa: E402
from audiosearch.training.export.restored import decoder_of_bundle  # noqa: E402
from audiosearch.training.export.toy import write_toy_bundle  # noqa: E402
from audiosearch.training.networks.decoder import DecoderConfig  # noqa: E402
from audiosearch.training.networks.gru import (  # noqa: E402
    GruCaptioner,
    GruConfig,
    captioner_for,
    read_captioner,
)
from audiosearch.training.recipes.captioners import (  # noqa: E402
    GRU_FINE_TUNE,
    GRU_PRETRAIN,
    CaptionerKind,
    captioner_config,
    captioner_recipe,
    learn_on_from,
)
from audiosearch.training.recipes.decoder import (  # noqa: E402
    DecoderTrainer,
    decoder_learning_rate,
    take_over,
)
from audiosearch.training.scenes.batches import CaptionedScenes  # noqa: E402
from audiosearch.training.scenes.clip_pool import gather_clips  # noqa: E402
from audiosearch.training.scenes.features import SceneFeatures  # noqa: E402
from audiosearch.training.scenes.planner import Planner  # noqa: E402
from audiosearch.training.text.captions import every_phrase  # noqa: E402
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary  # noqa: E402

SMALL = GruConfig(vocabulary=30, feature_dim=10, dim=12, heads=2, feedforward=16, dropout=0.0)
CPU = RuntimeOptions(device="cpu")


def _quiet(progress):
    del progress


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = captioner_for(SMALL)
    with torch.no_grad():
        for weight in made.gru.parameters():
            weight.mul_(2.0)  # so that states are far from zero
    return made.eval()


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp("bundles") / "gru", gru=True)


def frames_of(count, *, batch=1, seed=0):
    return torch.randn(batch, count, 10, generator=torch.Generator().manual_seed(seed))


def plainly(network, frames):
    """Three layers of GRU in both directions, a step at a time (Cho et al. 2014): (T, D)."""
    weights = {name: value.detach().numpy() for name, value in network.gru.named_parameters()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    x = frames.numpy()
    for layer in range(3):
        sides = []
        for turn, ending in ((1, ""), (-1, "_reverse")):
            wi, wh, bi, bh = (
                weights[f"{kind}_l{layer}{ending}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            state, states = np.zeros(6), []
            for row in x[::turn]:
                of_row, of_state = (wi @ row + bi).reshape(3, 6), (wh @ state + bh).reshape(3, 6)
                reset, update = sigmoid(of_row[0] + of_state[0]), sigmoid(of_row[1] + of_state[1])
                new = np.tanh(of_row[2] + reset * of_state[2])
                state = (1 - update) * new + update * state
                states.append(state)
            sides.append(np.stack(states[::turn]))
        x = np.concatenate(sides, axis=1)
    return x


def test_it_hears_what_a_gru_written_out_hears(network):
    frames = frames_of(7)
    with torch.no_grad():
        heard = network.hear(frames, torch.tensor([7]))
    np.testing.assert_allclose(heard[0].numpy(), plainly(network, frames[0]), atol=1e-5)


def test_it_has_the_sizes_of_the_report():
    config = captioner_config(CaptionerKind.GRU, vocabulary=50, feature_dim=320)
    made = captioner_for(config)
    assert (made.gru.num_layers, made.gru.bidirectional) == (3, True)
    assert len(made.decoder.blocks()) == 2
    assert (made.frame_dim, made.gru.hidden_size) == (320, 128)


def test_padding_is_not_heard_in_either_direction(network):
    tokens, lengths = torch.tensor([[1, 5, 6]] * 2), torch.tensor([4, 9])
    frames = frames_of(9, batch=2)
    changed = frames.clone()
    changed[0, 4:] = 99.0
    with torch.no_grad():
        expected = network(frames[:1, :4], lengths[:1], tokens[:1])
        for given in (frames, changed):
            assert torch.allclose(network(given, lengths, tokens)[:1], expected, atol=1e-5)
        last = frames[:, :9].clone()
        last[1, 8] += 1.0  # what counts is heard by the words, from the other end too
        first, other = network.hear(last, lengths), network.hear(frames, lengths)
        assert not torch.allclose(first[1, 0], other[1, 0])


def test_the_graph_of_the_memory_hears_no_padding(network, tmp_path):
    write_decoder_graphs(network, folder=tmp_path)
    for count in (1, 2, 31):
        check_decoder_parity(network, frames_of(count, batch=3).numpy(), folder=tmp_path)
    session = open_session(tmp_path / "memory.onnx")
    frames = frames_of(8, batch=2).numpy()
    frames[0, 3:] = 50.0
    names = ["memory_keys", "memory_values"]
    lengths = np.array([3, 8])
    both = session.run(names, {"frames": frames, "frame_lengths": lengths})
    alone = session.run(names, {"frames": frames[:1, :3], "frame_lengths": lengths[:1]})
    for padded, expected in zip(both, alone, strict=True):
        np.testing.assert_allclose(padded[:1, :, :, :3], expected, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"dim": 13, "heads": 1}, {"frame_positions": 4}])
def test_sizes_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="even width"):
        captioner_for(replace(SMALL, **wrong))


def test_a_bundle_says_what_its_networks_say(toy):
    bundle = load_bundle(toy)
    assert (bundle.frame_dim, bundle.decoder.dim, bundle.decoder.layers) == (12, 8, 2)
    restored = decoder_of_bundle(toy)
    assert isinstance(restored, GruCaptioner)
    model = Model.open(toy, options=CPU)
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((n, 12)).astype(np.float32) for n in (4, 11, 1)]
    captions = [(5, 9, 7, 2), (8, 2)]
    found = model.scorer.cross_entropies(captions, model.decoder.memory(frames))
    for column, some in enumerate(frames):
        alone = model.scorer.cross_entropies(captions, model.decoder.memory([some]))
        np.testing.assert_allclose(found[:, column], alone[:, 0], atol=1e-5)
        tokens = torch.tensor([[1, *captions[0]]])
        with torch.no_grad():
            logits = restored(torch.from_numpy(some)[None], torch.tensor([len(some)]), tokens)
        ours = model.decoder.log_probs(tokens.numpy(), model.decoder.memory([some]))
        np.testing.assert_allclose(ours, logits.log_softmax(2).numpy(), atol=1e-4)


def test_frames_for_a_card_are_padded_alike(toy):
    frames = [np.random.default_rng(n).standard_normal((n, 12)).astype(np.float32) for n in (3, 9)]
    captions = [(5, 9, 2), (8, 6, 2)]
    plain, holding = (
        Model.open(toy, options=RuntimeOptions(device="cpu", hold=hold)).scorer
        for hold in (False, True)
    )
    np.testing.assert_allclose(
        holding.cross_entropies(captions, holding.decoder.memory(frames)),
        plain.cross_entropies(captions, plain.decoder.memory(frames)),
        atol=1e-5,
    )


@pytest.mark.parametrize("form", ["int8", "fp16"])
def test_it_can_be_quantised(toy, tmp_path, form):
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 16_000 * 3).astype(np.float32) for _ in range(8)]
    path, loss = quantise_bundle(
        load_bundle(toy), name="small", folder=tmp_path, sounds=sounds, form=form
    )
    assert "GRU" in {node.op_type for node in onnx.load(path / "memory.onnx").graph.node}
    assert loss.cross_entropy < 0.2


def test_two_of_them_average_their_log_probabilities(toy, tmp_path):
    other = write_toy_bundle(tmp_path / "other", seed=3, gru=True)
    parts = [BundlePart(bundle=load_bundle(each), joint=0.5, captions=0.5) for each in (toy, other)]
    score = parts[0].bundle.score
    path = write_combined(tmp_path / "both", parts, score=score, description="Two.")
    both = Model.open(path, options=CPU)
    sounds = [
        np.random.default_rng(n).normal(0, 0.1, 16_000 * n).astype(np.float32) for n in (2, 6)
    ]
    captions = [(5, 9, 7, 2), (8, 2)]
    found, expected = [], 0.0
    for model in (both, *(Model.open(each, options=CPU) for each in (toy, other))):
        frames = [each.frames for each in model.encoder.encode_many(sounds)]
        found.append(model.scorer.cross_entropies(captions, model.decoder.memory(frames)))
    expected = (found[1] + found[2]) / 2
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    assert np.abs(found[1] - found[2]).max() > 1e-3


def test_the_recipe_is_that_of_the_report():
    assert captioner_recipe(CaptionerKind.GRU, later=False) is GRU_PRETRAIN
    assert captioner_recipe(CaptionerKind.GRU, later=True) is GRU_FINE_TUNE
    assert (GRU_PRETRAIN.epochs, GRU_FINE_TUNE.epochs, GRU_PRETRAIN.batch) == (10, 15, 32)
    rates = [decoder_learning_rate(n, GRU_PRETRAIN, steps_per_epoch=20) for n in range(200)]
    assert rates[0] < rates[10] < rates[19]
    assert 4.8e-4 < max(rates) <= 5e-4
    assert rates[-1] < 1e-6


@pytest.fixture(scope="module")
def captioned(made_sounds):
    """Scenes whose frames say which sounds they hold, so that there is something to learn."""
    scenes = Planner(gather_clips(made_sounds, split=Split.TRAIN), seed=1).plan(48)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((len(scenes), 9, 8)).astype(np.float16)
    lengths = rng.integers(3, 10, len(scenes)).astype(np.int64)
    features = SceneFeatures(values=values, lengths=lengths)
    twins = tuple(scene.twin for scene in scenes)
    return CaptionedScenes(features, tuple(scene.description for scene in scenes), twins)


def test_it_is_trained_kept_and_learned_on_from(captioned, tmp_path):
    vocabulary = make_vocabulary(collect_words(every_phrase()))
    config = GruConfig(vocabulary=len(vocabulary), feature_dim=8, dim=8, heads=2, feedforward=8)

    def trainer(name, recipe):
        return DecoderTrainer(
            captioned,
            captioned,
            vocabulary,
            config=config,
            recipe=recipe,
            seed=2,
            folder=tmp_path / name,
        )

    recipe = replace(GRU_PRETRAIN, epochs=4, batch=16, learning_rate=2e-2)
    first = trainer("first", recipe)
    before = first.held_out()
    state = torch.load(first.run(report=_quiet), weights_only=True)
    assert first.held_out().with_sound < before.with_sound - 0.5
    network = read_captioner(state["config"], state["network"])
    assert isinstance(network, GruCaptioner)
    assert network.config == config
    later = trainer("later", replace(recipe, learning_rate=1e-3))
    words = vocabulary.words
    take_over(later.network, words, network, words)
    assert later.held_out() == first.held_out()


@pytest.mark.parametrize("wrong", ["kind", "width"])
def test_another_kind_or_size_of_captioner_is_no_start(toy, wrong):
    words = load_bundle(toy).vocabulary.words
    sizes = decoder_of_bundle(toy).config
    learn_on_from(toy, captioner_for(sizes), words)
    other = captioner_for(
        replace(sizes, dim=12)
        if wrong == "width"
        else DecoderConfig(vocabulary=len(words), feature_dim=12, dim=8, heads=2, layers=2)
    )
    with pytest.raises(AudiosearchError, match="another kind or size") as told:
        learn_on_from(toy, other, words)
    assert "--captioner" in str(told.value.remedy)
