"""Settings: defaults, file, environment, overrides; and that the example file names every key."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from audiosearch.config import (
    SECTIONS,
    config_path,
    default_config_path,
    example_config,
    load_config,
)
from audiosearch.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_example_names_every_key_with_its_default():
    document = tomllib.loads(example_config())
    assert document == {
        section: {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(kind()).items()
        }
        for section, kind in SECTIONS.items()
    }


def test_example_round_trips(tmp_path):
    file = write(tmp_path, example_config())
    environ = {"AUDIOSEARCH_DATA_DIR": str(tmp_path)}
    loaded = load_config(file, environ=environ)
    plain = load_config(write(tmp_path, ""), environ=environ)
    assert loaded == plain


def test_later_sources_win(tmp_path):
    file = write(tmp_path, "[search]\nlimit = 3\ncandidates = 50\n[model]\nthreads = 1\n")
    environ = {"AUDIOSEARCH_SEARCH_LIMIT": "4", "AUDIOSEARCH_INDEX_HOP": "1"}
    config = load_config(file, environ=environ, overrides={"search.limit": 5, "model.device": None})
    assert config.search.limit == 5
    assert config.search.candidates == 50
    assert config.model.threads == 1
    assert config.model.device == "auto"
    assert config.index.hop == 1.0


def test_environment_reads_every_type(tmp_path):
    environ = {
        "AUDIOSEARCH_INDEX_CAPTIONS": "false",
        "AUDIOSEARCH_INDEX_EXCLUDE": "a:b",
        "AUDIOSEARCH_MODEL_BUNDLE": "other",
        "AUDIOSEARCH_DATA_DIR": str(tmp_path / "data"),
    }
    config = load_config(write(tmp_path, ""), environ=environ)
    assert config.index.captions is False
    assert config.index.exclude == ("a", "b")
    assert config.model.bundle == "other"
    assert config.database == tmp_path / "data" / "library.sqlite3"


def test_file_named_by_environment(tmp_path):
    file = write(tmp_path, "[search]\nlimit = 7\n")
    assert load_config(environ={"AUDIOSEARCH_CONFIG": str(file)}).search.limit == 7


def test_no_file_at_the_usual_place_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert not default_config_path().exists() or default_config_path().parent != tmp_path
    assert load_config(environ={}).search.limit == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[search]\nlimt = 3\n", "unknown setting 'search.limt'; did you mean search.limit?"),
        ("[search]\nLimit = 3\n", "unknown setting 'search.Limit'; did you mean search.limit?"),
        ("[search]\ndevice = 'cpu'\n", "'search.device'; did you mean model.device?"),
        ("[search]\nxyzzy = 3\n", "unknown setting 'search.xyzzy'"),
        ("[serch]\nlimit = 3\n", "unknown section or key 'serch'; did you mean [search]?"),
        ("[xyzzy]\nlimit = 3\n", "'xyzzy'; known are [model], [index], [search], [watch]"),
        ("limit = 3\n", "unknown section or key 'limit'; did you mean limit below [search]?"),
        ("thraeds = 3\n", "'thraeds'; did you mean threads below [model]?"),
        ("datadir = '/x'\n", "unknown section or key 'datadir'; did you mean data_dir?"),
        ("[search]\nlimit = '3'\n", "must be of type int"),
        ("[search]\nlimit = true\n", "must be of type int"),
        ("[search]\nlimit = 0\n", "must lie in 1 to"),
        ("[index]\nhop = 1.5\n", "must lie in 0.05 to 1"),
        ("[index]\nexclude = 'x'\n", "must be a list of texts"),
        ("[model]\ndevice = 'tpu'\n", "must be one of auto, cpu, cuda"),
        ("data_dir = 3\n", "data_dir must be a text"),
        ("[search\n", "not valid TOML"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_config(write(tmp_path, text), environ={})


def test_bad_environment_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"search\.limit: cannot read 'many' as int"):
        load_config(write(tmp_path, ""), environ={"AUDIOSEARCH_SEARCH_LIMIT": "many"})


def test_no_file_is_blamed_for_what_came_from_elsewhere(tmp_path):
    file = write(tmp_path, "[index]\nhop = 7.0\n")
    with pytest.raises(ConfigError) as found:
        load_config(file, environ={})
    assert str(file) in str(found.value)
    for settings in (
        {"environ": {"AUDIOSEARCH_USER_NAME": " x"}},
        {"environ": {}, "overrides": {"search.limit": 0}},
    ):
        with pytest.raises(ConfigError) as found:
            load_config(write(tmp_path, ""), **settings)
        assert "config.toml" not in str(found.value)
        assert re.match(r"(user\.name|search\.limit) must", str(found.value))


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AUDIOSEARCH_MODEL_DEVCIE", "AUDIOSEARCH_MODEL_DEVICE"),
        ("AUDIOSEARCH_MODLE_DEVICE", "AUDIOSEARCH_MODEL_DEVICE"),
        ("AUDIOSEARCH_SEARCH_DEVICE", "AUDIOSEARCH_MODEL_DEVICE"),
        ("AUDIOSEARCH_DEVICE", "AUDIOSEARCH_MODEL_DEVICE"),
        ("AUDIOSEARCH_INDEX_WORKERS_MEMORY_MB", "AUDIOSEARCH_INDEX_WORKER_MEMORY_MB"),
        ("AUDIOSEARCH_DATADIR", "AUDIOSEARCH_DATA_DIR"),
        ("AUDIOSEARCH_CONFGI", "AUDIOSEARCH_CONFIG"),
        ("AUDIOSEARCH_MODEL_XYZZY", None),
    ],
)
def test_a_mistyped_variable_is_named(tmp_path, variable, meant):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, ""), environ={variable: "1"})
    suggestion = "" if meant is None else f"; did you mean {meant}?"
    assert caught.value.reason == f"unknown setting {variable} in the environment{suggestion}"


def test_variables_of_others_are_passed_over(tmp_path):
    environ = {"AUDIOSEARCH_PARITY": "/x", "AUDIOSEARCH_SOUNDS": "/y", "MODEL_DEVCIE": "cpu"}
    assert load_config(write(tmp_path, ""), environ=environ).model.device == "auto"


def test_no_key_stands_in_two_sections():
    # What a mistyped key is meant to be is looked up by its name alone.
    names = [item.name for kind in SECTIONS.values() for item in dataclasses.fields(kind)]
    assert len(names) == len(set(names))


def test_a_file_asked_for_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file") as caught:
        load_config(tmp_path / "no ne.toml", environ={})
    assert f"config init --config '{tmp_path / 'no ne.toml'}'" in str(caught.value.remedy)
    environ = {"AUDIOSEARCH_CONFIG": str(tmp_path / "none.toml")}
    with pytest.raises(ConfigError, match="no such configuration file") as caught:
        load_config(environ=environ)
    assert str(caught.value.remedy).endswith("audiosearch config init")


def test_the_file_in_force_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"AUDIOSEARCH_CONFIG": "~/named.toml"}
    assert config_path(environ=environ) == tmp_path / "named.toml"
    assert config_path(tmp_path / "given.toml", environ=environ) == tmp_path / "given.toml"
    assert config_path(environ={"AUDIOSEARCH_CONFIG": ""}) == default_config_path()


def test_a_users_name_is_one_however_it_was_typed(tmp_path):
    file = write(tmp_path, "")
    for typed in ("Zo\u00eb", "Zoe\u0308"):
        assert load_config(file, environ={"AUDIOSEARCH_USER_NAME": typed}).user.name == "Zo\u00eb"
