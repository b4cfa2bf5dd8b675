"""Hearing clips and the table of losses: equal to the plain way, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiosearch.errors import DatasetError
from audiosearch.evaluation import encode as heard
from audiosearch.evaluation import run as matrix
from audiosearch.evaluation.captioning import generated_captions
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.encode import encode
from audiosearch.evaluation.run import EvaluationRun, loss_table
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.loaded import Model
from tests.cluster_fakes import working


def test_clips_are_heard_in_windows(dataset: Dataset, model: Model, work: WorkFolder):
    encoded = encode(dataset.clips, model=model, work=work, progress=NoStageProgress())
    assert encoded.owners.tolist() == [0, 1, 2, 3, 3]  # 15 s: windows at 0 and 5 s
    assert encoded.starts_s.tolist() == [0, 0, 0, 0, 5]
    assert encoded.n_clips == 4
    assert len(encoded.frames) == 5
    assert encoded.joint.shape == (5, model.bundle.joint_dim)
    assert encoded.tags.shape == (5, len(model.bundle.tags))


def test_clips_are_heard_whole(dataset: Dataset, model: Model, work: WorkFolder):
    # The toy decoder has places for 40 frames; only clips that fit can be heard whole.
    encoded = encode(
        dataset.clips[:3], model=model, work=work, progress=NoStageProgress(), whole=True
    )
    assert encoded.owners.tolist() == [0, 1, 2]


def test_workers_give_what_one_process_gives(
    dataset: Dataset, model: Model, work: WorkFolder, tmp_path: Path, watch, monkeypatch
):
    monkeypatch.setattr(heard, "CHUNK", 2)
    monkeypatch.setattr(matrix, "PAIRS", 8)
    seen = watch()
    with working(model) as workers:
        there = EvaluationRun(model, work, seen, workers=workers)
        here = EvaluationRun(model, WorkFolder(tmp_path / "here"), NoStageProgress())
        ours, theirs = there.encode(dataset), here.encode(dataset)
        assert ours.owners.tolist() == theirs.owners.tolist() == [0, 1, 2, 3, 3]
        for name in ("embedding", "joint", "tags", "starts_s"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name))
        assert all(np.array_equal(a, b) for a, b in zip(ours.frames, theirs.frames, strict=True))
        both = [
            run.score_matrices(dataset.captions, encoded, relevant=np.ones((4, 8), np.bool_))
            for run, encoded in ((there, ours), (here, theirs))
        ]
        assert np.array_equal(both[0].cross_entropies, both[1].cross_entropies)
        assert generated_captions(ours, there) == generated_captions(theirs, here)
        assert [stage for stage, *_ in seen.stages] == ["listening", "scoring pairs", "captioning"]
        assert seen.n == 4 + 35 + 5
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"no sound at all" * 100)
        clips = (*dataset.clips[:1], DatasetClip(name="broken.wav", path=broken))
        with pytest.raises(DatasetError, match=r"1 clip cannot be decoded: .*broken\.wav"):
            there.encode(replace(dataset, clips=clips))


def test_what_was_heard_is_not_decoded_again(
    dataset: Dataset, model: Model, work: WorkFolder, watch
):
    first, second = watch(), watch()
    one = encode(dataset.clips, model=model, work=work, progress=first)
    two = encode(dataset.clips, model=model, work=work, progress=second)
    assert (first.stages, second.stages) == ([("listening", 4, 0)], [("listening", 4, 4)])
    assert (first.n, second.n) == (4, 0)
    assert all(np.array_equal(a, b) for a, b in zip(one.frames, two.frames, strict=True))
    assert np.array_equal(one.embedding, two.embedding)
    other = encode(dataset.clips[:2], model=model, work=work, progress=NoStageProgress())
    assert other.key != one.key


def test_clips_that_cannot_be_decoded_are_named(
    dataset: Dataset, model: Model, work: WorkFolder, tmp_path: Path
):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound at all" * 100)
    clips = [*dataset.clips, DatasetClip(name="broken.wav", path=broken)]
    with pytest.raises(DatasetError, match=r"1 clip cannot be decoded: .*broken\.wav"):
        encode(clips, model=model, work=work, progress=NoStageProgress())


def test_the_table_equals_scoring_pair_by_pair(
    dataset: Dataset, model: Model, work: WorkFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(matrix, "PAIRS", 5)  # several blocks, and captions in parts
    encoded = encode(dataset.clips, model=model, work=work, progress=NoStageProgress())
    scorer = model.scorer
    table = loss_table(
        dataset.captions, encoded, model=model, work=work, progress=NoStageProgress()
    )
    assert table.cross_entropies.shape == (5, 8)
    for row, frames in enumerate(encoded.frames):
        memory = scorer.decoder.memory([frames])
        for column, caption in enumerate(dataset.captions):
            alone = scorer.cross_entropy([scorer.encode(caption)], memory)
            assert table.cross_entropies[row, column] == pytest.approx(alone[0], abs=1e-5)
    ids = [scorer.encode(caption) for caption in dataset.captions]
    assert np.array_equal(table.without_sound, scorer.without_sound(ids))


def test_a_stopped_table_goes_on_where_it_was(
    dataset: Dataset,
    model: Model,
    work: WorkFolder,
    tmp_path: Path,
    watch,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(matrix, "PAIRS", 7)  # one window a block: 7 different captions
    encoded = encode(dataset.clips, model=model, work=work, progress=NoStageProgress())
    settings = {"captions": dataset.captions, "encoded": encoded, "model": model}
    with pytest.raises(KeyboardInterrupt):
        loss_table(**settings, work=work, progress=watch(stop_after=20))
    again = watch()
    resumed = loss_table(**settings, work=work, progress=again)
    assert again.stages == [("scoring pairs", 35, 21)]  # what was scored is kept
    assert again.n == 14
    fresh = loss_table(**settings, work=WorkFolder(tmp_path / "other"), progress=NoStageProgress())
    assert np.array_equal(resumed.cross_entropies, fresh.cross_entropies)


def test_other_captions_or_another_model_are_other_work(
    dataset: Dataset, model: Model, work: WorkFolder, watch
):
    encoded = encode(dataset.clips, model=model, work=work, progress=NoStageProgress())
    for captions in (("a dog",), ("a bell",)):
        seen = watch()
        loss_table(captions, encoded, model=model, work=work, progress=seen)
        assert seen.stages == [("scoring pairs", 5, 0)]
    renamed = replace(model.bundle, fingerprint="another")
    seen = watch()
    encode(
        dataset.clips,
        model=Model(renamed, options=model.options),
        work=work,
        progress=seen,
    )
    assert seen.stages == [("listening", 4, 0)]
