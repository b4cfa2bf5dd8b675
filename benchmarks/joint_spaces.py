"""Joint spaces side by side at small size: CLAP, CLAP-TAG, CLAIP, CLAIP-TAG, and ensembles.

Sun et al. 2023 on scenes of made sounds, all by `audiosearch.training.pairs` with the encoder
trained along: a narrow CNN14 that has first learned to tag, and a narrow BERT that has learned
nothing. Pictures are drawn pictograms, no photographs. What is finished is not trained again.

python -m benchmarks.joint_spaces --out DIR [--seeds 3] [--epochs 24]
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from audiosearch._files import atomic_write
from audiosearch._typing import Bools, Floats
from audiosearch.errors import AudiosearchError
from audiosearch.evaluation.scenes.render import write_wav
from audiosearch.model.wordpiece import PAD, Pieces
from audiosearch.training.checkpoints import State, TrainingProgress, load_state
from audiosearch.training.data.dataset import (
    SoundCache,
    Split,
    SplitRule,
    decode_mono,
    open_cache,
    synthetic_clips,
)
from audiosearch.training.networks.bert import Bert, BertConfig
from audiosearch.training.networks.cnn14 import Cnn14, Cnn14Config, tag_scores
from audiosearch.training.networks.frontend import FrontendConfig, LogMel
from audiosearch.training.networks.matching import MatchingNetwork
from audiosearch.training.pairs.data import CaptionedSound, PairData
from audiosearch.training.pairs.losses import TagDistance
from audiosearch.training.pairs.recipe import PairRecipe
from audiosearch.training.pairs.start import small_bert
from audiosearch.training.pairs.trainer import PairTrainer
from audiosearch.training.scenes.clip_pool import ClipPool, gather_clips
from audiosearch.training.scenes.planner import SCENE_S, Planner, SceneLayout
from audiosearch.training.scenes.rendering import render
from audiosearch.training.synth.made_sounds import MAKERS
from audiosearch.training.text.captions import Relation, write_caption
from audiosearch.training.trainer import Trainer, half_cosine
from benchmarks.joint_space_tables import table
from benchmarks.pictograms import embed_picture, scene_picture

FRONTEND = FrontendConfig(
    sample_rate=16_000, n_fft=1024, window=1024, hop=1024, mels=32, low_hz=50.0, high_hz=8_000.0
)
ENCODER = Cnn14Config(
    mels=FRONTEND.mels,
    classes=len(MAKERS),
    dims=(8, 16, 32, 64),
    embedding=192,
    dropout=0.05,
    last_dropout=0.2,
)
READER = BertConfig(dim=96, heads=4, layers=2, feedforward=384, positions=64)
LABELS = tuple(sorted(MAKERS))
TAGGER_STEPS = 600
BATCH = 32


@dataclass(frozen=True)
class Kind:
    """One of the systems."""

    name: str
    tags: TagDistance | None
    pictures: bool

    @property
    def folder(self) -> str:
        """The name of its folder, without that of the seed."""
        return self.name.lower().replace(" ", "-")


KINDS = (
    Kind("CLAP", None, pictures=False),
    Kind("CLAP-TAG MAE", TagDistance.MAE, pictures=False),
    Kind("CLAP-TAG MSLE", TagDistance.MSLE, pictures=False),
    Kind("CLAIP", None, pictures=True),
    Kind("CLAIP-TAG", TagDistance.MAE, pictures=True),
)


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    per_label: int = 60
    training: int = 800
    test: int = 240
    epochs: int = 24
    learning_rate: float = 1e-3
    tag_weight: float = 10.0


@dataclass(frozen=True)
class Scenes:
    """Scenes of one split, written as files, with their captions and pictures."""

    sounds: list[CaptionedSound]
    pictures: dict[str, Floats]


def write_scenes(pool: ClipPool, folder: Path, *, count: int, captions: int, seed: int) -> Scenes:
    """Plan scenes, and write those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    sounds, pictures = [], {}
    for number, scene in enumerate(Planner(pool, seed=seed).plan(count)[:count]):
        rng = np.random.default_rng([seed, number])
        path = folder / f"{number:05d}.wav"
        if not path.is_file():
            write_wav(path, render(scene, pool), sample_rate=pool.sounds.sample_rate)
        said = tuple(write_caption(rng, scene.description) for _ in range(captions))
        sounds.append(CaptionedSound(path.name, path, said))
        pictures[path.name] = picture_of(scene)
    return Scenes(sounds, pictures)


def picture_of(scene: SceneLayout) -> Floats:
    """The embedding of its picture; what comes several times stands there up to three times."""
    what = scene.description
    shown = what.sounds * min(3, what.count)
    together = what.relation is Relation.TOGETHER
    return embed_picture(scene_picture(shown, together=together, under=what.background))


class TagTrainer(Trainer[Cnn14, tuple[Tensor, Tensor]]):
    """Teaches the encoder which made sounds are heard, alone and two at once: the pre-training."""

    stage = "tagger"

    def __init__(self, network: Cnn14, sounds: SoundCache, *, seed: int, folder: Path) -> None:
        super().__init__(
            network,
            torch.optim.Adam(network.parameters(), lr=1e-3),
            seed=seed,
            folder=folder,
            epochs=1,
            steps_per_epoch=TAGGER_STEPS,
            clip_norm=1.0,
        )
        self.sounds = sounds
        self.log_mel = LogMel(FRONTEND)

    def batches(self, epoch: int, *, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Clips of the training split `(B, N)` and their labels `(B, C)`."""
        clips = self.sounds.indices(Split.TRAIN)
        for step in range(first, self.steps_per_epoch):
            rng = np.random.default_rng([self.seed, step])
            yield _heard(self.sounds, rng.choice(clips, (BATCH, 2)).tolist(), rng)

    def learning_rate(self, step: int) -> float:
        """A cosine down to zero."""
        return 1e-3 * half_cosine(step / self.steps)

    def loss(self, batch: tuple[Tensor, Tensor], rng: Generator) -> Tensor:
        """Binary cross-entropy of the tags."""
        del rng
        waveforms, tags = batch
        logits = self.network(self.log_mel(waveforms)).logits
        return functional.binary_cross_entropy_with_logits(logits, tags)

    @torch.no_grad()
    def validate(self) -> str:
        """The share of held-out clips whose label has the highest score."""
        self.network.eval()
        clips = self.sounds.indices(Split.TEST)
        rng = np.random.default_rng(0)
        waveforms, tags = _heard(self.sounds, [(clip, None) for clip in clips], rng)
        first = tag_scores(self.network(self.log_mel(waveforms))).argmax(dim=1)
        return f"{float((first == tags.argmax(dim=1)).float().mean()):.3f} of held-out clips right"

    def finished(self) -> State:
        """The network."""
        return {"network": self.network.state_dict()}


def _heard(
    sounds: SoundCache, pairs: Sequence[tuple[int, int | None]], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Clips, half of those that have one with another over it, and which labels are heard."""
    longest = max(sounds.waveform(clip).size for pair in pairs for clip in pair if clip is not None)
    waveforms, tags = torch.zeros(len(pairs), longest), torch.zeros(len(pairs), len(LABELS))
    for row, (one, other) in enumerate(pairs):
        for clip in (one, other) if other is not None and rng.random() < 0.5 else (one,):
            assert clip is not None
            wave = torch.from_numpy(sounds.waveform(clip))
            waveforms[row, : len(wave)] += wave * 10 ** rng.uniform(-1, 0)
            tags[row, LABELS.index(sounds.clips[clip].label)] = 1.0
    return waveforms, tags


class JointSpaces:
    """The scenes and the tagger that all systems share, and what each system finds."""

    def __init__(self, out: Path, sizes: Sizes) -> None:
        """Make what is not there yet.

        Raises:
            AudiosearchError: what is there is of other sizes.
        """
        self.out, self.sizes = out, sizes
        _same_sizes(out / "sizes.json", sizes)
        rule = SplitRule(hold_out_fold="", share=0.3, seed=1)
        self.sounds = open_cache(
            synthetic_clips(per_label=sizes.per_label, rule=rule),
            cache=out / "made",
            sample_rate=FRONTEND.sample_rate,
            seed=1,
        )
        self.training, self.test = (
            write_scenes(
                gather_clips(self.sounds, split=split),
                out / f"scenes-{split}",
                count=count,
                captions=captions,
                seed=seed,
            )
            for split, count, captions, seed in (
                (Split.TRAIN, sizes.training, 4, 1),
                (Split.TEST, sizes.test, 2, 2),
            )
        )
        self.pieces: Pieces = small_bert(
            [caption for sound in self.training.sounds for caption in sound.captions]
        )[1]
        self.tagger = self._tagger()

    def _tagger(self) -> Cnn14:
        torch.manual_seed(0)
        network = Cnn14(ENCODER)
        path = self.out / f"{TagTrainer.stage}.pt"
        if not path.is_file():
            path = TagTrainer(network, self.sounds, seed=0, folder=self.out).run(report=tell)
        network.load_state_dict(load_state(path)["network"])
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def similarities(self, kind: Kind, seed: int) -> Floats:
        """`(captions, scenes)` cosines of the test scenes, by a system trained now if need be."""
        folder = self.out / f"{kind.folder}-{seed}"
        kept = folder / "similarities.npy"
        if not kept.is_file():
            found = self._found(self._trained(kind, seed, folder))
            with atomic_write(kept) as out:
                np.save(out, found)
        found = np.load(kept)
        return np.asarray(found, np.float32)

    def _trained(self, kind: Kind, seed: int, folder: Path) -> MatchingNetwork:
        folder.mkdir(parents=True, exist_ok=True)
        pictures = self.training.pictures if kind.pictures else None
        torch.manual_seed(seed)
        network = MatchingNetwork(
            copy.deepcopy(self.tagger),
            Bert(replace(READER, vocabulary=len(self.pieces.pieces))),
            joint_dim=128,
            image_dim=len(next(iter(pictures.values()))) if pictures else 0,
        )
        data = PairData(
            self.training.sounds,
            self.pieces,
            folder=self.out / "decoded",
            sample_rate=FRONTEND.sample_rate,
            seconds=SCENE_S,
            most_pieces=READER.longest,
            images=pictures,
        )
        recipe = PairRecipe(
            epochs=self.sizes.epochs,
            batch=BATCH,
            learning_rate=self.sizes.learning_rate,
            tag_distance=kind.tags,
            tag_weight=self.sizes.tag_weight,
            seconds=SCENE_S,
            joint_dim=128,
        )
        trainer = PairTrainer(
            network,
            data,
            recipe=recipe,
            pieces=self.pieces,
            seed=seed,
            folder=folder,
            frontend=FRONTEND,
        )
        click.echo(f"{kind.name}, seed {seed}", err=True)
        network.load_state_dict(load_state(trainer.run(report=tell))["network"])
        return network.eval()

    @torch.no_grad()
    def _found(self, network: MatchingNetwork) -> Floats:
        log_mel, heard, read = LogMel(FRONTEND), [], []
        for sound in self.test.sounds:
            wave = _whole_scene(sound.path)
            heard.append(network.hear(log_mel(torch.from_numpy(wave)[None])).joint)
            for caption in sound.captions:
                ids = self.pieces.encode(caption)[: READER.longest] or (PAD,)
                read.append(network.read(torch.tensor([ids])))
        return np.asarray((torch.cat(read) @ torch.cat(heard).T).numpy(), np.float32)

    @property
    def right(self) -> Bools:
        """`(captions, scenes)`: whose caption it is."""
        owners = np.repeat(
            np.arange(len(self.test.sounds)), [len(sound.captions) for sound in self.test.sounds]
        )
        right: Bools = owners[:, None] == np.arange(len(self.test.sounds))
        return right


def _same_sizes(file: Path, sizes: Sizes) -> None:
    """Keep the sizes, or refuse to go on with what was begun with others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(sizes))
    if not file.is_file():
        file.write_text(text, encoding="utf-8")
    elif file.read_text(encoding="utf-8") != text:
        raise AudiosearchError("is of a run of other sizes", path=file, remedy="another --out")


def _whole_scene(path: Path) -> Floats:
    """`(N,)` with silence up to the length of the longest scene, as in training."""
    wave = decode_mono(path, sample_rate=FRONTEND.sample_rate)
    return np.pad(wave, (0, max(0, round(SCENE_S * FRONTEND.sample_rate) - wave.size)))


def tell(progress: TrainingProgress) -> None:
    """Progress to standard error."""
    click.echo(f"{progress.stage} {progress.step}/{progress.total} {progress.text}", err=True)


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--training", default=Sizes.training, show_default=True, help="Scenes to train on.")
@click.option("--test", default=Sizes.test, show_default=True, help="Scenes to find.")
@click.option("--per-label", default=Sizes.per_label, show_default=True, help="Made sounds.")
@click.option("--epochs", default=Sizes.epochs, show_default=True)
@click.option("--tag-weight", default=Sizes.tag_weight, show_default=True, help="Lambda of eq (7).")
@click.option("--threads", default=1, show_default=True)
def main(
    out: Path,
    seeds: int,
    training: int,
    test: int,
    per_label: int,
    epochs: int,
    tag_weight: float,
    threads: int,
) -> None:
    """Train what is not trained yet, and print the table as far as it goes after each seed."""
    torch.set_num_threads(threads)
    sizes = Sizes(
        per_label=per_label, training=training, test=test, epochs=epochs, tag_weight=tag_weight
    )
    spaces = JointSpaces(out, sizes)
    found: dict[tuple[str, int], Floats] = {}
    for seed in range(1, seeds + 1):
        for kind in KINDS:
            found[kind.name, seed] = spaces.similarities(kind, seed)
        (out / "table.md").write_text(
            table([kind.name for kind in KINDS], found, spaces.right), encoding="utf-8"
        )
    click.echo((out / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        main()
    except AudiosearchError as error:
        sys.exit(f"{error}")
