"""Settings: what they are, their defaults, and where they come from.

Later wins: the defaults below, the TOML file, environment variables (`AUDIOSEARCH_SECTION_KEY`),
then what the command line passes as overrides. `config.example.toml` names every key.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

import platformdirs

from audiosearch._files import read_bounded
from audiosearch._resources import example_config_path
from audiosearch._wording import did_you_mean, nearest
from audiosearch.errors import ConfigError

APP = "audiosearch"
_MOST_BYTES = 1 << 20  # of a settings file
_MOST_LETTERS = 100  # of a user's name


@dataclass(frozen=True)
class ModelConfig:
    """Which bundle encodes and answers, and on what."""

    bundle: str = "starter"  # a bundle's name, or the path of its folder
    task: str = ""  # captioning style of a model that has several; empty = its own default
    device: str = "auto"  # auto | cpu | cuda
    threads: int = 0  # threads of a session; 0 = one a core
    exact: bool = False  # compute in float32 where processors would take a bundle's 8-bit graphs


@dataclass(frozen=True)
class IndexConfig:
    """How folders become windows."""

    hop: float = 0.5  # of a window: 0.5 = half-overlapping windows, 1 = side by side
    captions: bool = True  # let the decoder write a sentence for each window
    exact_windows: bool = True  # encode each window as if there were nothing around it
    loudness: bool = True  # measure the loudness of new sounds
    batch_windows: int = 32  # windows encoded together
    commit_s: float = 1.0  # seconds of work committed together, 4 batches at most; 0: each batch
    workers: int = 0  # decoding processes; 0 = one a core
    worker_memory_mb: int = 1024  # address space of a decoding process
    worker_stall_s: float = 30.0  # a decoder that gives nothing for so long is stopped
    follow_symlinks: bool = False
    exclude: tuple[str, ...] = (".*", "__MACOSX", "@eaDir", "lost+found")  # names never entered


@dataclass(frozen=True)
class SearchConfig:
    """How queries are answered."""

    limit: int = 10  # hits shown
    candidates: int = 200  # windows that the decoder reranks
    exhaustive_below: int = 400  # libraries of fewer windows skip the candidate step
    min_score: float = -1.0  # hits below are not shown; negative = the bundle's own default
    fold_similarity: float = 0.999  # recordings more alike than this show as one; above 1 = never
    scale: str = "128"  # windows that a caption's least and greatest loss are taken over, or "all"
    normalise: str = "mean"  # what ranks captions: mean | minmax | lift | zscore | none

    @property
    def scale_size(self) -> int | None:
        """Windows in the sample of a caption's scale; None = all."""
        return None if self.scale == "all" else int(self.scale)


@dataclass(frozen=True)
class WatchConfig:
    """How the daemon keeps a library in step with its folders."""

    scan_every_s: float = 3600.0  # a full look at all folders, whatever was told of them
    settle_s: float = 2.0  # a file that was written to waits so long before it is opened
    poll_every_s: float = 60.0  # a full look at folders whose changes the system does not tell
    polling: str = "auto"  # auto | always: poll all folders
    unload_minutes: float = 10.0  # without a question; then the model leaves memory; 0 = never


@dataclass(frozen=True)
class ServeConfig:
    """Where the page and its API are given."""

    enabled: bool = False  # whether the daemon gives them too
    host: str = "127.0.0.1"  # any other than this machine's own asks a token of everybody
    port: int = 7433
    access: str = "auto"  # auto: other machines by a token; token: programs of this one too


@dataclass(frozen=True)
class StoreConfig:
    """Where the library's rows are; without a URL in the data folder, in a file of SQLite."""

    url: str = ""  # of a PostgreSQL server: postgresql+psycopg://USER@HOST/DATABASE
    replica: str = ""  # of a copy that the server keeps of itself, for those who only read
    exact_below: int = 200_000  # windows; of more, PostgreSQL's index gives the candidates


@dataclass(frozen=True)
class UserConfig:
    """Who works with the library, where several do."""

    name: str = ""  # whose tags, ratings and notes are written; empty = everybody's


@dataclass(frozen=True)
class Config:
    """All settings, by section, with the places they refer to."""

    data_dir: Path
    config_file: Path
    model: ModelConfig = field(default_factory=ModelConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    user: UserConfig = field(default_factory=UserConfig)

    @property
    def database(self) -> Path:
        """The SQLite file of the library; it is not used where `store.url` names a server."""
        return self.data_dir / "library.sqlite3"

    @property
    def models_dir(self) -> Path:
        """Where bundles that the user installed stand."""
        return self.data_dir / "models"


_Section = (
    ModelConfig | IndexConfig | SearchConfig | WatchConfig | ServeConfig | StoreConfig | UserConfig
)
SECTIONS: Mapping[str, type[_Section]] = MappingProxyType(
    {
        "model": ModelConfig,
        "index": IndexConfig,
        "search": SearchConfig,
        "watch": WatchConfig,
        "serve": ServeConfig,
        "store": StoreConfig,
        "user": UserConfig,
    }
)

_SECTION_OF: Mapping[str, str] = MappingProxyType(
    {item.name: section for section, kind in SECTIONS.items() for item in fields(kind)}
)
_PREFIX = "AUDIOSEARCH_"
_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        f"{_PREFIX}{section}_{name}".upper(): f"{section}.{name}"
        for name, section in _SECTION_OF.items()
    }
)
_PLACES = (f"{_PREFIX}CONFIG", f"{_PREFIX}DATA_DIR")

# key -> (least, greatest) value that makes sense
_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "model.threads": (0, 1024),
        "index.hop": (0.05, 1.0),
        "index.batch_windows": (1, 4096),
        "index.commit_s": (0.0, 60.0),
        "index.workers": (0, 256),
        "index.worker_memory_mb": (256, 1 << 20),
        "index.worker_stall_s": (1.0, 86_400.0),
        "watch.scan_every_s": (1.0, 31_536_000.0),
        "watch.settle_s": (0.05, 3600.0),
        "watch.poll_every_s": (0.1, 86_400.0),
        "search.limit": (1, 1_000_000),
        "search.candidates": (1, 1_000_000),
        "search.exhaustive_below": (0, 1_000_000_000),
        "search.min_score": (-1.0, 1.0),
        "search.fold_similarity": (0.0, 2.0),
        "watch.unload_minutes": (0.0, 1e6),
        "serve.port": (0, 65_535),
        "store.exact_below": (0, 1_000_000_000),
    }
)
# Of `search.normalise.Normalise`, the first of them the default.
NORMALISE_CHOICES = ("mean", "minmax", "lift", "zscore", "none")
_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "model.device": ("auto", "cpu", "cuda"),
        "watch.polling": ("auto", "always"),
        "serve.access": ("auto", "token"),
        "search.normalise": NORMALISE_CHOICES,
    }
)


def default_config_path() -> Path:
    """The platform's place for this program's configuration file."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "config.toml"


def config_path(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Path:
    """The settings file in force, there or not: `path`, the environment's, or the usual one."""
    return path or _named_by(environ) or default_config_path()


def _named_by(environ: Mapping[str, str]) -> Path | None:
    text = environ.get("AUDIOSEARCH_CONFIG")
    return Path(text).expanduser() if text else None


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Settings from `path` (or the platform's place), the environment and `overrides`.

    `overrides` maps `section.key` to a value; a value of None is passed over.

    Raises:
        ConfigError: the file named does not exist or is not TOML; a key or a variable that is
            meant as one is unknown; a value is of the wrong type or out of range.
    """
    file = config_path(path, environ=environ)
    asked_for = path is not None or _named_by(environ) is not None
    document = _read(file, given=path, must_exist=asked_for)
    data_dir = document.pop("data_dir", None)
    if data_dir is not None and not isinstance(data_dir, str):
        raise ConfigError("data_dir must be a text", path=file)
    data_dir = environ.get("AUDIOSEARCH_DATA_DIR") or data_dir
    if data_dir is None:
        data_dir = platformdirs.user_data_dir(APP, appauthor=False)
    if "\0" in data_dir:
        raise ConfigError("data_dir holds a NUL, which no path can", path=file)
    values = _flatten(document, file=file)
    elsewhere = _from_environment(environ)
    elsewhere |= {key: value for key, value in (overrides or {}).items() if value is not None}
    values |= elsewhere
    sections: dict[str, Any] = {name: kind() for name, kind in SECTIONS.items()}
    for key, value in values.items():
        section, _, name = key.partition(".")
        checked = _checked(key, value, file=None if key in elsewhere else file)
        sections[section] = replace(sections[section], **{name: checked})
    return Config(data_dir=Path(data_dir).expanduser().absolute(), config_file=file, **sections)


def example_config() -> str:
    """The text of `config.example.toml`: every key with its default and what it does."""
    return example_config_path().read_text(encoding="utf-8")


def _read(file: Path, *, given: Path | None, must_exist: bool) -> dict[str, Any]:
    try:
        text = read_bounded(file, _MOST_BYTES).decode("utf-8")
    except FileNotFoundError:
        if must_exist:
            import shlex  # noqa: PLC0415 - for the remedy alone

            option = "" if given is None else f" --config {shlex.quote(str(given))}"
            raise ConfigError(
                "no such configuration file",
                path=file,
                remedy=f"this writes it: audiosearch config init{option}",
            ) from None
        return {}
    except OSError as error:
        raise ConfigError(error.strerror or str(error), path=file) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", path=file) from error
    import tomllib  # noqa: PLC0415 - most have no such file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", path=file) from error
    except RecursionError:
        raise ConfigError("not valid TOML: it is nested too deeply", path=file) from None


def _flatten(document: Mapping[str, Any], *, file: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            meant = _section_meant(section, is_table=isinstance(table, dict))
            raise ConfigError(f"unknown section or key {section!r}{meant}", path=file)
        for name, value in table.items():
            if _SECTION_OF.get(name) != section:
                key = _nearest_setting(section, name)
                meant = "" if key is None else f"; did you mean {key}?"
                raise ConfigError(f"unknown setting '{section}.{name}'{meant}", path=file)
            values[f"{section}.{name}"] = value
    return values


def _section_meant(name: str, *, is_table: bool) -> str:
    """What a name at the top of the file, outside all sections, was most likely meant to be."""
    if not is_table and nearest(name, ("data_dir",)):
        return "; did you mean data_dir?"
    key = None if is_table else nearest(name, _SECTION_OF)
    if key is not None:
        return f"; did you mean {key} below [{_SECTION_OF[key]}]?"
    known = ", ".join(f"[{section}]" for section in SECTIONS)
    return did_you_mean(name, SECTIONS, form="[{}]") or f"; known are {known}"


def _nearest_setting(section: str, name: str) -> str | None:
    """The setting that a name in a section is most like; it may belong into another section."""
    own = [key for key, home in _SECTION_OF.items() if home == section]
    key = name if name in _SECTION_OF else nearest(name, own) or nearest(name, _SECTION_OF)
    return None if key is None else f"{_SECTION_OF[key]}.{key}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    for variable in environ:
        if variable.startswith(_PREFIX) and variable not in (*_VARIABLES, *_PLACES):
            _refuse_mistyped(variable)
    return {
        key: _parse(key, environ[variable])
        for variable, key in _VARIABLES.items()
        if variable in environ
    }


def _refuse_mistyped(variable: str) -> None:
    """Pass over a variable that has nothing to do with settings, such as one of a user's scripts.

    Raises:
        ConfigError: it is meant as a setting: it names a section, or is like a setting's name.
    """
    rest = variable.removeprefix(_PREFIX).lower()
    section, _, name = rest.partition("_")
    variables = {key: known for known, key in _VARIABLES.items()}
    if section in SECTIONS:
        key = _nearest_setting(section, name)
        meant = None if key is None else variables[key]
    else:
        # Without what all of them begin with, which would make any two alike; the section may lack.
        names = {known.removeprefix(_PREFIX): known for known in (*_VARIABLES, *_PLACES)}
        names |= {key.partition(".")[2]: known for key, known in variables.items()}
        found = nearest(rest, names, cutoff=0.8)
        if found is None:
            return
        meant = names[found]
    suggestion = "" if meant is None else f"; did you mean {meant}?"
    raise ConfigError(f"unknown setting {variable} in the environment{suggestion}")


def _key_type(key: str) -> Any:
    section, _, name = key.partition(".")
    return get_type_hints(SECTIONS[section])[name]


def _parse(key: str, text: str) -> Any:
    """A value out of an environment variable's text."""
    kind = _key_type(key)
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                text.strip().lower()
            ]
        if kind in (int, float):
            return kind(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{key}: cannot read {text!r} as {kind.__name__}") from None
    return tuple(part for part in text.split(os.pathsep) if part) if kind is not str else text


def _scale(value: Any, *, file: Path | None) -> str:
    """A number of windows, as a number or a text, or "all"."""
    text = str(value)
    if text == "all" or (text.isdecimal() and 2 <= int(text) <= 1_000_000_000):
        return text
    raise ConfigError(f'search.scale must be "all" or 2 and more, not {value!r}', path=file)


def user_name(text: str) -> str | None:
    """A user's name in one form, however it was typed; None where it is none that can be seen."""
    name = unicodedata.normalize("NFC", text)
    seen = name.isprintable() and name == name.strip()
    return name if seen and len(name) <= _MOST_LETTERS else None


def _checked(key: str, value: Any, *, file: Path | None) -> Any:
    """The value of a setting; `file` is to blame if it is none, unless it came from elsewhere."""
    kind = _key_type(key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind not in (bool, int, float, str):  # tuple[str, ...]
        if not isinstance(value, (list, tuple)) or not all(isinstance(x, str) for x in value):
            raise ConfigError(f"{key} must be a list of texts", path=file)
        return tuple(value)
    if key == "search.scale":
        value = _scale(value, file=file)
    if type(value) is not kind:
        raise ConfigError(f"{key} must be of type {kind.__name__}, not {value!r}", path=file)
    if key == "user.name":
        name = user_name(value)
        if name is None:
            raise ConfigError(
                f"{key} must be at most {_MOST_LETTERS} letters that can be seen, with no space"
                f" around them, not {value!r}",
                path=file,
            )
        return name
    if key in _CHOICES and value not in _CHOICES[key]:
        raise ConfigError(
            f"{key} must be one of {', '.join(_CHOICES[key])}, not {value!r}", path=file
        )
    if key in _RANGES and not _RANGES[key][0] <= value <= _RANGES[key][1]:
        low, high = _RANGES[key]
        raise ConfigError(f"{key} must lie in {low:g} to {high:g}, not {value!r}", path=file)
    return value
