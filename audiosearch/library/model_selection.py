"""Which models there are, and which of them hears new sounds and answers queries.

In go the settings and what each model has heard of the library, out come loaded models. It knows
nothing of queries.
"""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from pathlib import Path

from audiosearch._resources import bundled_models_path
from audiosearch.config import Config
from audiosearch.errors import BundleError
from audiosearch.model.bundle import MANIFEST, Bundle, load_bundle
from audiosearch.model.loaded import Model
from audiosearch.model.registry import find_bundle, known_bundles, list_bundles, remember_bundle
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.store.database import Database
from audiosearch.store.dialects import commit_token
from audiosearch.store.queries.bundles import BundleAhead, bundles_ahead

log = logging.getLogger(__name__)

ModelStamp = tuple[str, int, int, int, int]


class ModelChoice:
    """The models of a library, each loaded when it is first needed."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._database = database
        self._options = RuntimeOptions.of(config.model)
        self._others: dict[str, Model | None] = {}  # by fingerprint
        self._ahead: tuple[tuple[object, ...], list[BundleAhead]] | None = None
        self.notice: str | None = None  # why the answering model is not the chosen one

    @cached_property
    def chosen(self) -> Model:
        """The model that the settings name, checked: it hears new sounds.

        Raises:
            BundleError: there is none of that name, or it is damaged.
            FeatureUnavailable: it has no such task as the settings name.
        """
        bundle = load_bundle(find_model(self._config, self._config.model.bundle))
        return Model(bundle.for_task(self._config.model.task), options=self._options)

    @property
    def answering(self) -> Model:
        """The model that queries are answered with.

        That is the chosen one, once it has heard what any other has; until then the other one,
        as long as that is still installed.
        """
        for other in self._bundles_ahead():
            if other.fingerprint not in self._others:
                self._others[other.fingerprint] = self._installed(other)
            found = self._others[other.fingerprint]
            if found is not None:
                self._say(
                    f"answers come from {other.name} until {self.chosen.bundle.name} has heard "
                    f"all sounds ({other.n_recordings} to go): audiosearch index"
                )
                return found
        self.notice = None
        return self.chosen

    def _bundles_ahead(self) -> list[BundleAhead]:
        """As of now; in a large library worth keeping until somebody commits."""
        with self._database.asking() as session:
            mark = commit_token(session)
            if self._ahead is None or self._ahead[0] != mark:
                self._ahead = mark, bundles_ahead(session, of=self.chosen.bundle.fingerprint)
        return self._ahead[1]

    def _say(self, notice: str) -> None:
        if notice != self.notice:  # once, and again when it says something else
            log.warning("%s", notice)
        self.notice = notice

    def _installed(self, other: BundleAhead) -> Model | None:
        """A model that is ahead of the chosen one; None where it is no longer there."""
        for path in _by_name_first(self._config, other.name):
            try:
                bundle = load_bundle(path)
            except BundleError:
                continue
            if bundle.fingerprint == other.fingerprint:
                return Model(bundle, options=self._options)
        return None


def bundle_paths(config: Config) -> list[Path]:
    """The folders of all bundles: the user's, those that came along, those once given by path."""
    return list_bundles(search=_folders(config), others=known_bundles(config.models_dir))


def find_model(config: Config, name_or_path: str) -> Path:
    """The folder of a bundle.

    Raises:
        BundleError: there is none of that name.
    """
    others = known_bundles(config.models_dir)
    return find_bundle(name_or_path, search=_folders(config), others=others)


def model_stamp(config: Config) -> ModelStamp:
    """What is another one when the settings name another model, or its files were put there anew.

    Raises:
        BundleError: there is no such model.
    """
    return bundle_stamp(find_model(config, config.model.bundle))


def bundle_stamp(folder: Path) -> ModelStamp:
    """Where a bundle stands, and which file its manifest is: every bundle that is written has one.

    Copies may keep their times and take the place of what was deleted, inode and all; when they
    were put there is their own (but on Windows, which has no such time and no inodes to use again).

    Raises:
        OSError: there is no bundle any more.
    """
    status = (folder / MANIFEST).stat()
    changed_ns = 0 if sys.platform == "win32" else status.st_ctime_ns
    return str(folder), status.st_ino, status.st_size, status.st_mtime_ns, changed_ns


def remember_model(config: Config, bundle: Bundle) -> None:
    """Have a bundle that stands elsewhere found by its name from now on."""
    if bundle.path.parent not in _folders(config):
        remember_bundle(bundle.path, models=config.models_dir)


def _folders(config: Config) -> tuple[Path, ...]:
    return (config.models_dir, bundled_models_path())


def _by_name_first(config: Config, name: str) -> list[Path]:
    """Every bundle folder there is, those called `name` first."""
    paths = dict.fromkeys([*bundle_paths(config), *known_bundles(config.models_dir)])
    return sorted(paths, key=lambda path: path.name != name)
