"""The damage that tests do to sound files: of every kind, and the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations import Seed, mend_checksums, mutated, seeds
from tests.sounds import LOSSLESS, LOSSY


@pytest.fixture(scope="module")
def all_seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    return seeds(tmp_path_factory.mktemp("seeds"))


def test_there_is_a_seed_of_every_format_and_its_structure_is_known(all_seeds: list[Seed]) -> None:
    assert {Path(seed.name).suffix for seed in all_seeds} == {*LOSSLESS, *LOSSY}
    for seed in all_seeds:
        assert seed.layout.spans, seed.name
        assert len(seed.layout.fields) > 4, seed.name
        for start, end in seed.layout.spans:
            assert 0 <= start < end <= len(seed.content), seed.name


def test_a_number_always_makes_the_same_file(all_seeds: list[Seed]) -> None:
    some = [mutated(all_seeds, number, seed=7) for number in range(60)]
    assert some == [mutated(all_seeds, number, seed=7) for number in range(60)]
    assert len({content for _, content in some}) > 50
    originals = {seed.content for seed in all_seeds}
    assert sum(content in originals for _, content in some) < 5


def test_checksums_of_whole_pages_are_as_the_muxer_wrote_them(all_seeds: list[Seed]) -> None:
    for seed in all_seeds:
        if seed.content.startswith(b"OggS"):
            content = bytearray(seed.content)
            content[22] ^= 0xFF
            mend_checksums(content)
            assert bytes(content) == seed.content
