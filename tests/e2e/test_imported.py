"""An imported model in place of the bundled one: evaluated, quantised, and given by its path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command
from tests.sounds import noise, tone, write_audio

EXHAUSTIVE = ("--json", "--exhaustive", "--min-score", "0")
LABELS = ("dog", "rain", "bell", "dog", "rain")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle `small` of an imported checkpoint: no joint space, tasks, 527 tags."""
    pytest.importorskip("torch")
    from audiosearch.convert.importer import import_published  # noqa: PLC0415 - torch
    from tests.published_checkpoints import write_hub_folder  # noqa: PLC0415 - imports torch

    hub = write_hub_folder(tmp_path_factory.mktemp("hub"))
    return import_published([hub], name="small", folder=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five short labelled sounds with captions; the columns serve every evaluation."""
    folder = tmp_path_factory.mktemp("labelled")
    labels, captions = ["path,label,group,fold"], ["path,caption,caption_2"]
    for number, label in enumerate(LABELS):
        name = f"{label}-{number}.wav"
        write_audio(folder / name, tone(200.0 * (number + 1), seconds=0.6) + noise(seconds=0.6))
        labels.append(f"{name},{label},g{number},4")
        captions.append(f"{name},a {label} then a tone,the {label} barks while rain falls {number}")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "captions.csv").write_text("\n".join(captions) + "\n")
    return folder


def good(answer: Answer) -> Answer:
    assert answer.status == 0, answer.err
    return answer


@pytest.fixture(scope="module")
def evaluating(tmp_path_factory: pytest.TempPathFactory, imported: Path) -> Command:
    return Command(tmp_path_factory.mktemp("data"), str(imported))


@pytest.mark.parametrize("what", ["retrieval", "shortlist", "relations", "scale"])
def test_evaluations_of_captions_run_without_a_joint_space(
    evaluating: Command, data: Path, what: str
) -> None:
    answer = good(evaluating("evaluate", what, data / "captions.csv", "--json"))
    rows = answer.rows
    assert not any(row.get("score") == "joint" for row in rows)
    if what == "retrieval":
        scores = {(row["direction"], row["score"]) for row in rows if row["table"] == "retrieval"}
        assert {("text-to-audio", "ce"), ("audio-to-text", "minmax")} <= scores
        assert ("text-to-audio", "engine") in scores


@pytest.mark.parametrize("what", ["tags", "scenes"])
def test_evaluations_of_labels_run_without_a_joint_space(
    evaluating: Command, data: Path, what: str
) -> None:
    few = ("--ordered", "3", "--together", "2", "--three", "1", "--folds", "4")
    more = few if what == "scenes" else ()
    answer = good(evaluating("evaluate", what, data / "labels.csv", "--json", *more))
    assert answer.rows


def test_an_8_bit_bundle_is_made_and_answers(imported: Path, sounds: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path / "data" / "models" / "small")
    command = Command(tmp_path / "data", bundle="")
    made = good(
        command("models", "quantise", "small", "--name", "small8", "--sounds", sounds, "--json")
    )
    [loss] = made.rows
    assert loss["name"] == "small8"
    assert loss["mean_cosine"] > 0.99
    good(command("models", "verify", "small8"))
    good(command("models", "use", "small8"))
    good(command("index", sounds))
    assert good(command("find", "a bell rings", *EXHAUSTIVE)).rows
    again = command("models", "quantise", "small", "--name", "small8")
    assert again.status == 2
    assert "is there already" in again.err


def test_a_bundle_in_half_precision_is_made(imported: Path, sounds: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path / "data" / "models" / "small")
    command = Command(tmp_path / "data", bundle="")
    to = ("models", "quantise", "small", "--name", "small16", "--to", "fp16", "--sounds", sounds)
    [loss] = good(command(*to, "--json")).rows
    assert loss["least_cosine"] > 0.999
    good(command("models", "verify", "small16"))
    [row] = good(command("models", "info", "small16", "--json")).rows
    assert "half precision" in str(row["description"])


def test_without_a_graphics_card_the_cpu_gives_the_same_answers_and_that_is_said(
    imported: Path, sounds: Path, tmp_path: Path
) -> None:
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    command = Command(tmp_path / "data", str(imported), hidden)
    asked = good(command("index", sounds, "--device", "cuda"))
    assert "audiosearch[cuda]" in asked.err
    find = ("find", "a bell rings", *EXHAUSTIVE)
    on_cpu, on_card = good(command(*find)), good(command(*find, "--device", "cuda"))
    assert on_card.rows == on_cpu.rows
    assert on_cpu.rows
    assert "audiosearch[cuda]" in on_card.err
    assert "audiosearch[cuda]" not in on_cpu.err
    [status] = good(command("status", "--json", "--device", "cuda")).rows
    assert status["model"]["provider"] == "CPUExecutionProvider"


def test_a_model_given_by_path_answers_meanwhile_and_is_switched_back_to(
    imported: Path, toy_bundle: Path, sounds: Path, tmp_path: Path
) -> None:
    shutil.copytree(imported, tmp_path / "data" / "models" / "small")
    elsewhere = shutil.copytree(toy_bundle, tmp_path / "elsewhere" / "mine")
    find = ("find", "a bell rings", *EXHAUSTIVE)
    # The settings name a path, and nothing was ever said to `models use`.
    by_setting = Command(tmp_path / "data", bundle=str(elsewhere))
    good(by_setting("index", sounds))
    of_mine = good(by_setting(*find)).text

    command = Command(tmp_path / "data", bundle="")
    good(command("models", "use", "small"))
    waiting = good(command(*find))
    assert waiting.text == of_mine
    assert "answers come from" in waiting.err

    listed = {row["name"]: row for row in good(command("models", "list", "--json")).rows}
    assert listed["mine"]["path"] == str(elsewhere)
    good(command("models", "use", "mine"))
    back = good(command(*find))
    assert (back.text, "answers come from" in back.err) == (of_mine, False)
    # A relative path is kept as an absolute one, so that it means the same everywhere.
    good(command("models", "use", "./mine", cwd=elsewhere.parent))
    assert good(command(*find)).text == of_mine
    shutil.rmtree(elsewhere)
    gone = command("models", "use", "mine")
    assert gone.status == 2
    assert "no model bundle is named 'mine'" in gone.err
