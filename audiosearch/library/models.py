"""Which models there are, and which of them hears new sounds and answers queries.

In go the settings and what each model has heard of the library, out come loaded models. It knows
nothing of queries.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

from audiosearch.config import Config
from audiosearch.errors import BundleError
from audiosearch.model.bundle import find_bundle, list_bundles, load_bundle
from audiosearch.model.loaded import LoadedModel
from audiosearch.model.runtime import RuntimeOptions
from audiosearch.resources import bundled_models_path
from audiosearch.store.database import Database
from audiosearch.store.queries.coverage import BundleAhead, bundles_ahead

log = logging.getLogger(__name__)


class ModelChoice:
    """The models of a library, each loaded when it is first needed."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._database = database
        self._options = RuntimeOptions(device=config.model.device, threads=config.model.threads)
        self._others: dict[str, LoadedModel | None] = {}  # by fingerprint
        self.notice: str | None = None  # why the answering model is not the chosen one

    @cached_property
    def chosen(self) -> LoadedModel:
        """The model that the settings name, checked: it hears new sounds.

        Raises:
            BundleError: there is none of that name, or it is damaged.
            FeatureUnavailable: it has no such task as the settings name.
        """
        bundle = load_bundle(find_model(self._config, self._config.model.bundle))
        return LoadedModel(bundle.for_task(self._config.model.task), options=self._options)

    @property
    def answering(self) -> LoadedModel:
        """The model that queries are answered with.

        That is the chosen one, once it has heard what any other has; until then the other one,
        as long as that is still installed.
        """
        with self._database.reading() as session:
            ahead = bundles_ahead(session, of=self.chosen.bundle.fingerprint)
        for other in ahead:
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

    def _say(self, notice: str) -> None:
        if notice != self.notice:  # once, and again when it says something else
            log.warning("%s", notice)
        self.notice = notice

    def _installed(self, other: BundleAhead) -> LoadedModel | None:
        """A model that is ahead of the chosen one; None where it is no longer there."""
        try:
            bundle = load_bundle(find_model(self._config, other.name))
        except BundleError:
            return None
        if bundle.fingerprint != other.fingerprint:
            return None
        return LoadedModel(bundle, options=self._options)


def bundle_paths(config: Config) -> list[Path]:
    """The folders of all bundles: those that the user installed, then those that came along."""
    return list_bundles(search=_folders(config))


def find_model(config: Config, name_or_path: str) -> Path:
    """The folder of a bundle.

    Raises:
        BundleError: there is none of that name.
    """
    return find_bundle(name_or_path, search=_folders(config))


def _folders(config: Config) -> tuple[Path, ...]:
    return (config.models_dir, bundled_models_path())
