"""The command of training, from a manifest to a bundle, on sounds made here."""

from __future__ import annotations

import csv
import json
import wave
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from click.testing import CliRunner  # noqa: E402

from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.training import run as training_run  # noqa: E402
from audiosearch.training import stages, text_stages  # noqa: E402
from audiosearch.training.__main__ import main  # noqa: E402
from audiosearch.training.calibrate import read_calibration  # noqa: E402
from audiosearch.training.networks.convnext import starter_config  # noqa: E402
from audiosearch.training.synth.made_sounds import make_sound  # noqa: E402

LABELS = ("siren", "bell", "rain", "engine", "clock_tick", "door_wood_knock")
COLUMNS = ("path", "label", "source", "group", "fold", "licence", "attribution")


@pytest.fixture
def manifest(tmp_path):
    """Six kinds of sound in four folds of three short clips."""
    rows = []
    for label in LABELS:
        for number in range(12):
            name = f"{label}-{number}.wav"
            samples = make_sound(label=label, seed=number, seconds=1.2, rate=16_000)
            with wave.open(str(tmp_path / name), "wb") as out:
                out.setparams((1, 2, 16_000, 0, "NONE", ""))
                out.writeframes((samples * 32767).astype(np.int16).tobytes())
            fold = str(1 + number % 4)
            rows.append((name, label, "made", f"{label}-{number}", fold, "CC0", "nobody"))
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([COLUMNS, *rows])
    return path


def _random_teacher(texts):
    vectors = np.random.default_rng(len(texts)).standard_normal((len(texts), 384))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def small(monkeypatch):
    """The run of the bundled model in miniature: everything is there, nothing is learnt."""
    threads = torch.get_num_threads()
    real = training_run.Run
    monkeypatch.setattr(
        "audiosearch.training.__main__.Run",
        lambda **given: real(
            **given,
            synthetic_per_label=1,
            training_scenes=24,
            validation_scenes=8,
            test_scenes=4,
            study_texts=40,
        ),
    )
    tiny = lambda classes: replace(starter_config(classes), depths=(1, 1, 1, 1), dims=(8, 8, 8, 8))  # noqa: E731
    monkeypatch.setattr(stages, "starter_config", tiny)
    monkeypatch.setattr(training_run, "starter_config", tiny)
    encoder = replace(stages.STARTER_ENCODER, steps=2, batch=4, crop_s=1.0)
    monkeypatch.setattr(stages, "STARTER_ENCODER", encoder)
    recipe = stages.captioner_recipe
    short = lambda kind, *, later: replace(recipe(kind, later=later), epochs=1)  # noqa: E731
    monkeypatch.setattr(stages, "captioner_recipe", short)
    for name in ("STARTER_JOINT", "STARTER_DISTIL"):
        monkeypatch.setattr(text_stages, name, replace(getattr(text_stages, name), epochs=1))
    teacher = {
        "teacher_folder": None,
        "teacher_words": ("[CLS]", "dog", "canine", "##s"),
        "open_teacher": _random_teacher,
    }
    for name, answer in teacher.items():
        monkeypatch.setattr(text_stages, name, lambda *_, answer=answer: answer)
    yield
    torch.set_num_threads(threads)


def _run(stage, manifest, out, *, captioner="cnext-trans"):
    options = ["--data", str(manifest), "--out", str(out), "--seed", "5", "--threads", "1"]
    options += ["--captioner", captioner]
    return CliRunner().invoke(main, [stage, *options])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("captioner", ["cnext-trans", "gru"])
def test_one_command_makes_a_bundle_and_its_figures(manifest, tmp_path, captioner):
    out = tmp_path / "run"
    result = _run("all", manifest, out, captioner=captioner)
    assert result.exit_code == 0, result.output
    bundle = load_bundle(out / "bundle")
    assert bundle.name == "starter"
    assert bundle.joint_dim == 128
    assert {"siren", "bell", "silence"} <= set(bundle.tags)
    assert "siren" in bundle.vocabulary.words
    assert bundle.pieces is not None
    assert bundle.pieces.holds("canine")
    with (out / "bundle" / "clips.csv").open(encoding="utf-8") as lines:
        listed = list(csv.DictReader(lines))
    trained = [row for row in listed if row["split"] == "train"]
    assert len(trained) == 6 * 9  # all but the held-out fold
    tuned = {row["group"] for row in listed if row["split"] == "tuned"}
    assert tuned
    assert not tuned & {row["group"] for row in trained}
    assert {row["split"] for row in listed} == {"train", "tuned"}
    assert {row["licence"] for row in listed} == {"CC0"}
    fitted = read_calibration(out / "bundle" / "calibration.json")
    assert fitted.score.min_score == bundle.score.min_score
    assert {*fitted.mixes[0].balanced_error} == {"scenes", "usual", "name", "other"}
    assert _run("rescore", manifest, out, captioner=captioner).exit_code == 0
    assert load_bundle(out / "bundle").fingerprint == bundle.fingerprint
    figures = json.loads((out / "figures.json").read_text())
    assert figures["tagging"]["clips"] == 6 * 3
    assert 0 <= figures["scenes"]["order"] <= 1
    assert figures["wordings"]["usual"]["queries"] >= 3  # siren, clock_tick, door_wood_knock ...
    assert 0 <= figures["wordings"]["other"]["map_10"]["score"] <= 1

    finished = (out / "decoder.pt").stat().st_mtime_ns
    assert _run("decoder", manifest, out, captioner=captioner).exit_code == 0
    assert (out / "decoder.pt").stat().st_mtime_ns == finished  # not trained again


@pytest.mark.usefixtures("small")
def test_a_stage_before_its_time_says_what_to_do(manifest, tmp_path):
    result = _run("export", manifest, tmp_path / "run")
    assert result.exit_code == 2
    assert "calibrate" in result.output
    result = _run("decoder", manifest, tmp_path / "run")
    assert result.exit_code == 2
    assert "no such checkpoint" in result.output
