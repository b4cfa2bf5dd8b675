"""The library that evaluation tries the real search on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiosearch.config import Config
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.encode import encode
from audiosearch.evaluation.end_to_end import evaluation_library
from audiosearch.evaluation.ranking import rank_order
from audiosearch.evaluation.retrieval_benchmark import described, engine_rankings, gather
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.loaded import Model
from audiosearch.search.normalise import Normalise


@pytest.fixture
def config(tmp_path: Path) -> Config:
    made = Config(data_dir=tmp_path / "own", config_file=tmp_path / "none.toml")
    return replace(made, index=replace(made.index, workers=1))


@pytest.fixture
def clips(dataset: Dataset, tmp_path: Path) -> list[DatasetClip]:
    """The clips of the data set, and a copy of one of them in a hidden folder."""
    folder = tmp_path / ".hidden"
    folder.mkdir()
    copy = Path(shutil.copyfile(dataset.clips[0].path, folder / "a bell rings.wav"))
    return [*dataset.clips, DatasetClip(name="copy", path=copy, captions=("a bell rings",))]


def test_every_clip_is_an_answer_and_names_tell_nothing(
    clips: list[DatasetClip], model: Model, config: Config, work: WorkFolder
):
    with evaluation_library(
        clips, model=model, config=config, work=work, progress=NoStageProgress()
    ) as library:
        found = library.found("a bell rings", limit=99)
        paths = {hit.path for hit in library.library.find("a bell", min_score=0).hits}
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert abs(found.index(0) - found.index(4)) == 1  # one recording: they rank together
    assert all(path.rpartition(b"/")[2].startswith(b"clip-") for path in paths)
    assert not config.data_dir.exists()  # the user's own library is not touched


def test_candidates_are_rows_of_what_was_heard(
    clips: list[DatasetClip], model: Model, config: Config, work: WorkFolder
):
    encoded = encode(clips, model=model, work=work, progress=NoStageProgress())
    with evaluation_library(
        clips, model=model, config=config, work=work, progress=NoStageProgress()
    ) as library:
        every, two = (
            library.shortlists(
                ["a dog barks"], limit=k, encoded=encoded, progress=NoStageProgress()
            )[0]
            for k in (50, 2)
        )
    assert sorted(every.tolist()) == list(range(len(encoded.frames)))
    assert set(two.tolist()) < set(every.tolist())


def test_clips_that_cannot_be_indexed_are_named(
    clips: list[DatasetClip], model: Model, config: Config, work: WorkFolder, tmp_path: Path
):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF nonsense" * 50)
    with (
        pytest.raises(DatasetError, match=r"broken\.wav"),
        evaluation_library(
            [*clips, DatasetClip(name="broken", path=broken)],
            model=model,
            config=config,
            work=work,
            progress=NoStageProgress(),
        ),
    ):
        pass


@pytest.fixture
def known(dataset: Dataset) -> Dataset:
    """The data set without the captions whose words the model does not know."""
    kept = tuple(
        replace(clip, captions=tuple(c for c in clip.captions if "gramophone" not in c))
        for clip in dataset.clips
    )
    return replace(dataset, clips=kept)


def test_search_over_few_sounds_equals_its_own_score_over_all(
    known: Dataset, model: Model, config: Config, work: WorkFolder
):
    # With every window as a candidate search ranks by the bundle's score; frames are float16 in
    # both.
    run = EvaluationRun(model, work, NoStageProgress())
    _, matrices = gather(known, run)
    to_audio, _ = engine_rankings(known, matrices, run, config)
    combined = matrices.combined()
    assert combined is not None
    best = np.array([combined[matrices.owners == i].min(axis=0) for i in range(4)])
    assert to_audio.order.tolist() == np.argsort(best.T, axis=1, kind="stable").tolist()


@pytest.mark.parametrize("how", ["mean", "minmax", "none"])
def test_describing_few_sounds_equals_ranking_all_captions(
    known: Dataset, model: Model, config: Config, work: WorkFolder, how: str
):
    config = replace(config, search=replace(config.search, normalise=how))
    run = EvaluationRun(model, work, NoStageProgress())
    _, matrices = gather(known, run)
    answer = described(known, matrices.relevant, run, config)
    costs = matrices.normalised(Normalise(how))
    order = rank_order(costs, ties=matrices.cross_entropies)
    assert answer.order[:3].tolist() == order[:3].tolist()  # of one window each
    # The long clip's first caption is the first of one of its windows.
    assert answer.order[3, 0] in order[3:, 0]
    assert answer.distinct == len(np.unique(answer.order[:, 0]))


def test_a_library_to_describe_with_holds_the_captions_given_and_no_others(
    clips: list[DatasetClip], model: Model, config: Config, work: WorkFolder
):
    with evaluation_library(
        clips,
        model=model,
        config=config,
        work=work,
        progress=NoStageProgress(),
        captions=["A dog barks.", "a bell rings", "a dog barks"],
    ) as library:
        assert {each.words for each in library.library.captions()} == {
            "a dog barks",
            "a bell rings",
        }
        for clip in range(len(clips)):
            assert sorted(library.described(clip, limit=9)) == ["a bell rings", "a dog barks"]
