"""The generated sounds of the demonstration."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import AudioFacts, Decoding
from audiosearch.training.synth.examples import EXAMPLES, write_examples


def decoded(path: Path) -> tuple[np.ndarray, AudioFacts]:
    decoding = Decoding(os.fsencode(path), sample_rate=16_000)
    samples = np.concatenate(list(decoding))
    return samples, decoding.facts


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_examples(tmp_path_factory.mktemp("examples") / "new" / "folder")


def test_all_are_written_and_can_be_heard(examples: list[Path]) -> None:
    assert {path.name for path in examples} == set(EXAMPLES)
    assert {path.suffix for path in examples} == {".wav", ".flac", ".ogg"}
    for path in examples:
        samples, facts = decoded(path)
        assert 4 <= facts.duration_s <= 12
        assert facts.bad_packets == 0
        assert facts.peak_db == pytest.approx(-3, abs=0.5)
        assert facts.loudness_lufs is not None
        assert np.isfinite(samples).all()


def test_they_are_the_same_for_the_same_seed(examples: list[Path], tmp_path: Path) -> None:
    again = write_examples(tmp_path)
    other = write_examples(tmp_path / "other", seed=1)
    for path, same, different in zip(examples, again, other, strict=True):
        assert np.array_equal(decoded(path)[0], decoded(same)[0])
        assert not np.array_equal(decoded(path)[0], decoded(different)[0])


def test_the_names_of_scenes_do_not_give_them_away() -> None:
    scenes = [name for name in EXAMPLES if name.startswith("scene-")]
    assert len(scenes) >= 3


def test_two_scenes_differ_in_order_alone(examples: list[Path]) -> None:
    """Bell and knocks: in one the long ringing is at the end, in the other at the start."""
    by_name = {path.name: decoded(path)[0] for path in examples}
    first, second = by_name["scene-1.wav"], by_name["scene-2.wav"]
    assert len(first) == pytest.approx(len(second), rel=0.01)

    def share_of_energy_in_first_second(samples: np.ndarray) -> float:
        return float(np.sum(samples[:16_000] ** 2) / np.sum(samples**2))

    assert share_of_energy_in_first_second(first) < share_of_energy_in_first_second(second)
