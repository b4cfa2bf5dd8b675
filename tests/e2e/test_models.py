"""Two models beside each other: import, switch, and what answers in the meantime."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command
from tests.sounds import tone, write_audio
from tests.toy_bundles import JOINT, OTHER, PLAIN

EXHAUSTIVE = ("--json", "--exhaustive", "--min-score", "0")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    from tests.published_checkpoints import write_hub_folder  # noqa: PLC0415 - imports torch

    return write_hub_folder(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def command(tmp_path: Path, toy_bundle: Path) -> Command:
    """The command with the toy bundle installed and no setting that names a model."""
    shutil.copytree(toy_bundle, tmp_path / "data" / "models" / "toy")
    return Command(data_dir=tmp_path / "data", bundle="")


def good(answer: Answer) -> Answer:
    assert answer.status == 0, answer.err
    return answer


def heard(answer: Answer) -> list[tuple[str, float, float]]:
    """Path and cross-entropy of each hit: what a model, and no other, says."""
    return [(row["path"], row["start_s"], row["cross_entropy"]) for row in good(answer).rows]


def test_switching_to_an_imported_model_in_stages(
    command: Command, hub: Path, sounds: Path, tmp_path: Path
) -> None:
    find = ("find", "a man's dog doesn't bark", *EXHAUSTIVE)
    good(command("models", "use", "toy"))
    good(command("index", sounds))
    of_toy = heard(command(*find))

    imported = good(command("models", "import", hub, "--name", "small"))
    assert imported.text == ""
    assert "models use small" in imported.err
    good(command("models", "use", "small"))
    [used] = [row for row in good(command("models", "list", "--json")).rows if row["used"]]
    assert used["name"] == "small"

    # Nothing heard yet, then a part: toy still answers, and that is said.
    waiting = command(*find)
    assert heard(waiting) == of_toy
    assert "answers come from toy until small has heard all" in waiting.err
    good(command("index", sounds / "deep"))
    assert heard(command(*find)) == of_toy

    good(command("index"))
    complete = command(*find)
    of_small = heard(complete)
    assert "answers come from" not in complete.err
    assert {path for path, _, _ in of_small} == {path for path, _, _ in of_toy}
    assert of_small != of_toy

    # A task starts captions with a token of its own; without one it is the model's default.
    assert heard(command(*find, "--task", "clotho")) == of_small
    assert heard(command(*find, "--task", "audiocaps")) != of_small
    unknown = command(*find, "--task", "macs")
    assert unknown.status == 2
    assert "has the tasks clotho, audiocaps" in unknown.err

    # Without a joint space: sounds alike, sentences, and the shortlist through full text.
    itself = good(command("similar", sounds / "low high.wav", "--self", "--json")).rows[0]
    assert itself["path"].endswith("low high.wav")
    assert itself["similarity"] > 0.99
    rows = good(command("describe", sounds / "long.wav", "--json", "--task", "audiocaps")).rows
    assert rows[0]["source"] == "model"
    assert good(command("find", "a bell rings", "--json", "--min-score", "0")).rows

    # Back again: what toy heard is still there, and nothing is heard anew.
    good(command("models", "use", "toy"))
    assert heard(command(*find)) == of_toy
    [report] = good(command("index", "--json")).rows
    assert report["windows_encoded"] == 0


def test_a_checkpoint_that_would_run_something_is_refused(command: Command, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"state_dict": print}, tmp_path / "bad.ckpt")
    answer = command("models", "import", tmp_path / "bad.ckpt", "--name", "bad")
    assert answer.status == 2
    assert "builtins.print" in answer.err
    assert not (tmp_path / "data" / "models" / "bad").exists()


def test_without_torch_the_command_says_what_to_install(command: Command, tmp_path: Path) -> None:
    (tmp_path / "some.ckpt").write_bytes(b"never looked into")
    hidden = (
        "import sys; sys.modules['torch'] = None; from audiosearch.cli.main import main; main()"
    )
    bare = Command(data_dir=command.data_dir, bundle="", program=(sys.executable, "-c", hidden))
    answer = bare("models", "import", tmp_path / "some.ckpt", "--name", "small")
    assert answer.status == 2
    assert "pip install 'audiosearch[train]'" in answer.err


def test_a_joint_space_alone_and_with_the_captioner_of_another(
    command: Command, sounds: Path
) -> None:
    """Candidates from the one, cross-entropies from the other; each says what it lacks."""
    models = command.data_dir / "models"
    shutil.copytree(JOINT, models / "joint")
    shutil.copytree(PLAIN, models / "plain")
    good(command("models", "use", "joint"))
    good(command("index", sounds))
    [first, *_] = good(command("find", "a dog barks", "--json", "--min-score", "0")).rows
    assert first["score"] > 0
    assert first["cross_entropy"] is None
    assert first["caption"] is None
    refused = command("describe", sounds / "long.wav")
    assert refused.status == 2
    assert "the model joint has no captioner" in refused.err
    assert "models combine --joint joint --captioner NAME --name BOTH" in refused.err

    unfit = command("models", "combine", "--joint", "plain", "--captioner", "toy", "--name", "top")
    assert unfit.status == 2
    assert "plain has no space shared by text and sound" in unfit.err
    pair = ("--joint", "joint", "--captioner", "plain", "--name", "top")
    good(command("models", "combine", *pair))
    assert "is there already" in command("models", "combine", *pair).err
    [told] = good(command("models", "info", "top", "--json")).rows
    assert [part["name"] for part in told["parts"]] == ["joint", "plain"]
    good(command("models", "verify", "top"))
    good(command("models", "use", "top"))
    good(command("index"))
    find = ("find", "a dog barks", *EXHAUSTIVE)
    of_top = heard(command(*find))
    assert all(loss is not None for _, _, loss in of_top)
    [one, *_] = good(command("describe", sounds / "long.wav", "--json")).rows
    assert one["source"] == "model"
    assert good(command("similar", sounds / "long.wav", "--json")).rows
    assert good(command("label", sounds / "long.wav", "--labels", "dog,rain", "--json")).rows

    # The captioner hears what it would alone, but for what resampling by way of 24 kHz does.
    good(command("models", "use", "plain"))
    good(command("index"))
    alone = {(path, start): loss for path, start, loss in heard(command(*find))}
    for path, start, loss in of_top:
        assert alone[path, start] == pytest.approx(loss, abs=0.05)


def test_an_ensemble_by_the_command(command: Command, sounds: Path) -> None:
    shutil.copytree(OTHER, command.data_dir / "models" / "other")
    shutil.copytree(PLAIN, command.data_dir / "models" / "plain")
    for wrong in (
        ("toy", "other", "--weights", "1"),
        ("toy", "other", "--weights", "1,-1"),
        ("toy", "other", "--weights", "a,b"),
        ("toy", "other", "--joint", "toy"),
        ("--joint", "toy"),
        ("toy",),
        ("toy", "nothing"),
        ("toy", "other", "--sounds", sounds),
        ("--joint", "toy", "--captioner", "other", "--z-scored"),
        ("other", "plain", "--z-scored"),
        ("toy", "other", "--z-scored", "--sounds", command.data_dir),
    ):
        assert command("models", "combine", *wrong, "--name", "two").status == 2
    good(command("models", "combine", "toy", "other", "--weights", "2,1", "--name", "two"))
    good(command("models", "use", "two"))
    good(command("index", sounds))
    assert good(command("find", "a dog barks", *EXHAUSTIVE)).rows
    refused = command("models", "quantise", "two", "--name", "eight")
    assert "it is combined: quantise its parts" in refused.err
    refused = command("models", "calibrate", "starter")
    assert refused.status == 2
    assert "came along with the program" in refused.err


def test_an_ensemble_by_z_scores(command: Command, tmp_path: Path) -> None:
    shutil.copytree(OTHER, command.data_dir / "models" / "other")
    (tmp_path / "named").mkdir()
    words = ("dog", "bird", "rain", "bell", "engine", "wind", "door", "car")
    for place, word in enumerate(words):
        samples = tone(200.0 * (1 + place), seconds=1.0)
        write_audio(tmp_path / "named" / f"{word}.wav", samples, rate=16_000)
    z_scored = ("--z-scored", "--sounds", tmp_path / "named")
    made = good(command("models", "combine", "toy", "other", *z_scored, "--name", "two"))
    assert "their likenesses z-scored" in made.err
    [told] = good(command("models", "info", "two", "--json")).rows
    toy, other = told["parts"]
    assert toy["joint"] + other["joint"] == pytest.approx(1.0)
    assert abs(toy["joint"] - 0.5) > 0.001
    assert toy["captions"] == other["captions"] == 0.5
    good(command("models", "combine", "toy", "other", "--not-z-scored", "--name", "plain"))
    [told] = good(command("models", "info", "plain", "--json")).rows
    assert [each["joint"] for each in told["parts"]] == [0.5, 0.5]


def test_a_bundle_says_what_is_alike(command: Command, sounds: Path) -> None:
    """Hits by words and a sound must reach the mean of the bundle's least score and likeness."""
    file = command.data_dir / "models" / "toy" / "bundle.json"
    manifest = json.loads(file.read_text())
    good(command("models", "use", "toy"))
    good(command("index", sounds))
    sound = sounds / "long.wav"
    asked = ("find", "a dog barks", "--like", sound, "--like-weight", "1", "--json")

    def found(**bounds: float) -> list[tuple[str, float, bool]]:
        manifest["score"] |= bounds
        file.write_text(json.dumps(manifest))
        rows = command(*asked).rows
        return [(row["path"], row["score"], row.get("weak", False)) for row in rows]

    every = found(like=0.0, weakly_like=0.0)
    assert len(every) > 1
    assert not any(weak for _, _, weak in every)
    least = sorted(score for _, score, _ in every)[-1]
    some = found(like=least - 1e-4, weakly_like=0.0)
    assert some == [(path, score, score < least - 1e-4) for path, score, _ in every][: len(some)]
    assert any(weak for _, _, weak in some)
    none = found(like=1.0, weakly_like=1.0)
    assert {path for path, *_ in none} <= {str(sound)}
    assert found(like=0.4, weakly_like=0.2) == _without_bounds(command, file, asked)


def _without_bounds(
    command: Command, file: Path, asked: tuple[object, ...]
) -> list[tuple[str, float, bool]]:
    """The answer of a bundle that says nothing of what is alike."""
    manifest = json.loads(file.read_text())
    del manifest["score"]["like"], manifest["score"]["weakly_like"]
    file.write_text(json.dumps(manifest))
    return [(row["path"], row["score"], row.get("weak", False)) for row in command(*asked).rows]


def test_a_captioner_with_a_gru_alone_and_in_an_ensemble(command: Command, sounds: Path) -> None:
    pytest.importorskip("torch")
    from audiosearch.training.export.toy import write_toy_bundle  # noqa: PLC0415 - imports torch

    for name, seed in (("gru", 0), ("gru2", 1)):
        write_toy_bundle(command.data_dir / "models" / name, seed=seed, gru=True)
    good(command("models", "combine", "gru", "gru2", "--name", "both"))
    losses = []
    for name in ("gru", "gru2", "both"):
        good(command("models", "use", name))
        good(command("index", sounds))
        found = heard(command("find", "a dog barks", *EXHAUSTIVE))
        losses.append({(path, start): loss for path, start, loss in found})
    good(command("models", "verify", "both"))
    [said, *_] = good(command("describe", sounds / "long.wav", "--json")).rows
    assert said["source"] == "model"
    assert good(command("label", sounds / "long.wav", "--labels", "dog,rain", "--json")).rows
    one, other, both = losses
    assert len(one) >= 5
    assert one != other
    for place, loss in both.items():
        assert loss == pytest.approx((one[place] + other[place]) / 2, abs=2e-3)
