"""A model is not tested on what it was trained on, unless the user insists."""

from pathlib import Path

import pytest

from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.splits import held_out, only_held_out, refuse_trained

LIST = "path,group,split\nx.ogg,g1,train\ny.ogg,g2,tuned\nz.ogg,g3,test\nw.ogg,g5,validation\n"


def clips(*groups: str) -> list[DatasetClip]:
    return [DatasetClip(name=f"{i}", path=Path(f"{i}.wav"), group=g) for i, g in enumerate(groups)]


def test_groups_in_common_are_found_and_refused(tmp_path: Path):
    (tmp_path / "clips.csv").write_text(LIST)
    found = held_out(clips("g1", "g1", "g3"), bundle=tmp_path)
    assert (found.trained, found.n_groups) == (("g1",), 2)
    assert "WARNING" in found.remark
    with pytest.raises(DatasetError, match="trained on 1 of the 2 groups"):
        refuse_trained(found)


def test_groups_that_were_held_out_pass_and_tuning_is_said(tmp_path: Path):
    (tmp_path / "clips.csv").write_text(LIST)
    found = held_out(clips("g2", "g3", ""), bundle=tmp_path)
    refuse_trained(found)
    assert found.tuned == ("g2",)
    assert found.remark == "none of the 2 groups was trained on; it was tuned on 1 of them"
    assert held_out(clips("g2", "g5"), bundle=tmp_path).tuned == ("g2", "g5")


def test_what_is_unknown_is_said(tmp_path: Path):
    assert "does not list" in held_out(clips("g1"), bundle=tmp_path).remark
    assert "names no groups" in held_out(clips(""), bundle=tmp_path).remark


def test_a_list_without_splits_is_of_trained_groups(tmp_path: Path):
    (tmp_path / "clips.csv").write_text("path,group\nx.ogg,g1\n")
    found = held_out(clips("g1", "g2"), bundle=tmp_path)
    assert (found.trained, found.tuned) == (("g1",), ())


def test_a_list_without_its_columns_is_refused(tmp_path: Path):
    (tmp_path / "clips.csv").write_text("path\nx.ogg\n")
    with pytest.raises(DatasetError, match="lacks the column group"):
        held_out(clips("g1"), bundle=tmp_path)


def test_only_what_was_kept_for_testing(tmp_path: Path):
    (tmp_path / "clips.csv").write_text(LIST)
    dataset = Dataset(name="x", clips=tuple(clips("g1", "g2", "g3", "g3", "g4", "g5", "")))
    kept = only_held_out(dataset, bundle=tmp_path)
    assert [clip.group for clip in kept.clips] == ["g3", "g3", "g4"]
    with pytest.raises(DatasetError, match="no clip that the bundle was not trained on"):
        only_held_out(Dataset(name="x", clips=tuple(clips("g1"))), bundle=tmp_path)
    with pytest.raises(DatasetError, match=r"has no clips\.csv"):
        only_held_out(dataset, bundle=tmp_path / "none")
