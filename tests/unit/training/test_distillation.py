"""Teaching the encoder by a tagger: pools, targets, shares of the gradient, runs that resume."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model.calibration import ScoreCalibration  # noqa: E402
from audiosearch.model.tokenizer import SPECIAL_TOKENS  # noqa: E402
from audiosearch.training.checkpoints import TrainingProgress, load_state  # noqa: E402
from audiosearch.training.data.corpus import (  # noqa: E402
    HeldOutBreadth,
    held_out_breadth,
    read_corpus,
)
from audiosearch.training.data.dataset import ManifestClip, SoundCache, Split, SplitRule  # noqa: E402
from audiosearch.training.distillation import pool as pools  # noqa: E402
from audiosearch.training.distillation.heads import HeadRecipe, fit_head  # noqa: E402
from audiosearch.training.distillation.listening import probe  # noqa: E402
from audiosearch.training.distillation.pool import (  # noqa: E402
    Pool,
    open_pool,
    render_pool,
    to_bytes,
    to_decibels,
    usable_rows,
)
from audiosearch.training.distillation.recipe import (  # noqa: E402
    FEATURES,
    LABELS,
    PATCHES,
    DistillationRecipe,
    loss_shares,
)
from audiosearch.training.distillation.stretches import (  # noqa: E402
    NOBODY,
    StretchRecipe,
    draw_stretches,
    drawing_chances,
)
from audiosearch.training.distillation.student import Student, patch_pooling  # noqa: E402
from audiosearch.training.distillation.targets import TargetReader  # noqa: E402
from audiosearch.training.distillation.trainer import DistillationTrainer, GradientShares  # noqa: E402
from audiosearch.training.distillation.yamnet import (  # noqa: E402
    HOP_SAMPLES,
    PATCH_SAMPLES,
    ByteScale,
    TaughtPatches,
    Yamnet,
    starts,
)
from audiosearch.training.export.bundle import export_bundle  # noqa: E402
from audiosearch.training.export.restored import (  # noqa: E402
    encoder_of_bundle,
    measure_norms,
    read_tags,
)
from audiosearch.training.export.spec import BundleFacts  # noqa: E402
from audiosearch.training.export.toy import TOY_FRONTEND, TOY_TAGS, TOY_WORDS, toy_networks  # noqa: E402
from audiosearch.training.networks.convnext import ConvNext, ConvNextConfig  # noqa: E402
from audiosearch.training.networks.frontend import LogMel  # noqa: E402
from audiosearch.training.recipes.encoder import encoder_learning_rate  # noqa: E402
from audiosearch.training.text.labels import TAGS_OF_LABEL, _wider_tags, tags_of  # noqa: E402
from tests.toy_bundles import TOY  # noqa: E402

SECONDS = 1.5
TAGS = ("bell", "cat", "dog")


class LoudnessTeacher:
    """Hears how loud a patch is: three classes and two features."""

    classes = ("loud", "soft", "silent")
    logit_scale = ByteScale(0.1, 0)
    feature_scale = ByteScale(0.5, -10)

    def hear(self, waveform: np.ndarray) -> TaughtPatches:
        levels = [
            int(np.clip(100 * np.abs(waveform[at : at + PATCH_SAMPLES]).mean(), 0, 100))
            for at in starts(waveform.size)
        ]
        return TaughtPatches(
            logits=np.array([[level, 100 - level, 0] for level in levels], np.int8),
            features=np.array([[level, level // 2] for level in levels], np.int8),
        )


def told(_: TrainingProgress) -> None:
    pass


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SHARD", 4)
    monkeypatch.setattr(pools, "BATCH", 2)


def rendered(sounds: SoundCache, folder: Path, *, shards: int = 2, seed: int = 1) -> Pool:
    return render_pool(
        sounds,
        sounds.indices(Split.TRAIN),
        LoudnessTeacher(),
        folder=folder,
        shards=shards,
        seed=seed,
        recipe=StretchRecipe(seconds=SECONDS),
        report=told,
    )


def test_a_pool_that_was_stopped_goes_on(made_sounds: SoundCache, tmp_path: Path):
    whole = rendered(made_sounds, tmp_path / "whole", shards=3)
    rendered(made_sounds, tmp_path / "parts", shards=1)
    parts = rendered(made_sounds, tmp_path / "parts", shards=3)
    assert len(whole) == 12
    for name in pools.ARRAYS:
        assert np.array_equal(whole.all_rows(name), parts.all_rows(name))
    assert whole.all_rows("logits").shape == (12, 2, 3)
    assert whole.all_rows("features").shape == (12, 2, 2)
    with pytest.raises(AudiosearchError, match="only 3 shards"):
        open_pool(tmp_path / "whole", shards=4)
    with pytest.raises(AudiosearchError, match="another recipe"):
        rendered(made_sounds, tmp_path / "whole", seed=2)


def test_what_is_held_out_is_chosen_when_a_pool_is_read(made_sounds: SoundCache, tmp_path: Path):
    pool = rendered(made_sounds, tmp_path, shards=5)
    training = made_sounds.indices(Split.TRAIN)
    assert usable_rows(pool, made_sounds.clips, training).size == len(pool)
    some = training[:10]
    rows = usable_rows(pool, made_sounds.clips, some)
    heard = pool.rows("parts", rows)
    assert set(heard[heard != NOBODY].tolist()) <= set(some)
    assert 0 < rows.size < len(pool)
    with pytest.raises(AudiosearchError, match="other clips"):
        usable_rows(pool, made_sounds.clips[1:], some)


def test_stretches_hold_what_they_name(made_sounds: SoundCache):
    recipe = StretchRecipe(seconds=SECONDS)
    training = made_sounds.indices(Split.TRAIN)
    chances = drawing_chances(made_sounds.clips, training, recipe=recipe)
    assert chances[made_sounds.indices(Split.TEST)].sum() == 0
    drawn = draw_stretches(made_sounds, chances, recipe=recipe, count=40, seed=[3])
    again = draw_stretches(made_sounds, chances, recipe=recipe, count=40, seed=[3])
    assert np.array_equal(drawn.waveforms, again.waveforms)
    assert np.isfinite(drawn.waveforms).all()
    named = drawn.parts != NOBODY
    assert set(drawn.parts[named].tolist()) <= set(training)
    assert named.sum(axis=1).min() >= 1
    assert named.sum(axis=1).max() >= 3
    assert ((drawn.shares > 0) == named).all()
    assert drawn.shares.max() <= 1


def clip(label: str, source: str, *, group: str = "", split: Split = Split.TRAIN) -> ManifestClip:
    return ManifestClip("", label, source, group, "", "CC0", "nobody", split)


def test_no_source_crowds_out_the_others():
    clips = [clip(f"label{n}", "wide") for n in range(80)] + [clip("a", "narrow")] * 5
    recipe = StretchRecipe(source_power=0.5)
    chances = drawing_chances(clips, range(85), recipe=recipe)
    assert chances[:80].sum() / chances[80:].sum() == pytest.approx((80 / 5) ** 0.5)
    two = drawing_chances([clip("a", "s")] * 9 + [clip("b", "s")], range(10), recipe=recipe)
    assert two[:9].sum() == pytest.approx(3 * two[9])  # the root of its count, not the count


def test_decibels_survive_being_kept_as_bytes():
    values = np.linspace(-100, 27, 999, dtype=np.float32)
    assert np.abs(to_decibels(to_bytes(values)) - values).max() <= 0.25
    assert to_decibels(to_bytes(np.float32([-200, 99]))).tolist() == [-100, 27.5]


def test_patches_are_means_over_the_frames_they_cover():
    pooling = patch_pooling(9, 16, n_samples=80_000)
    assert pooling.sum(dim=1).tolist() == pytest.approx([1.0] * 9)
    assert (pooling[0] > 0).tolist() == [True] * 4 + [False] * 12  # 0.975 s of frames of 0.3125 s
    middles = pooling @ (torch.arange(16) + 0.5) * 5000
    expected = torch.arange(9) * HOP_SAMPLES + PATCH_SAMPLES / 2
    assert (middles - expected).abs().max() < 150  # samples; frames at the edges are parts


def test_a_steep_loss_has_no_more_than_its_share():
    frames = torch.zeros(3, requires_grad=True)
    shares = GradientShares()
    for _ in range(5):
        losses = {"steep": 1000 * frames[0], "flat": 0.001 * frames[1], "none": frames[2]}
        gradient = shares.combine(frames, losses, {"steep": 0.2, "flat": 0.8, "none": 0.0})
    assert gradient.tolist() == pytest.approx([0.2, 0.8, 0.0])
    spike = shares.combine(frames, {"steep": 1e9 * frames[0]}, {"steep": 0.2})
    assert 0.2 < float(spike[0]) <= 0.4


def test_the_teacher_leads_and_labels_follow():
    recipe = DistillationRecipe(steps=100, teacher_first=0.4)
    says = [loss_shares(step, recipe) for step in range(101)]
    assert all(sum(one.values()) == pytest.approx(1.0) for one in says)
    labels = [one[LABELS] for one in says]
    assert labels[0] == labels[40] == pytest.approx(0.2 / 1.2)
    assert labels == sorted(labels)
    assert labels[100] == pytest.approx(1 / 1.3)
    alone = DistillationRecipe(teacher_first=0.0, early_labels=1.0, late_teacher=0.0)
    assert loss_shares(0, alone)[LABELS] == 1.0
    rates = [
        encoder_learning_rate(step, replace(recipe, warm_up=10, restarts=(50,)))
        for step in (10, 49)
    ]
    assert rates[0] > 100 * rates[1]


def student() -> Student:
    torch.manual_seed(0)
    config = ConvNextConfig(
        mels=64,
        classes=len(TAGS) + 3,
        depths=(1, 1, 1, 1),
        dims=(4, 4, 6, 8),
        stem="overlap",
        strides=((2, 2), (2, 2), (1, 2)),
        norm="batch",
        activation="relu",
        kernel=(3, 3),
        drop_path=0.1,
    )
    return Student(config, n_tags=len(TAGS), n_classes=3, n_features=2)


def trainer(
    pool: Pool, sounds: SoundCache, folder: Path, heard: Sequence[str] = ()
) -> DistillationTrainer:
    recipe = DistillationRecipe(
        steps=5, batch=4, warm_up=2, teacher_first=0.5, evaluate_every=2, save_every=2, shards=2
    )
    rows = np.arange(len(pool))
    return DistillationTrainer(
        student(),
        TargetReader(pool, rows, sounds.clips, TAGS, share_power=recipe.share_power),
        tags=TAGS,
        recipe=recipe,
        seed=1,
        folder=folder,
        evaluate=lambda _: "heard",
    )


def test_labels_are_those_of_what_is_heard(made_sounds: SoundCache, tmp_path: Path):
    pool = rendered(made_sounds, tmp_path, shards=6)
    reader = TargetReader(pool, np.arange(24), made_sounds.clips, TAGS, share_power=0.5)
    targets = reader.targets(np.arange(24))
    for row in range(24):
        parts = [part for part in pool.all_rows("parts")[row].tolist() if part != NOBODY]
        heard = {made_sounds.clips[part].label for part in parts}
        named = {tag for tag, value in zip(TAGS, targets[LABELS][row], strict=True) if value > 0}
        assert named == heard & set(TAGS)
    assert 0 <= float(targets[PATCHES].min()) <= float(targets[PATCHES].max()) <= 1
    assert targets[FEATURES].mean(dim=(0, 1)).abs().max() < 1e-4


def test_a_run_that_was_stopped_ends_the_same(made_sounds: SoundCache, tmp_path: Path):
    pool = rendered(made_sounds, tmp_path / "pool")
    lines: list[str] = []
    whole = trainer(pool, made_sounds, tmp_path / "whole").run(
        report=lambda progress: lines.append(progress.text)
    )
    assert sum("heard" in line for line in lines) == 3

    class StoppedError(Exception):
        pass

    def stop(progress: TrainingProgress) -> None:
        if progress.step == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        trainer(pool, made_sounds, tmp_path / "parts").run(report=stop)
    parts = trainer(pool, made_sounds, tmp_path / "parts").run(report=told)
    one, other = load_state(whole), load_state(parts)
    assert one["tags"] == [*TAGS, "audioset/loud", "audioset/soft", "audioset/silent"]
    assert all(torch.equal(one["network"][name], other["network"][name]) for name in one["network"])
    other_recipe = trainer(pool, made_sounds, tmp_path / "parts")
    other_recipe.recipe = replace(other_recipe.recipe, learning_rate=1.0)
    with pytest.raises(AudiosearchError, match="another recipe"):
        other_recipe.run(report=told)


def test_a_head_learns_on_an_encoder_that_stays(made_sounds: SoundCache, tmp_path: Path):
    pool = rendered(made_sounds, tmp_path / "pool")
    reader = TargetReader(pool, np.arange(len(pool)), made_sounds.clips, TAGS, share_power=0.5)
    encoder = student().encoder.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    losses = []
    for steps in (1, 200):
        path = fit_head(
            encoder,
            reader,
            names=(*TAGS, "loud", "soft", "silent"),
            recipe=HeadRecipe(passes=2, steps=steps, batch=8, learning_rate=0.1),
            seed=1,
            path=tmp_path / f"{steps}.pt",
            report=lambda progress: losses.append(float(progress.text.split()[1])),
        )
    state = load_state(path)
    assert losses[1] < 0.8 * losses[0]
    assert state["tags"][-1] == "silent"
    learned = {name for name in before if not torch.equal(before[name], state["network"][name])}
    assert learned == {"head_audioset.weight", "head_audioset.bias"}


def test_the_encoder_of_a_bundle_comes_back(tmp_path: Path):
    torch.manual_seed(0)
    words = SPECIAL_TOKENS + TOY_WORDS
    networks = toy_networks(vocabulary=len(words), joint=True, pieces=len(words))
    trained = networks.encoder
    with torch.no_grad():  # no two parameters are alike in a trained network
        for name, value in trained.state_dict().items():
            if value.is_floating_point() and not name.startswith("bn0.running"):
                value.add_(0.05 + 0.1 * torch.rand(value.shape))
    score = ScoreCalibration(lift=1.0, joint=1.0, bias=0.0, min_score=0.5)
    facts = BundleFacts("toy", "1", "MIT", "", words, TOY_TAGS, score)
    bundle = export_bundle(networks, facts, path=tmp_path / "bundle")
    assert read_tags(bundle) == TOY_TAGS
    network = ConvNext(trained.config)
    network.load_state_dict(encoder_of_bundle(bundle, config=trained.config))
    decibels = LogMel(TOY_FRONTEND)(torch.randn(2, 16_000) * 0.1)
    with torch.no_grad():
        before, after = trained.eval()(decibels), network.eval()(decibels)
    assert torch.allclose(before.frames, after.frames, rtol=0.01, atol=0.01)  # rounded to 16 bits
    assert torch.allclose(before.logits, after.logits, rtol=0.01, atol=0.02)
    # Alike numbers, as before any training, are stored once, so that the graph lacks some.
    with pytest.raises(AudiosearchError, match="no encoder of this form"):
        encoder_of_bundle(TOY, config=trained.config)


def test_measured_norms_change_nothing_but_training():
    network = student().encoder.eval()
    sounds = [torch.randn(6, 100, 64, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    sounds = [20 * values - 40 for values in sounds]
    with torch.no_grad():
        before = network(sounds[0]).embedding
        measure_norms(network, sounds)
        after = network(sounds[0]).embedding
    assert torch.allclose(before, after, atol=1e-4)
    inputs: list[torch.Tensor] = []
    network.downsample_layers[0][1].register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    with torch.no_grad():
        for values in sounds:
            network(values)
    heard = torch.cat(inputs)
    norm = network.downsample_layers[0][1]
    assert torch.allclose(norm.running_mean, heard.mean(dim=(0, 2, 3)), atol=1e-4)


def manifest(folder: Path, rows: Sequence[tuple[str, str, str, str]]) -> Path:
    """A list of `(path, source, group, fold)`; nobody opens the files."""
    folder.mkdir()
    file = folder / "manifest.csv"
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["path", "label", "source", "group", "fold", "licence", "attribution"])
        writer.writerows([p, "dog", s, g, f, "CC0", "nobody"] for p, s, g, f in rows)
    return file


def test_a_group_that_is_held_out_in_one_list_is_held_out_in_all(tmp_path: Path):
    first = manifest(
        tmp_path / "first",
        [("a", "esc", "g1", "4"), ("b", "esc", "g2", "1"), ("c", "esc", "g3", "1")],
    )
    second = manifest(
        tmp_path / "second",
        [("d", "other", "g1", ""), ("e", "kept", "g3", ""), ("f", "other", "g5", "")],
    )
    corpus = read_corpus(
        [first, second],
        rule=SplitRule(hold_out_fold="4", share=0.0, seed=1),
        breadth=HeldOutBreadth(frozenset({"kept"}), frozenset()),
        synthetic_per_label=0,
    )
    assert [corpus.clips[place].path for place in corpus.training()] == ["b", "f"]
    assert [corpus.clips[place].path for place in sorted(corpus.breadth)] == ["c", "e"]


def test_lists_of_the_package_can_be_read():
    kept = held_out_breadth()
    assert "Yellowstone Sound Library" in kept.sources
    assert "berklee-theremin" in kept.groups
    assert not _wider_tags().keys() & TAGS_OF_LABEL.keys()
    assert tags_of("rooster_crowing") == ("rooster",)
    assert tags_of("bear_growling") == ("bear_growling", "bear", "growling")


def test_a_probe_finds_what_is_linear():
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(120, 5, generator=rng)
    names = ["high" if value > 0 else "low" for value in values[:, 2].tolist()]
    found = probe(values[:80], names[:80], values[80:], names[80:])
    assert max(found.values()) > 0.9


def test_a_file_that_is_no_teacher_is_refused(tmp_path: Path):
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "yamnet.tflite").write_bytes(b"no model")
    with pytest.raises(AudiosearchError, match="no TFLite model"):
        Yamnet(tmp_path / "yamnet.tflite")
