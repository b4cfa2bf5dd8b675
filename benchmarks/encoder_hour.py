"""What an hour of sound costs each bundle's encoder: the column of docs/importing.md.

python -m benchmarks.encoder_hour starter clap FOLDER ...    # bundles by their names or folders

The processor's time of one thread for noise, window after window; the least of some rounds, in
which the bundles take turns. What a network costs does not hang on its weights: random ones of a
published size take as long as the published.
"""

from __future__ import annotations

import time

import click
import numpy as np

from audiosearch.config import load_config
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import load_bundle
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions

HOUR_S = 3600.0


def seconds_an_hour(model: Model, *, windows: int, seed: int) -> float:
    """Seconds of the processor for an hour of sound without overlap, from some windows of noise."""
    bundle = model.bundle
    n_samples = round(bundle.window_s * bundle.sample_rate)
    rng = np.random.default_rng(seed)
    sounds = [rng.normal(scale=0.1, size=n_samples).astype(np.float32) for _ in range(windows)]
    began = time.process_time()
    model.encoder.encode_many(sounds)
    return (time.process_time() - began) / (windows * bundle.window_s) * HOUR_S


@click.command()
@click.argument("bundles", nargs=-1, required=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--windows", type=click.IntRange(1), default=4, show_default=True)
def main(bundles: tuple[str, ...], rounds: int, windows: int) -> None:
    """Print a row for each of BUNDLES."""
    config = load_config()
    options = RuntimeOptions(device="cpu", threads=1)
    models = {
        name: Model(load_bundle(find_model(config, name)), options=options) for name in bundles
    }
    for model in models.values():
        seconds_an_hour(model, windows=1, seed=0)  # loads and warms up
    taken: dict[str, list[float]] = {name: [] for name in models}
    for seed in range(rounds):
        for name, model in models.items():
            taken[name].append(seconds_an_hour(model, windows=windows, seed=seed))
    click.echo("| bundle | an hour of sound |\n|---|---|")
    for name, seconds in taken.items():
        click.echo(f"| `{name}` | {min(seconds):.3g} s |")


if __name__ == "__main__":
    main()
