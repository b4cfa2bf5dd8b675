"""A generated library is one that questions are answered from as from any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.config import Config, ModelConfig
from audiosearch.library import open_library
from audiosearch.search.results import TextQuery
from benchmarks.generated_library import Maker
from benchmarks.page import measured
from benchmarks.page_load import spread


def test_it_answers_with_all_that_is_told_of_hits(tmp_path: Path, toy_bundle: Path):
    config = Config(
        data_dir=tmp_path / "data",
        config_file=tmp_path / "none",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu", threads=1),
    )
    made = Maker(config).make(300, frames=1.0)
    assert (made.n_windows, made.n_frames) == (300, 300)
    with open_library(config) as library:
        query = TextQuery(text="dog zoom", min_score=0.0, explain=True)
        hits = library.answer(query).hits
        assert hits
        assert all(hit.words is not None for hit in hits)
        assert {match.field for hit in hits for match in hit.matched} >= {"name"}
        plain = library.answer(TextQuery(text="dog", min_score=0.0, exhaustive=True))
        assert plain.n_windows == 300
        assert plain.hits


def test_a_part_that_fails_does_not_end_the_others(capsys: pytest.CaptureFixture[str]):
    def nothing() -> object:
        raise RuntimeError("nothing was heard")

    assert measured({"first": nothing, "second": lambda: {"p50": 1}}) == 1
    told = capsys.readouterr().out
    assert "nothing was heard" in told
    assert '"p50": 1' in told
    assert measured({}) == 0
    assert (spread([]), spread([3.0, 1.0, 2.04])) == ({}, {"least": 1.0, "p50": 2.0, "p95": 3.0})
