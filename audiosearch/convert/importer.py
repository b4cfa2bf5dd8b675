"""Published checkpoints to a bundle: `audiosearch models import`.

The weights stay as they are, and with them what a model lacks: CoNeTTE has no joint space, CLAP no
captioner, CNN14 neither (`models combine` puts them together).
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
from audiosearch.convert.clap import PublishedClap, is_clap, read_clap
from audiosearch.convert.msclap import PublishedMsclap, holds_msclap, is_gpt2, read_msclap
from audiosearch.convert.panns import PublishedCnn14, cnn14_in, holds_cnn14
from audiosearch.errors import BundleError
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.registry import target_folder
from audiosearch.training.export.bundle import export_bundle
from audiosearch.training.export.encoder_bundle import (
    EncoderFacts,
    EncoderNetworks,
    export_encoder,
)
from audiosearch.training.export.published_graph import check_lean_form
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.frontend import PAPER_FRONTEND
from audiosearch.training.networks.msclap import MSCLAP_RATE, MSCLAP_SAMPLES
from audiosearch.training.networks.weights import read_model_state

MIN_SAMPLES = 7360  # 0.23 s: below, the last stage of the encoder has no row
WINDOW_S = 10.0

# Without a calibration on known pairs no threshold means anything, so that none is set: a lift of
# half a nat a word scores one half, and all hits are shown.
UNCALIBRATED = ScoreCalibration(lift=2.0, joint=0.0, bias=-1.0, min_score=0.0, text_match=0.85)
# Cosines of published joint spaces: those of pairs lie about 0.4, those of others about 0.1.
UNCALIBRATED_COSINE = ScoreCalibration(
    lift=0.0, joint=10.0, bias=-3.0, min_score=0.0, text_match=0.85
)
UNKNOWN_LICENCE = "that of the imported checkpoint"
MIN_CLAP_SAMPLES = 1  # whatever there is is repeated until the window is full

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
        paths: files or folders that hold one encoder and one captioner between them; or a folder
            of CLAP or a file of CNN14, alone; or a file of Microsoft's CLAP and a folder of GPT-2.
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the examples that the graphs are traced with
        try:
            encoder = _encoder_alone(paths, name, version, licence)
            if encoder is not None:
                return export_encoder(*encoder, path=target)
            networks, facts = _captioner_facts(paths, name, version, licence)
            return export_bundle(networks, facts, path=target)
        except OSError as error:
            raise BundleError(f"cannot be written: {error.strerror}", path=target) from error


def _encoder_alone(
    paths: Sequence[Path], name: str, version: str, licence: str | None
) -> tuple[EncoderNetworks, EncoderFacts] | None:
    """The encoder without a captioner that is all that the paths hold; None if they hold others."""
    if len(paths) == 1 and is_clap(paths[0]):
        return _clap_facts(read_clap(paths[0]), name, version, licence)
    for path in paths:
        if is_clap(path):
            raise BundleError(
                "is a CLAP, and is imported alone",
                path=path,
                remedy="leave out the other paths; audiosearch models combine adds a captioner",
            )
    readers = [path for path in paths if is_gpt2(path)]
    if len(paths) == 2 and len(readers) == 1:
        [weights] = [path for path in paths if path != readers[0]]
        return _msclap_facts(read_msclap(weights, readers[0]), name, version, licence)
    if len(paths) != 1 or not paths[0].is_file():
        return None
    state = read_model_state(paths[0])
    if holds_msclap(state):
        raise BundleError(
            "is Microsoft's CLAP, which reads texts with GPT-2's tokens",
            path=paths[0],
            remedy="give a folder of GPT-2 beside it (config.json, vocab.json, merges.txt), or"
            " audiosearch models pull msclap",
        )
    if holds_cnn14(state):
        return _cnn14_facts(cnn14_in(state, path=paths[0]), name, version, licence)
    return None


def _clap_facts(
    clap: PublishedClap, name: str, version: str, licence: str | None
) -> tuple[EncoderNetworks, EncoderFacts]:
    facts = EncoderFacts(
        name=name,
        version=version,
        licence=licence or clap.licence or UNKNOWN_LICENCE,
        description="A published CLAP, imported: sound and text in one space, no captioner.",
        sample_rate=clap.sample_rate,
        window_s=clap.samples / clap.sample_rate,
        min_samples=MIN_CLAP_SAMPLES,
        max_samples=clap.samples,
        embedding_dim=clap.embedding_dim,
        joint_dim=clap.joint_dim,
        tags=(),
        score=UNCALIBRATED_COSINE,
        reader=clap.pairs,
    )
    return clap.networks, facts


def _msclap_facts(
    clap: PublishedMsclap, name: str, version: str, licence: str | None
) -> tuple[EncoderNetworks, EncoderFacts]:
    facts = EncoderFacts(
        name=name,
        version=version,
        licence=licence or UNKNOWN_LICENCE,
        description="Microsoft's CLAP, imported: sound and text in one space, no captioner.",
        sample_rate=MSCLAP_RATE,
        window_s=MSCLAP_SAMPLES / MSCLAP_RATE,
        min_samples=MIN_CLAP_SAMPLES,
        max_samples=MSCLAP_SAMPLES,
        embedding_dim=clap.embedding_dim,
        joint_dim=clap.joint_dim,
        tags=(),
        score=UNCALIBRATED_COSINE,
        reader=clap.pairs,
    )
    return clap.networks, facts


def _cnn14_facts(
    cnn14: PublishedCnn14, name: str, version: str, licence: str | None
) -> tuple[EncoderNetworks, EncoderFacts]:
    facts = EncoderFacts(
        name=name,
        version=version,
        licence=licence or UNKNOWN_LICENCE,
        description="A published CNN14, imported: it tells sounds that are alike, and tags.",
        sample_rate=cnn14.frontend.sample_rate,
        window_s=WINDOW_S,
        min_samples=cnn14.min_samples,
        max_samples=None,
        embedding_dim=cnn14.config.embedding,
        joint_dim=0,
        tags=AUDIOSET_TAGS if cnn14.config.classes == len(AUDIOSET_TAGS) else (),
        score=UNCALIBRATED,
        reader=None,
    )
    return cnn14.networks, facts


def _captioner_facts(
    paths: Sequence[Path], name: str, version: str, licence: str | None
) -> tuple[BundleNetworks, BundleFacts]:
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
        licence=licence or UNKNOWN_LICENCE,
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
    return networks, facts


def _one_of_each(paths: Sequence[Path]) -> tuple[PublishedEncoder, PublishedDecoder]:
    parts = [part for path in paths for part in read_published(path)]
    encoders = [part for part in parts if isinstance(part, PublishedEncoder)]
    decoders = [part for part in parts if isinstance(part, PublishedDecoder)]
    if len(encoders) != 1 or len(decoders) != 1:
        raise BundleError(
            f"a bundle needs one encoder and one captioner; here are {len(encoders)} and"
            f" {len(decoders)}",
            path=paths[0] if len(paths) == 1 else None,
            remedy="give a CoNeTTE folder, or a ConvNeXt file and a captioner's checkpoint; a CLAP"
            " folder or a CNN14 file are given alone, Microsoft's CLAP with a folder of GPT-2",
        )
    return encoders[0], decoders[0]
