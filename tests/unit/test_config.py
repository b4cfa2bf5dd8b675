"""Settings: defaults, file, environment, overrides; and that the example file names every key."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from audiosearch.config import SECTIONS, default_config_path, example_config, load_config
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
        ("[search]\nlimt = 3\n", "unknown setting 'search.limt'"),
        ("[serch]\nlimit = 3\n", "unknown section or key 'serch'"),
        ("limit = 3\n", "unknown section or key 'limit'"),
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
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        load_config(write(tmp_path, text), environ={})


def test_bad_environment_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"search\.limit: cannot read 'many' as int"):
        load_config(write(tmp_path, ""), environ={"AUDIOSEARCH_SEARCH_LIMIT": "many"})


def test_a_file_asked_for_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.toml", environ={})
