"""What a graphics card gives: the same answers, and how many hours of sound a minute.

One command says what sessions really run on, compares float32 and half precision on the card with
float32 on the CPU, and measures throughput by batch, for the encoder alone and with captions, and
what share of the encoder's time goes into moving sound to the card and results back. It ends with
status 1 where there is no card, where a session does not use it, or where answers differ by more
than they may. Half precision needs the extra [train].

python -m benchmarks.on_card
python -m benchmarks.on_card --bundle ~/.local/share/audiosearch/models/conette
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from audiosearch._resources import bundled_models_path
from audiosearch._typing import AnyArray, Floats
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.device_array import DeviceArray
from audiosearch.model.runtime.providers import card_name, free_card_memory
from audiosearch.model.runtime.session import GraphSession, OutOfMemory, RuntimeOptions
from benchmarks.card_parity import FLOAT32, HALF, Tolerance, Way, compare, made_up_sounds

CARD, CPU = RuntimeOptions(device="cuda"), RuntimeOptions(device="cpu")
BATCHES = (1, 4, 16, 64, 256)


@dataclass(frozen=True)
class Form:
    """A bundle in float32 or in half precision, and how far it may be from float32 on the CPU."""

    name: str
    bundle: Bundle
    tolerance: Tolerance


@click.command()
@click.option(
    "--bundle",
    "path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The bundle to run (default: the one that comes with the program).",
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
def main(path: Path | None, rounds: int) -> None:
    """Compare and measure a bundle on the graphics card."""
    bundle = load_bundle(path or bundled_models_path() / "starter")
    device = Encoder(bundle, options=CARD).device
    if device.name != "cuda":
        print(f"nothing was measured: {device.note}", file=sys.stderr)
        raise SystemExit(1)
    print(f"{bundle.name} {bundle.version} on {card_name()}, {device.provider}")
    print(f"{(free_card_memory() or 0) / 2**30:.1f} GB free on it")
    with tempfile.TemporaryDirectory() as folder:
        forms = [Form("float32", bundle, FLOAT32), *_half(bundle, Path(folder))]
        good = [parity(form, bundle) for form in forms]
        for form in forms:
            throughput(form, rounds=rounds)
    if not all(good):
        print("answers differ by more than they may", file=sys.stderr)
        raise SystemExit(1)


def _half(bundle: Bundle, folder: Path) -> list[Form]:
    """The same bundle in half precision, if that can be made here."""
    try:
        from audiosearch.convert.quantise import (  # noqa: PLC0415 - an extra
            FP16,
            quantise_bundle,
        )
    except ImportError as error:
        print(f"no half precision: {error.name} is missing (pip install 'audiosearch[train]')")
        return []
    sounds = list(made_up_sounds(bundle, count=4))
    path, _ = quantise_bundle(bundle, name="half", folder=folder, sounds=sounds, form=FP16)
    return [Form("half precision", load_bundle(path), HALF)]


def parity(form: Form, exact: Bundle) -> bool:
    """Print how far the card is from float32 on the CPU; whether it is near enough."""
    found = compare(Way(exact, CPU), Way(form.bundle, CARD), sounds=made_up_sounds(exact))
    on_card = all(provider.startswith("CUDA") for provider in found.providers)
    good = on_card and found.within(form.tolerance)
    print(f"\n{form.name}, encoder and decoder on {', '.join(found.providers)}, against the CPU:")
    print(f"  frames differ by {found.frames:.1e} of the greatest at most,", end=" ")
    print(f"cosine {found.cosine:.6f} at worst; embeddings {found.embedding_cosine:.6f}")
    print(f"  cross-entropies differ by {found.cross_entropy:.1e} nats a word at most;", end=" ")
    print(f"{found.sentences:.0%} of the sentences are the same")
    print(f"  {'good' if good else 'NOT GOOD'}")
    return good


def throughput(form: Form, *, rounds: int) -> None:
    """Print how fast a form encodes, by batch size."""
    bundle = form.bundle
    print(f"\n{form.name}: hours of sound a minute, medians of {rounds} rounds")
    print(f"{'windows':>8} {'encoder':>10} {'moving':>8} {'with captions':>14}")
    session = GraphSession(bundle.graphs["encoder"], options=CARD, fused=True)
    encoder, captioner = Encoder(bundle, options=CARD), Captioner(Decoder(bundle, options=CARD))
    for count in BATCHES:
        sounds = np.resize(made_up_sounds(bundle), (count, _samples(bundle)))
        try:
            whole, inside = encoder_seconds(session, sounds, rounds=rounds)
        except OutOfMemory:
            print(f"{count:>8} does not fit")
            return

        def both(sounds: Floats = sounds) -> None:
            captioner.captions([each.frames for each in encoder.encode(sounds)])

        hours = count * bundle.window_s / 3600
        captioned = median_seconds(both, rounds=rounds)
        share = max(0.0, 1 - inside / whole)
        print(f"{count:>8} {60 * hours / whole:>10.1f} {share:>8.0%}", end=" ")
        print(f"{60 * hours / captioned:>14.1f}")
    for part in (session.device, encoder.device, captioner.decoder.device):
        if part.note:
            print(f"  {part.note}")


def _samples(bundle: Bundle) -> int:
    return int(bundle.window_s * bundle.sample_rate)


def encoder_seconds(session: GraphSession, sounds: Floats, *, rounds: int) -> tuple[float, float]:
    """Seconds of one run over `sounds` (B, N): with what is moved, and with all of it held there.

    Raises:
        OutOfMemory: the card has no room for so many.
    """
    names = ["frames", "embedding"]
    [waveform] = held(session, sounds)
    whole = median_seconds(lambda: session.run(names, {"waveform": sounds}), rounds=rounds)
    inside = median_seconds(
        lambda: session.run_holding([], names, {"waveform": waveform}), rounds=rounds
    )
    return whole, inside


def held(session: GraphSession, *arrays: AnyArray) -> list[DeviceArray]:
    """The arrays on the session's device."""
    import onnxruntime  # noqa: PLC0415 - as in `runtime`

    name = session.device.name
    return [
        DeviceArray(onnxruntime.OrtValue.ortvalue_from_numpy(array, name, 0), name)
        for array in arrays
    ]


def median_seconds(work: Callable[[], object], *, rounds: int) -> float:
    """The median time of `work`, once it has warmed up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main()
