"""Ray as the engine: the only module that knows it, imported when it is asked for.

Ray has telemetry, and prints to stdout, where results go: both are switched off here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import Hashable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from audiosearch.cluster.opening import MISSING, RayPlace
from audiosearch.cluster.surroundings import (
    own_signals,
    private_folder,
    quiet_home,
    remove_leftovers,
    stdout_to_log,
)
from audiosearch.cluster.types import SessionLost, WorkerDied, WorkerSpot
from audiosearch.cluster.worker import HearingWorker
from audiosearch.errors import AudiosearchError, FeatureUnavailable
from audiosearch.model.runtime.parallel import MOST as MOST_CORES

log = logging.getLogger(__name__)

_STORE_BYTES: Final = 256 << 20  # of shared memory for batches, in a Ray of our own
_NO_TELEMETRY: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    # Where it would report that it is to report nothing: nobody listens there.
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
}
_STARTS: Final = 3
_REACHED_S: Final = 5.0
_LAST_S: Final = 2.0  # waited for calls of workers that were ended
_MANY: Final = 8  # calls under way, of which several are likely to end together
_CALLS: Final = 4  # of one worker at the same time: begin, exchange, batch, wind_up


def _loaded_ray(*, of_our_own: bool) -> ModuleType:
    """Ray, told beforehand to send nothing; a person's own word stays.

    It listens on all addresses of the machine, and reads at its loading whether callers need a
    token: one `of_our_own` asks for one that this process and its children alone know.
    """
    variables = dict(_NO_TELEMETRY)
    if of_our_own and "RAY_AUTH_MODE" not in os.environ:
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415 - a second, and only for this engine
    except ImportError as error:
        raise FeatureUnavailable(
            f"this needs the extra [cluster]: {error}", remedy=MISSING
        ) from error
    module: ModuleType = ray
    return module


class RayEngine:
    """Workers as actors of Ray, which starts them anew when they die; see `cluster.types.Engine`.

    Each has a part of one machine for itself: an accelerator and its share of the processors, or at
    most so many processors as one process keeps busy. `cores` and `accelerators` are those of a Ray
    of our own; None: all that this machine has.
    """

    def __init__(self, place: RayPlace, *, cores: int, accelerators: int | None) -> None:
        self._workers: list[Any] = []
        self._calls: set[Hashable] = set()
        self._ray = _loaded_ray(of_our_own=place.address is None)
        self._closing = contextlib.ExitStack()
        try:
            self._closing.enter_context(stdout_to_log())
            with own_signals():
                if place.address is None:
                    self._start(cores, accelerators)
                else:
                    self._join(place.address)
        except BaseException:
            self.close()
            raise

    def _start(self, cores: int, accelerators: int | None) -> None:
        """A Ray of our own, which ends with this process.

        It gives up a start within half a minute, which is short on a machine with much else to do.
        """
        remove_leftovers()
        folder = self._closing.enter_context(private_folder())
        self._closing.callback(self._ray.shutdown)  # before its folder goes
        for tries_left in reversed(range(_STARTS)):
            try:
                with quiet_home(folder):
                    self._ray.init(
                        address="local",
                        num_cpus=cores,
                        num_gpus=accelerators,
                        object_store_memory=_STORE_BYTES,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        _temp_dir=str(folder / "r"),
                    )
                return
            except Exception as error:
                if not tries_left:
                    reason = f"Ray does not start: {_first_line(error)}"
                    raise AudiosearchError(reason) from error
                log.debug("Ray is started once more", exc_info=True)
                self._ray.shutdown()

    def _join(self, address: str) -> None:
        self._closing.callback(self._ray.shutdown)
        try:
            if address != "auto":
                _reach(address)
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            raise AudiosearchError(
                f"Ray at {address} cannot be joined: {_first_line(error)}",
                remedy=f"on this machine, first: ray start --address={address} --num-cpus=0",
            ) from error

    def close(self) -> None:
        """End all workers, and Ray where it is our own."""
        for worker in self._workers:
            self.dismiss(worker)
        # What Ray is still to tell of their calls when it ends, it complains about on stderr.
        with contextlib.suppress(Exception):
            self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=_LAST_S)
        self._closing.close()

    def spots(self) -> Sequence[WorkerSpot]:
        """See `cluster.types.Engine`."""
        try:
            nodes = self._ray.nodes()
        except Exception as error:
            raise AudiosearchError(f"the cluster does not answer: {_first_line(error)}") from error
        return [
            spot
            for node in nodes
            if node["Alive"]
            for spot in spots_of(
                node["NodeID"],
                f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
                cores=int(node["Resources"].get("CPU", 0)),
                accelerators=int(node["Resources"].get("GPU", 0)),
            )
        ]

    def hire(self, spot: WorkerSpot) -> Any:
        """See `cluster.types.Engine`."""
        from ray.util.scheduling_strategies import (  # noqa: PLC0415 - as Ray itself
            NodeAffinitySchedulingStrategy,
        )

        actor = self._ray.remote(HearingWorker).options(
            num_cpus=spot.cores,
            num_gpus=spot.n_accelerators,
            max_restarts=-1,
            max_task_retries=-1,  # a worker that was started anew says that it knows of nothing
            max_concurrency=_CALLS,
            enable_task_events=False,  # a history of calls that nobody looks at
            scheduling_strategy=NodeAffinitySchedulingStrategy(spot.node_id, soft=False),
        )
        self._workers.append(actor.remote())
        return self._workers[-1]

    def dismiss(self, worker: Any) -> None:
        """See `cluster.types.Engine`."""
        with contextlib.suppress(Exception):
            self._ray.kill(worker)

    def share(self, content: object) -> Any:
        """See `cluster.types.Engine`."""
        return self._ray.put(content)

    def call(self, worker: Any, method: str, *arguments: object) -> Hashable:
        """See `cluster.types.Engine`."""
        reference: Hashable = getattr(worker, method).remote(*arguments)
        self._calls.add(reference)
        return reference

    def finished(self, calls: Sequence[Hashable], *, timeout_s: float) -> Sequence[Hashable]:
        """See `cluster.types.Engine`."""
        if not calls:
            threading.Event().wait(timeout_s)
            return []
        ready: Sequence[Hashable]
        ready, rest = self._ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if ready and len(rest) >= _MANY:  # of few, the next look finds the others
            ready, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        return ready

    def result(self, call: Hashable) -> Any:
        """See `cluster.types.Engine`."""
        errors = self._ray.exceptions
        self._calls.discard(call)
        try:
            return self._ray.get(call)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, SessionLost):
                raise WorkerDied("its process died, and was started anew") from error
            if isinstance(cause, MemoryError):
                raise WorkerDied("it had not enough memory") from error
            if isinstance(cause, AudiosearchError):
                raise cause from error
            log.debug("a worker went wrong", exc_info=True)
            raise AudiosearchError(f"a worker went wrong: {_last_line(error)}") from error
        except errors.RayError as error:  # worker, machine, or what it had made
            raise WorkerDied(_first_line(error)) from error


def _reach(address: str) -> None:
    """See that somebody listens: Ray itself waits for minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED_S):
        pass


def spots_of(
    node_id: str, node_name: str, *, cores: int, accelerators: int
) -> Iterator[WorkerSpot]:
    """The places for workers on one machine.

    One for each accelerator, the processors shared out evenly; without any, groups of processors,
    as even as may be, and none larger than one process keeps busy.
    """
    n_spots = min(accelerators, cores) if accelerators else -(-cores // MOST_CORES)
    for number in range(n_spots):
        share = cores * (number + 1) // n_spots - cores * number // n_spots
        yield WorkerSpot(node_id, node_name, number, share, int(accelerators > 0))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
