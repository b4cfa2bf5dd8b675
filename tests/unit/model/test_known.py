"""Bundles that were given by path are found again by name."""

from __future__ import annotations

from pathlib import Path

from audiosearch.model.registry import (
    KNOWN,
    find_bundle,
    known_bundles,
    list_bundles,
    remember_bundle,
)


def bundle_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    return folder


def test_the_last_used_comes_first_and_each_once(tmp_path: Path) -> None:
    models = tmp_path / "models"
    one, two = bundle_at(tmp_path / "a" / "one"), bundle_at(tmp_path / "b" / "two")
    for folder in (one, two, one, one):
        remember_bundle(folder, models=models)
    assert known_bundles(models) == [one, two]
    (two / "bundle.json").unlink()
    assert known_bundles(models) == [one]


def test_bundles_in_their_usual_place_need_no_remembering(tmp_path: Path) -> None:
    models = tmp_path / "models"
    remember_bundle(bundle_at(models / "usual"), models=models)
    assert not (models / KNOWN).exists()


def test_a_damaged_list_is_an_empty_one(tmp_path: Path) -> None:
    for content in ("", "{", "3", '{"a": 1}', "[3, null]"):
        (tmp_path / KNOWN).write_text(content)
        assert known_bundles(tmp_path) == []
    one = bundle_at(tmp_path / "a" / "one")
    remember_bundle(one, models=tmp_path)
    assert known_bundles(tmp_path) == [one]


def test_names_find_them_after_those_in_the_usual_places(tmp_path: Path) -> None:
    models = tmp_path / "models"
    usual, hidden = bundle_at(models / "same"), bundle_at(tmp_path / "else" / "same")
    other = bundle_at(tmp_path / "else" / "other")
    others = [hidden, other]
    assert list_bundles(search=[models], others=others) == [other, usual]
    assert find_bundle("other", search=[models], others=others) == other
    assert find_bundle("same", search=[models], others=others) == usual
