"""A model of published size against a straightforward torch implementation, side by side.

A ConvNeXt-Tiny encoder and a captioner of CoNeTTE's size get random weights, are written in the
authors' layout and imported by the real importer; the bundle is quantised too. Each round times
every contender once, one after the other, so that whatever else the machine does hits all alike;
the table has medians, and ratios within a round and of the least times. The reference is the
networks of `audiosearch.training` in torch: float32, nothing kept between steps or pairs, as many
threads.

python -m benchmarks.published_size --threads 2 --rounds 9
python -m benchmarks.published_size --part encoder --work FOLDER   # and --part decoder: in pieces
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from audiosearch._typing import Floats, Ints
from audiosearch.convert.importer import import_published
from audiosearch.convert.quantise import calibration_sounds, quantise_bundle
from audiosearch.model.beam import beam_search
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer
from audiosearch.training.networks.convnext import TINY, ConvNext, ConvNextConfig
from audiosearch.training.networks.decoder import (
    DecoderConfig,
    DecoderNetwork,
    caption_cross_entropy,
)
from audiosearch.training.networks.frontend import PAPER_FRONTEND, LogMel
from benchmarks.side_by_side import Row, measure, timed
from tests.published_checkpoints import hub_words, write_hub_folder

WORDS = 4370
CAPTION = tuple(range(10, 22))  # 12 words and the end: 13 targets
SOUNDS = 100
WINDOWS = 8  # encoded together


@click.command()
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(1))
@click.option(
    "--part",
    type=click.Choice(["all", "encoder", "decoder"]),
    default="all",
    show_default=True,
    help="What to measure.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder to keep the bundles in; one that has them saves making them.",
)
def main(threads: int, rounds: int, part: str, work: Path | None) -> None:
    """Measure encoding, captions and cross-entropies at published size."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        folder = work or Path(place)
        encoder, captioner = networks()
        bundles = _bundles(folder, encoder, captioner)
        options = RuntimeOptions(device="cpu", threads=threads)
        rows: list[Row] = []
        if part != "decoder":
            rows += [
                _encoding(encoder, captioner, bundles, options, n_windows=count)
                for count in (1, WINDOWS)
            ]
        if part != "encoder":
            rows += _decoding(captioner, bundles, options)
        measure(rows, rounds=rounds, threads=threads)


def networks() -> tuple[ConvNext, DecoderNetwork]:
    """Encoder and captioner of published size, of random weights that pass signals on."""
    torch.manual_seed(0)
    encoder = ConvNext(TINY).eval()
    captioner = DecoderNetwork(DecoderConfig(vocabulary=WORDS, heads=8)).eval()
    with torch.no_grad():
        for name, values in encoder.named_parameters():
            if name.endswith("gamma"):
                values.fill_(0.5)
            elif values.ndim >= 2:
                torch.nn.init.kaiming_normal_(values, nonlinearity="linear")
        encoder.bn0.running_mean.fill_(-40.0)  # type: ignore[union-attr]
        encoder.bn0.running_var.fill_(400.0)  # type: ignore[union-attr]
        for values in captioner.decoder.layers.parameters():
            values.add_(0.02 * torch.randn_like(values))  # layers start alike, and would be shared
        captioner.decoder.classifier.weight.normal_(std=0.15)
    return encoder, captioner


class PublishedEncoding:
    """Encoding at published size in float32 and by torch, for a table of lines; made when asked."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        """`folder` keeps the bundle."""
        self._folder, self._threads = folder, threads
        self._rows: dict[int, Row] = {}

    def seconds(self, *, n_windows: int, by_torch: bool) -> float:
        """Wall time of the quickest of three runs."""
        row = self._row(n_windows)
        run = row.reference if by_torch else row.ours["float32"]
        run()
        return min(timed(run) for _ in range(3))

    def _row(self, n_windows: int) -> Row:
        if n_windows not in self._rows:
            torch.set_num_threads(self._threads)
            encoder, captioner = networks()
            bundles = {"float32": _full(self._folder / "models", encoder, captioner)}
            options = RuntimeOptions(device="cpu", threads=self._threads)
            self._rows[n_windows] = _encoding(
                encoder, captioner, bundles, options, n_windows=n_windows
            )
        return self._rows[n_windows]


def _bundles(folder: Path, encoder: ConvNext, captioner: DecoderNetwork) -> dict[str, Bundle]:
    models = folder / "models"
    full = _full(models, encoder, captioner)
    if not (models / "int8" / "bundle.json").exists():
        sounds = calibration_sounds(full, folder=None)
        _, loss = quantise_bundle(full, name="int8", folder=models, sounds=sounds)
        print(f"8 bits on {loss.n_sounds} generated sounds: cosine of frames ", end="")
        print(f"{loss.mean_cosine:.4f}, worst {loss.least_cosine:.4f}; ", end="")
        print(f"cross-entropy off by {loss.cross_entropy:.4f} nats a word")
    return {"float32": full, "int8": load_bundle(models / "int8")}


def _full(models: Path, encoder: ConvNext, captioner: DecoderNetwork) -> Bundle:
    if not (models / "full" / "bundle.json").exists():
        hub = write_hub_folder(
            models.parent / "hub",
            encoder=encoder,
            decoder=captioner,
            words=hub_words(WORDS),
            nhead=8,
            num_decoder_layers=6,
            dim_feedforward=2048,
            beam_size=3,
            min_pred_size=3,
            max_pred_size=20,
        )
        import_published([hub], name="full", folder=models)
    return load_bundle(models / "full")


def _encoding(
    encoder: ConvNext,
    captioner: DecoderNetwork,
    bundles: Mapping[str, Bundle],
    options: RuntimeOptions,
    *,
    n_windows: int,
) -> Row:
    log_mel, full = LogMel(PAPER_FRONTEND), bundles["float32"]
    sound = next(iter(calibration_sounds(full, folder=None)))
    waveform = np.resize(sound, (n_windows, int(full.window_s * full.sample_rate)))

    def reference() -> Floats:
        with torch.no_grad():
            heard = encoder(log_mel(torch.from_numpy(waveform)))
            frames: Floats = captioner.project(heard.frames).flatten(0, 1).numpy()
        return frames

    def encoding(bundle: Bundle) -> Callable[[], Floats]:
        model = Encoder(bundle, options=options)
        return lambda: np.concatenate([each.frames for each in model.encode(waveform)])

    ours = {name: encoding(bundle) for name, bundle in bundles.items()}
    task = "encode 10 s" if n_windows == 1 else f"encode {n_windows} x 10 s"
    return Row(task, n_windows * encoder_flop(TINY), reference, ours, _cosine)


def encoder_flop(config: ConvNextConfig, *, height: int = 252, width: int = 56) -> float:
    """Multiplications and additions of the linear layers and downsamplings for ten seconds."""
    total = 0.0
    for stage, (depth, dim) in enumerate(zip(config.depths, config.dims, strict=True)):
        if stage:
            height, width = height // 2, width // 2
            total += 2 * 4 * config.dims[stage - 1] * dim * height * width
        total += depth * 2 * 8 * dim**2 * height * width
    return total


def _decoding(
    captioner: DecoderNetwork, bundles: Mapping[str, Bundle], options: RuntimeOptions
) -> list[Row]:
    bundle = bundles["float32"]
    scorers = {
        name: CaptionScorer(Decoder(each, options=options)) for name, each in bundles.items()
    }
    rng = np.random.default_rng(0)
    frames = [np.maximum(rng.normal(size=(31, 256)), 0).astype(np.float32) for _ in range(SOUNDS)]
    config = captioner.config
    per_word = 2 * config.layers * (6 * config.dim**2 + 2 * config.dim * config.feedforward)
    per_word += 2 * config.dim * config.vocabulary
    per_frame = 2 * config.layers * 2 * config.dim**2
    n_words = bundle.beam.max_tokens
    prefixes = sum(range(1, n_words + 1))  # the reference reads all words anew at each step
    pair = (len(CAPTION) + 1) * per_word + 31 * per_frame

    def beam(scorer: CaptionScorer) -> Callable[[], Floats]:
        decoder = scorer.decoder
        return lambda: _beam(bundle, decoder.steps(decoder.memory(frames[:1])))

    def loss(scorer: CaptionScorer) -> Callable[[], Floats]:
        return lambda: scorer.cross_entropies([CAPTION], scorer.listen(frames))[0]

    beams = {name: beam(scorer) for name, scorer in scorers.items()}
    losses = {name: loss(scorer) for name, scorer in scorers.items()}
    return [
        Row(
            "beam of 3, 20 words",
            bundle.beam.width * (prefixes * per_word + n_words * 31 * per_frame),
            lambda: _beam(bundle, _PlainSteps(captioner, frames[0])),
            beams,
            _equal_ids,
        ),
        Row(
            f"CE, {SOUNDS} pairs, one by one",
            SOUNDS * pair,
            lambda: np.concatenate([_losses(captioner, bundle, [each]) for each in frames]),
            losses,
            _difference,
        ),
        Row(
            f"CE, {SOUNDS} pairs, one batch",
            SOUNDS * pair,
            lambda: _losses(captioner, bundle, frames),
            losses,
            _difference,
        ),
    ]


class _PlainSteps:
    """The step function of a beam that keeps nothing: all words and frames anew each time."""

    def __init__(self, captioner: DecoderNetwork, frames: Floats) -> None:
        self._captioner = captioner
        self._frames = torch.from_numpy(frames)[None]
        self._words: Ints | None = None

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        words = tokens[:, None]
        if self._words is not None:
            words = np.concatenate([self._words[parents], words], axis=1)
        self._words = words
        rows = len(tokens)
        lengths = torch.full((rows,), self._frames.shape[1])
        with torch.no_grad():
            logits = self._captioner(
                self._frames.expand(rows, -1, -1), lengths, torch.from_numpy(words)
            )
            found: Floats = logits[:, -1].log_softmax(dim=1).numpy()
        return found


def _beam(bundle: Bundle, step: Callable[..., Floats]) -> Floats:
    [found] = beam_search(
        step,
        starts=[bundle.start_token],
        eos=bundle.vocabulary.eos,
        vocabulary_size=len(bundle.vocabulary),
        options=replace(bundle.beam, min_tokens=bundle.beam.max_tokens),  # the worst case
        repeatable=bundle.vocabulary.repeatable_mask,
    )
    return np.array(found[0].ids, dtype=np.float32)


def _losses(captioner: DecoderNetwork, bundle: Bundle, frames: list[Floats]) -> Floats:
    words = torch.tensor([bundle.start_token, *CAPTION, bundle.vocabulary.eos])
    tokens = words.expand(len(frames), -1)
    lengths = torch.full((len(frames),), len(frames[0]))
    with torch.no_grad():
        logits = captioner(torch.from_numpy(np.stack(frames)), lengths, tokens[:, :-1])
        found: Floats = caption_cross_entropy(logits, tokens[:, 1:]).numpy()
    return found


def _cosine(ours: Floats, reference: Floats) -> str:
    product = (ours * reference).sum(axis=1)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return f"cosine of frames {float((product / lengths).min()):.6f} at worst"


def _equal_ids(ours: Floats, reference: Floats) -> str:
    if np.array_equal(ours, reference):
        return "same words"
    return f"{int((ours[: len(reference)] == reference[: len(ours)]).sum())} words the same"


def _difference(ours: Floats, reference: Floats) -> str:
    return f"off by {float(np.abs(ours - reference).max()):.1e} nats a word at most"


if __name__ == "__main__":
    main()
