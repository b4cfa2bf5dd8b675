"""A graphics card gives the CPU's answers; skipped where none can be used.

What needs no card is tried by the same comparison with arrays held on the CPU, so that a machine
with one only adds the card.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.runtime.session import GraphSession, RuntimeOptions
from benchmarks import on_card
from benchmarks.card_parity import FLOAT32, HALF, Tolerance, Way, compare, made_up_sounds
from benchmarks.on_card import encoder_seconds, held

CPU, CARD = RuntimeOptions(device="cpu"), RuntimeOptions(device="cuda")
HOLDING = RuntimeOptions(device="cpu", hold=True)


@pytest.fixture(scope="module")
def bundle(toy_bundle: Path) -> Bundle:
    return load_bundle(toy_bundle)


@pytest.fixture(scope="module")
def card(bundle: Bundle) -> RuntimeOptions:
    """Options for the card; without one that works, the test is skipped and says why."""
    device = GraphSession(bundle.graphs["memory"], options=CARD).device
    if device.name != "cuda":
        pytest.skip(f"needs a graphics card: {device.note}")
    return CARD


def test_a_card_gives_the_answers_of_the_cpu(bundle: Bundle, card: RuntimeOptions) -> None:
    found = compare(Way(bundle, CPU), Way(bundle, card), sounds=made_up_sounds(bundle))
    assert set(found.providers) == {"CUDAExecutionProvider"}
    assert found.within(FLOAT32), found


def test_a_card_in_half_precision_is_near_the_cpu(
    bundle: Bundle, card: RuntimeOptions, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from audiosearch.convert.quantise import (  # noqa: PLC0415 - an extra
        FP16,
        quantise_bundle,
    )

    sounds = made_up_sounds(bundle)
    path, _ = quantise_bundle(
        bundle, name="half", folder=tmp_path, sounds=list(sounds[:4]), form=FP16
    )
    found = compare(Way(bundle, CPU), Way(load_bundle(path), card), sounds=sounds)
    assert set(found.providers) == {"CUDAExecutionProvider"}
    assert found.within(HALF), found


def test_the_comparison_finds_nothing_where_there_is_nothing(bundle: Bundle) -> None:
    found = compare(Way(bundle, CPU), Way(bundle, HOLDING), sounds=made_up_sounds(bundle, count=4))
    assert found.providers == ("CPUExecutionProvider",) * 2
    assert found.frames == 0
    assert found.cross_entropy < 1e-5
    assert found.sentences == 1
    assert found.within(FLOAT32)


def test_the_comparison_finds_another_model(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from audiosearch.convert.quantise import (  # noqa: PLC0415 - an extra
        FP16,
        quantise_bundle,
    )

    sounds = made_up_sounds(bundle, count=4)
    path, _ = quantise_bundle(bundle, name="half", folder=tmp_path, sounds=list(sounds), form=FP16)
    found = compare(Way(bundle, CPU), Way(load_bundle(path), CPU), sounds=sounds)
    assert found.within(HALF)
    assert found.frames > 0
    nothing = Tolerance(frames=0, cosine=1, cross_entropy=0, sentences=1)
    assert not found.within(nothing)


def test_the_time_of_moving_is_measured_on_what_is_held(bundle: Bundle) -> None:
    session = GraphSession(bundle.graphs["encoder"], options=HOLDING)
    sounds = made_up_sounds(bundle, count=2)
    [waveform] = held(session, sounds)
    assert waveform.shape == sounds.shape
    assert all(seconds > 0 for seconds in encoder_seconds(session, sounds, rounds=1))


def test_without_a_card_the_command_says_so_and_measures_nothing() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.on_card"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert "nothing was measured" in found.stderr
    assert "audiosearch[cuda]" in found.stderr


def test_the_tables_are_printed_and_a_session_that_is_not_on_a_card_is_not_good(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(on_card, "CARD", HOLDING)
    monkeypatch.setattr(on_card, "BATCHES", (1, 2))
    form = on_card.Form("float32", bundle, FLOAT32)
    assert not on_card.parity(form, bundle)
    told = capsys.readouterr().out
    assert "100% of the sentences" in told
    assert "NOT GOOD" in told
    on_card.throughput(form, rounds=1)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(float(row[1]) > 0 and float(row[3]) > 0 for row in rows)
