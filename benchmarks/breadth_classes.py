"""Which kept sounds a tagger of the teacher's classes finds for the breadth benchmark's queries.

No words are read: each query that has classes is answered by the sounds in which these are most
probable. It tells what unseen kinds an encoder hears, apart from what the text side makes of it.

python -m benchmarks.breadth_classes sounds2/manifest.csv --other sounds/manifest.csv \
    [--teacher yamnet.tflite] [ENCODER.pt ...]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch

from audiosearch._typing import Floats
from audiosearch.evaluation.ranking import figures
from audiosearch.training.data.dataset import ManifestClip, decode_mono
from audiosearch.training.distillation.run import load_encoder
from audiosearch.training.distillation.trainer import TEACHER_TAG
from audiosearch.training.distillation.yamnet import Yamnet
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel
from benchmarks.breadth import PARTS, BreadthQuery, held_out_clips, other_option, read_queries

SECONDS = 10
RATE = STARTER_FRONTEND.sample_rate
Tagger = Callable[[Floats], Floats]
"""From samples to a logit for each of the teacher's classes."""


def teacher_tagger(teacher: Yamnet) -> Tagger:
    """Each class by the patch in which it is surest."""
    return lambda samples: teacher.logit_scale.real(teacher.hear(samples).logits).max(axis=0)


def encoder_tagger(path: Path, classes: Sequence[str]) -> Tagger:
    """The classes among the tags of an encoder that was taught them."""
    encoder, tags = load_encoder(path)
    columns = [tags.index(TEACHER_TAG + name) for name in classes]
    log_mel = LogMel(STARTER_FRONTEND)

    @torch.no_grad()
    def tagged(samples: Floats) -> Floats:
        decibels = log_mel(torch.from_numpy(samples).unsqueeze(0))
        logits: Floats = encoder(decibels).logits[0, columns].numpy()
        return logits

    return tagged


def lines(
    name: str, scores: Floats, clips: Sequence[ManifestClip], queries: Sequence[BreadthQuery]
) -> list[str]:
    """A row of the table for each part.

    Args:
        name: of the tagger.
        scores: `(n_clips, n_queries)`, higher is better.
        clips: the sounds.
        queries: those that have classes.
    """
    right = np.array([[clip.label in query.labels for query in queries] for clip in clips])
    shown = []
    for part in ("all", *PARTS):
        chosen = [place for place, one in enumerate(queries) if part in ("all", one.part)]
        f = figures(-scores[:, chosen].T, right[:, chosen].T)
        shown.append(
            f"| {name} | {part} | {f.n_queries} | {f.n_items} | {f.recall_1:.3f} | "
            f"{f.recall_5:.3f} | {f.recall_10:.3f} | {f.map_10:.3f} |"
        )
    return shown


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("encoders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--teacher", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@other_option
def main(
    manifest: Path,
    encoders: tuple[Path, ...],
    teacher: Path | None,
    others: tuple[Path, ...],
) -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    clips = held_out_clips(manifest, others)
    queries = [query for query in read_queries() if query.classes]
    names = sorted({name for query in queries for name in query.classes})
    waveforms = [_window(decode_mono(clip.folder / clip.path, sample_rate=RATE)) for clip in clips]
    print("| tagger | part | queries | sounds | R@1 | R@5 | R@10 | mAP@10 |")
    print(f"|{'---|' * 8}")
    taggers: dict[str, tuple[Tagger, Sequence[str]]] = {}
    if teacher is not None:
        heard = Yamnet(teacher)
        taggers[teacher.name] = teacher_tagger(heard), heard.classes
    for path in encoders:
        taggers[str(path)] = encoder_tagger(path, names), names
    for name, (tagger, known) in taggers.items():
        logits = np.stack([tagger(waveform) for waveform in waveforms])
        columns = [[list(known).index(each) for each in query.classes] for query in queries]
        scores = np.stack([logits[:, own].max(axis=1) for own in columns], axis=1)
        for line in lines(name, scores, clips, queries):
            print(line)


def _window(samples: Floats) -> Floats:
    """The first seconds; what is too short for the front end is filled with silence."""
    cut = samples[: SECONDS * RATE]
    return np.pad(cut, (0, max(0, RATE // 2 - cut.size)))


if __name__ == "__main__":
    main()
