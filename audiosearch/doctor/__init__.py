"""Examine an installation from the settings to a sound that is decoded and heard.

It changes nothing but who may read the library: opens it for reading only, makes no folder,
migrates nothing, and takes no lock but for a moment to see whether a daemon holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

from audiosearch.config import Config
from audiosearch.doctor import model as doctor_model
from audiosearch.doctor import store as doctor_store
from audiosearch.doctor import watch as doctor_watch
from audiosearch.doctor.findings import Finding, error
from audiosearch.errors import AudiosearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

Check = Callable[[Config], Iterator[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "settings": doctor_store.settings,
        "data-folder": doctor_store.data_folder,
        "rights": doctor_store.rights,
        "disk-space": doctor_store.disk_space,
        "pictures": doctor_store.pictures,
        "database": doctor_store.database,
        "roots": doctor_store.library_roots,
        "files": doctor_store.files_in_trouble,
        "model": doctor_model.bundle,
        "device": doctor_model.device,
        "decoder": doctor_model.decoding,
        "hearing": doctor_model.hearing,
        "daemon": doctor_watch.daemon,
        "watching": doctor_watch.watching,
    }
)


def examine(config: Config) -> Iterator[Finding]:
    """All findings in the order of `CHECKS`, in which things depend on each other.

    A check that cannot be made is a finding too: one failure never hides the rest.
    """
    for name, check in CHECKS.items():
        try:
            yield from check(config)
        except AudiosearchError as failure:
            yield error(name, _failure_text(failure), failure.remedy or "see the message")
        except OSError as failure:
            yield error(name, str(failure), "check the folder's permissions and the disk")
        except Exception as failure:  # noqa: BLE001 - what breaks here is what is looked for
            detail = f"{type(failure).__name__}: {failure}"
            yield error(name, detail, "reinstall audiosearch; if that does not help, report it")


def _failure_text(failure: AudiosearchError) -> str:
    return failure.reason if failure.path is None else f"{failure.path}: {failure.reason}"
