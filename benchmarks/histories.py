"""Live through thousands of random histories of a library, each held to a plain dict.

    python -m benchmarks.histories --histories 10000 --seed 1

The state machine of `tests/library_machine.py` with the toy bundle, in rounds whose seeds follow
one another. A history that goes wrong is shortened and its steps are printed; exit status 1.
SIGINT or SIGTERM ends it after the round in hand; it then tells how far it has come.
"""

from __future__ import annotations

import gc
import os
import sys
import time

import click
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks.told import told_to_stop
from tests.compiled_once import statements_compiled_once
from tests.library_machine import LibraryMachine
from tests.library_sounds import BUNDLE
from tests.toy_bundles import TOY

ROUND = 100  # histories with one seed


@click.command()
@click.option("--histories", default=10_000, show_default=True)
@click.option("--steps", default=12, show_default=True, help="Steps of a history, at most.")
@click.option("--seed", "first_seed", default=1, show_default=True)
def main(histories: int, steps: int, first_seed: int) -> None:
    """Live and compare; print how far it has come."""
    start = time.monotonic()
    done, number = 0, first_seed
    gc.set_threshold(50_000)  # as the command has it
    with told_to_stop() as stop, statements_compiled_once():
        os.environ[BUNDLE] = str(TOY)
        while done < histories and not stop.is_set():
            _live(min(ROUND, histories - done), steps=steps, number=number)
            done, number = min(done + ROUND, histories), number + 1
            click.echo(f"{done} histories, {time.monotonic() - start:.0f} s, 0 amiss", err=True)
    click.echo(
        f"{done} histories of up to {steps} steps, seeds {first_seed} to {number - 1},"
        f" {time.monotonic() - start:.0f} s; 0 amiss"
    )


def _live(histories: int, *, steps: int, number: int) -> None:
    wanted = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine = seed(number)(LibraryMachine)
    try:
        run_state_machine_as_test(machine, settings=wanted)
    except Exception:
        click.echo(f"seed {number}: a history went wrong; its steps:", err=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
