"""Published checkpoints to a bundle: `audiosearch models import`.

The weights stay as they are; there is no joint space, since these models have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from audiosearch.convert.checkpoints import (
    PublishedDecoder,
    PublishedEncoder,
    read_published,
)
from audiosearch.errors import BundleError
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.registry import target_folder
from audiosearch.training.export.bundle import export_bundle
from audiosearch.training.export.published_graph import check_lean_form
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.frontend import PAPER_FRONTEND

MIN_SAMPLES = 7360  # 0.23 s: below, the last stage of the encoder has no row
WINDOW_S = 10.0

# Without a calibration on known pairs no threshold means anything, so that none is set: a lift of
# half a nat a word scores one half, and all hits are shown.
UNCALIBRATED = ScoreCalibration(lift=2.0, joint=0.0, bias=-1.0, min_score=0.0, text_match=0.85)

AUDIOSET_TAGS = tuple(
    Path(__file__).with_name("audioset_tags.txt").read_text(encoding="utf-8").splitlines()
)
"""Display names of AudioSet's 527 classes, in the order of its `class_labels_indices.csv`."""


def import_published(
    paths: Sequence[Path],
    *,
    name: str,
    folder: Path,
    licence: str | None = None,
    version: str = "1",
    replace: bool = False,
) -> Path:
    """Write the bundle `name` into `folder` and return its path.

    Args:
        paths: files or folders that hold one encoder and one captioner between them.
        name: what the bundle will be called.
        folder: where the user's bundles stand.
        licence: of the weights, where it is known.
        version: of the bundle.
        replace: write over a bundle of that name.

    Raises:
        BundleError: a file cannot be read safely, or is not what is needed; the name is taken.
        AudiosearchError: the exported graphs do not give torch's numbers.
    """
    target = target_folder(name, folder=folder, replace=replace)
    encoder, decoder = _one_of_each(paths)
    network, vocabulary = decoder.network, decoder.vocabulary
    if network.config.feature_dim != encoder.network.config.dims[-1]:
        raise BundleError(
            f"the captioner listens to frames of {network.config.feature_dim} numbers,"
            f" the encoder gives {encoder.network.config.dims[-1]}",
            path=paths[0],
        )
    check_lean_form(PAPER_FRONTEND, encoder.network, path=paths[0])
    classes = encoder.network.config.classes
    facts = BundleFacts(
        name=name,
        version=version,
        licence=licence or "that of the imported checkpoint",
        description="A published captioner, imported; its scores are not calibrated.",
        words=vocabulary.words,
        tags=AUDIOSET_TAGS if classes == len(AUDIOSET_TAGS) else (),
        score=UNCALIBRATED,
        window_s=WINDOW_S,
        min_samples=MIN_SAMPLES,
        beam=decoder.beam,
        repeatable=vocabulary.repeatable,
        splitting=vocabulary.splitting,
        tasks=vocabulary.tasks,
        default_task=decoder.default_task,
        exact=True,
    )
    networks = BundleNetworks(PAPER_FRONTEND, encoder.network, network, head=None, tower=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the examples that the graphs are traced with
        try:
            return export_bundle(networks, facts, path=target)
        except OSError as error:
            raise BundleError(f"cannot be written: {error.strerror}", path=target) from error


def _one_of_each(paths: Sequence[Path]) -> tuple[PublishedEncoder, PublishedDecoder]:
    parts = [part for path in paths for part in read_published(path)]
    encoders = [part for part in parts if isinstance(part, PublishedEncoder)]
    decoders = [part for part in parts if isinstance(part, PublishedDecoder)]
    if len(encoders) != 1 or len(decoders) != 1:
        raise BundleError(
            f"a bundle needs one encoder and one captioner; here are {len(encoders)} and"
            f" {len(decoders)}",
            path=paths[0] if len(paths) == 1 else None,
            remedy="give a CoNeTTE folder, or a ConvNeXt file and a captioner's checkpoint",
        )
    return encoders[0], decoders[0]
