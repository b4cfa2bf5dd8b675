"""Where indexing is to be done (`--on`), and what does it there; loads no engine until it must."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from audiosearch import __version__
from audiosearch.errors import ConfigError, FeatureUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from audiosearch.cluster.hearing import ClusterHearing
    from audiosearch.cluster.types import Engine
    from audiosearch.config import Config
    from audiosearch.model.bundle import Bundle

log = logging.getLogger(__name__)

LOCAL: Final = "local"
SCHEME: Final = "ray"
MISSING: Final = "pip install 'audiosearch[cluster]'"


@dataclass(frozen=True)
class RayPlace:
    """Which Ray: one of our own on this machine, or (`address`) one that is there."""

    address: str | None


def parse_place(text: str) -> RayPlace | None:
    """What `--on` means: None for this machine without an engine.

    Raises:
        ConfigError: it has no meaning.
    """
    scheme, separator, address = text.partition("://")
    if text == LOCAL:
        return None
    if scheme != SCHEME or (separator and not address):
        raise ConfigError(f"--on takes local, ray or ray://HOST:PORT, not {text!r}")
    host, _, port = address.rpartition(":")
    if address and address != "auto" and not (host and port.isdecimal()):
        raise ConfigError(
            f"{text!r} names no port", remedy="give what `ray start` said, as ray://HOST:6379"
        )
    return RayPlace(address or None)


def require_ray() -> None:
    """See that Ray is there, without loading it.

    Raises:
        FeatureUnavailable: it is not.
    """
    try:
        found = find_spec("ray") is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise FeatureUnavailable(
            "this needs the extra [cluster]: ray is not installed", remedy=MISSING
        )


def open_hearing(
    place: RayPlace,
    *,
    config: Config,
    bundle: Bundle,
    task: str,
    roots: Sequence[bytes] = (),
    warn: Callable[[str], None] = log.warning,
) -> ClusterHearing:
    """What reads and encodes at `place`; a context manager, which starts nothing until it must.

    Args:
        place: which Ray.
        config: of batches, processors and devices.
        bundle: what encodes.
        task: captioning style, as the settings name it; empty: the bundle's own.
        roots: folders that a machine must see to index.
        warn: is told of workers that die over pieces of other work, or are left out.

    Raises:
        FeatureUnavailable: Ray is not installed.
    """
    from audiosearch.cluster.crew import Crew  # noqa: PLC0415 - for clusters alone
    from audiosearch.cluster.hearing import ClusterHearing  # noqa: PLC0415
    from audiosearch.cluster.sent_models import model_files  # noqa: PLC0415
    from audiosearch.cluster.types import WorkerSetup  # noqa: PLC0415
    from audiosearch.model.runtime.providers import available_cores  # noqa: PLC0415

    require_ray()
    cores = config.index.workers or available_cores()
    on_cpu = config.model.device == "cpu"

    def open_engine() -> Engine:
        from audiosearch.cluster.ray_engine import RayEngine  # noqa: PLC0415 - loads Ray

        return RayEngine(place, cores=cores, accelerators=0 if on_cpu else None)

    setup = WorkerSetup(
        version=__version__,
        bundle_path=str(bundle.path),
        fingerprint=bundle.fingerprint,
        task=task,
        device=config.model.device,
        cores=cores,
        config=config.index,
        hop_s=config.index.hop * bundle.window_s,
        roots=tuple(roots),
        exact=config.model.exact,
    )
    crew = Crew(open_engine, setup=setup, model_files=lambda: model_files(bundle))
    return ClusterHearing(crew, warn=warn)
