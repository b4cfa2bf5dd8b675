"""The training loop that every stage shares: schedule, clipping, log, checkpoints, stop and resume.

Every step draws its randomness from (seed, step), never from the steps before it: a run that was
stopped ends with the weights, to the bit, of one that was not.
"""

from __future__ import annotations

import bisect
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from audiosearch._signals import stop_on_signals
from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import Report, State, TrainingProgress, load_state, save_state

Batch = TypeVar("Batch")
Network = TypeVar("Network", bound=nn.Module)
Item = TypeVar("Item")
Made = TypeVar("Made")

REPORT_EVERY_S = 30.0


class TrainingStopped(AudiosearchError):
    """A signal asked the training to stop; it has saved what it has done."""


class Trainer(ABC, Generic[Network, Batch]):
    """A network on its way through some epochs; `run` goes from the last checkpoint to the end.

    A stage says what it trains by the abstract methods. An epoch is what lies between two
    checkpoints. Files: `STAGE.partial.pt` while it runs, `STAGE.pt` when it is finished.
    """

    stage: ClassVar[str]
    """The stage's name, of its files and in the log."""

    def __init__(
        self,
        network: Network,
        optimiser: Optimizer,
        *,
        seed: int,
        folder: Path,
        epochs: int,
        steps_per_epoch: int,
        clip_norm: float | None,
    ) -> None:
        """Begin at the first step.

        Args:
            network: What is trained; made by the caller after `torch.manual_seed(seed)`.
            optimiser: Of its parameters.
            seed: Of all randomness.
            folder: Where the files go.
            epochs: How many.
            steps_per_epoch: How far the step counter, which schedules go by, moves in one.
            clip_norm: The longest gradient that is followed as it is; None: any.
        """
        self.network = network
        self.optimiser = optimiser
        self.seed = seed
        self.folder = folder
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.clip_norm = clip_norm
        self.epoch = 0
        self.place = 0
        """Steps that are done in this epoch."""

    @property
    def step(self) -> int:
        """The number of the next step, from 0."""
        return self.epoch * self.steps_per_epoch + self.place

    @property
    def steps(self) -> int:
        """The number of the last step, plus one."""
        return self.epochs * self.steps_per_epoch

    @abstractmethod
    def batches(self, epoch: int, *, first: int) -> Iterator[Batch]:
        """The batches of an epoch, without those before number `first`."""

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """The learning rate of a step."""

    @abstractmethod
    def loss(self, batch: Batch, rng: Generator) -> Tensor:
        """The loss of a batch; `rng` is this step's own."""

    @abstractmethod
    def validate(self) -> str:
        """How the network does on held-out data, for the log; empty where it was not asked."""

    @abstractmethod
    def finished(self) -> State:
        """What the finished file holds."""

    def after_step(self, step: int) -> None:
        """Called when a step's weights are there."""

    def state(self) -> State:
        """What a checkpoint holds beside network, optimiser and counters."""
        return {}

    def restore(self, state: State) -> None:
        """Take back what `state` gave."""

    def run(self, *, report: Report) -> Path:
        """Train to the end and return the path of what is finished.

        Raises:
            TrainingStopped: SIGINT or SIGTERM came; the next run goes on after the last step.
        """
        unfinished = self.folder / f"{self.stage}.partial.pt"
        target = self.folder / f"{self.stage}.pt"
        if unfinished.exists():
            self._restore(unfinished)
        asked = "stopping after this step; once more to stop at once"
        with stop_on_signals(on_first=lambda _: self._report(report, asked)) as stop:
            while self.epoch < self.epochs:
                self._train_epoch(unfinished, stop=stop, report=report)
        save_state(self.finished(), target)
        self._report(report, f"wrote {target}")
        return target

    def _train_epoch(self, unfinished: Path, *, stop: threading.Event, report: Report) -> None:
        started = told = time.monotonic()
        losses: list[float] = []
        for batch in self.batches(self.epoch, first=self.place):
            losses.append(self._train_step(batch))
            self.place += 1
            if stop.is_set():
                self._save(unfinished)
                raise TrainingStopped(
                    f"stopped after step {self.step} of {self.steps}, which is saved",
                    path=unfinished,
                    remedy="run the stage again: it goes on there",
                )
            if time.monotonic() - told > REPORT_EVERY_S:
                told = time.monotonic()
                self._report(report, f"loss {_mean(losses):.4f}")
        self.epoch, self.place = self.epoch + 1, 0
        self._save(unfinished)
        held_out = self.validate()
        texts = [f"loss {_mean(losses):.4f}", held_out, f"{time.monotonic() - started:.0f} s"]
        self._report(report, "; ".join(filter(None, texts)))

    def _train_step(self, batch: Batch) -> float:
        step = self.step
        torch.manual_seed(step_seed(self.seed, step))  # dropout draws from the global generator
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(step)
        self.network.train()
        loss = self.loss(batch, step_generator(self.seed, step))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimiser.step()
        self.after_step(step)
        return float(loss.detach())

    def _report(self, report: Report, text: str) -> None:
        report(TrainingProgress(self.stage, min(self.step, self.steps), self.steps, text))

    def _save(self, path: Path) -> None:
        counters = {"epoch": self.epoch, "place": self.place}
        networks = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save_state({**networks, **counters, **self.state()}, path)

    def _restore(self, path: Path) -> None:
        state = load_state(path)
        if not {"epoch", "place"} <= state.keys():
            raise AudiosearchError(
                "was written by an older version", path=path, remedy="--restart begins anew"
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.place = int(state["epoch"]), int(state["place"])
        self.restore(state)


def prefetch(items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[tuple[Item, Made]]:
    """Every item with `make(item)`; an error of `make` is raised where its item is due."""
    with ThreadPoolExecutor(1, "ahead") as maker:
        before: tuple[Item, Future[Made]] | None = None
        for item in items:
            coming = (item, maker.submit(make, item))
            if before is not None:
                yield before[0], before[1].result()
            before = coming
        if before is not None:
            yield before[0], before[1].result()


def step_seed(seed: int, step: int) -> int:
    """The seed of one step of a run."""
    return seed * 1_000_003 + step


def step_generator(seed: int, step: int) -> Generator:
    """The random numbers of one step."""
    return torch.Generator().manual_seed(step_seed(seed, step))


def half_cosine(done: float) -> float:
    """From 1 down to 0 as `done` goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * done))


def cycle_of(at: float, restarts: Sequence[int], end: int) -> tuple[int, int]:
    """First and end of the cycle that `at` lies in; restarts after the end do not count.

    Each cycle begins where the learning rate starts anew (https://arxiv.org/abs/1608.03983).
    """
    edges = (0, *(edge for edge in restarts if edge < end), end)
    cycle = bisect.bisect_right(edges, at, hi=len(edges) - 1) - 1
    return edges[cycle], edges[cycle + 1]


def _mean(losses: Sequence[float]) -> float:
    """Their mean; nan where a resumed epoch had no step left."""
    return float(np.mean(losses)) if losses else math.nan
