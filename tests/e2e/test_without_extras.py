"""What converts models, on a machine that lacks the packages of the extras."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command


def without(command: Command, folder: Path, *packages: str) -> Command:
    """The command as it runs, child processes too, where these packages are not installed."""
    for package in packages:
        folder.mkdir(exist_ok=True)
        (folder / f"{package}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
        )
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(folder), *([before] if before else [])])
    return Command(command.data_dir, command.bundle, {**command.environ, "PYTHONPATH": path})


@pytest.fixture
def command(tmp_path: Path, toy_bundle: Path) -> Command:
    """The command with the toy bundle installed."""
    shutil.copytree(toy_bundle, tmp_path / "data" / "models" / "toy")
    return Command(data_dir=tmp_path / "data", bundle="")


def good(answer: Answer) -> Answer:
    assert answer.status == 0, answer.err
    return answer


@pytest.mark.parametrize(("form", "said"), [("int8", "8 bits"), ("fp16", "half precision")])
def test_a_bundle_is_quantised_without_torch(
    command: Command, sounds: Path, tmp_path: Path, form: str, said: str
) -> None:
    pytest.importorskip("onnx")
    bare = without(command, tmp_path / "missing", "torch", "torchaudio", "huggingface_hub")
    to = ("models", "quantise", "toy", "--name", "small", "--to", form, "--sounds", sounds)
    [loss] = good(bare(*to, "--json")).rows
    assert loss["n_sounds"] > 1
    assert 0.9 < loss["least_cosine"] <= loss["mean_cosine"] <= 1.0001
    assert 0 < loss["cross_entropy"] < 0.1
    good(bare("models", "verify", "small"))
    [row] = good(bare("models", "info", "small", "--json")).rows
    assert said in row["description"]
    good(bare("models", "use", "small"))
    good(bare("index", sounds))
    hits = good(bare("find", "a bell rings", "--json", "--exhaustive", "--min-score", "0")).rows
    assert hits


@pytest.mark.parametrize(
    ("missing", "asked", "extra"),
    [
        ("torch", ("models", "import", "{sounds}", "--name", "mine"), "train"),
        ("safetensors", ("models", "import", "{sounds}", "--name", "mine"), "train"),
        ("torch", ("models", "pull", "conette"), "train"),
        ("onnx", ("models", "quantise", "toy", "--name", "small"), "quantise"),
        ("mcp", ("mcp",), "mcp"),
        ("ray", ("index", "{sounds}", "--on", "ray"), "cluster"),
        ("fsspec", ("index", "s3://bucket/sounds"), "remote"),
        ("s3fs", ("index", "s3://bucket/sounds"), "remote"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    command: Command, sounds: Path, tmp_path: Path, missing: str, asked: tuple[str, ...], extra: str
) -> None:
    if missing not in ("onnx", "mcp", "ray", "fsspec", "s3fs"):
        pytest.importorskip("onnx")
    bare = without(command, tmp_path / "missing", missing, "huggingface_hub")
    answer = bare(*(part.format(sounds=sounds) for part in asked))
    assert answer.status == 2
    assert answer.out == b""
    assert f"this needs the extra [{extra}]: " in answer.err
    assert f"pip install 'audiosearch[{extra}]'" in answer.err
    assert "Traceback" not in answer.err
    assert [each.name for each in (command.data_dir / "models").iterdir()] == ["toy"]
