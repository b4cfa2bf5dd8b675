"""The figures of the model card, on held-out clips and scenes that no stage has seen.

In: trained networks and the test split. Out: a frozen record of shares between 0 and 1. Clips are
taken whole (at most one window), scenes are composed from test clips only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from audiosearch._typing import Floats, Ints
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.tokenizer import EOS, PAD, Vocabulary
from audiosearch.search.normalise import Likeness, Normalise, ScaleTable, costs
from audiosearch.training.checkpoints import Report
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.decoder import (
    CaptionerNetwork,
    DecoderMemory,
    caption_cross_entropy,
)
from audiosearch.training.recipes.joint import Joint
from audiosearch.training.scenes.clip_pool import gather_clips
from audiosearch.training.scenes.features import (
    SceneFeatures,
    encode_clips,
    encode_waveforms,
    scene_logits,
)
from audiosearch.training.scenes.planner import Planner
from audiosearch.training.scenes.rendering import render
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.captions import write_caption
from audiosearch.training.text.vocabulary import encode_captions


@dataclass(frozen=True)
class TrainedModel:
    """Everything that hears, reads and ranks."""

    encoder: ConvNext
    decoder: CaptionerNetwork
    joint: Joint
    vocabulary: Vocabulary
    score: ScoreCalibration

    def pairs(self, features: SceneFeatures, texts: list[str]) -> PairScores:
        """All sounds against all texts."""
        return score_pairs(
            self.decoder,
            self.joint,
            features,
            texts,
            self.vocabulary,
            logits=scene_logits(self.encoder, features),
        )

    def evidence(self, scores: PairScores) -> Floats:
        """The score that people see, `(n_scenes, n_texts)`, before bias and sigmoid."""
        weights = self.score
        lift = scores.lift
        if weights.words_power is not None:
            lift = scores.trusted_lift(weights.words_power)
        evidence = weights.lift * lift + weights.joint * scores.cosine
        return np.asarray(evidence, dtype=np.float32)


@dataclass(frozen=True)
class LabelMetrics:
    """Zero-shot labelling: share of clips whose own label ranks first."""

    clips: int
    labels: int
    raw: float
    scaled: float
    """Cross-entropy scaled by each label's own minimum and maximum over the clips."""
    lift: float
    joint: float
    score: float
    mean: float
    """By scaled cross-entropy and scaled cosine, as the program ranks (`search.normalise`)."""


@dataclass(frozen=True)
class SceneMetrics:
    """Retrieval among scenes of two events, each beside its reversed twin."""

    scenes: int
    recall_1: float
    recall_10: float
    joint_recall_1: float
    joint_recall_10: float
    score_recall_1: float
    score_recall_10: float
    order: float
    """Share of captions whose own scene has a lower cross-entropy than its twin."""
    joint_order: float
    score_order: float
    captions_raw: float
    """Audio to text: share of scenes whose own caption has the lowest cross-entropy."""
    captions_scaled: float
    captions_mean: float
    """As the program ranks them."""


def label_metrics(model: TrainedModel, sounds: SoundCache, *, report: Report) -> LabelMetrics:
    """Zero-shot labels of the held-out fold's test clips, among all labels of that data set.

    If no fold is held out: of all test clips, among their labels.
    """
    test = sounds.indices(Split.TEST)
    clips = [i for i in test if sounds.clips[i].fold] or test
    labels = sorted({clip.label for clip in sounds.clips if clip.fold})
    if not sounds.clips[clips[0]].fold:
        labels = sorted({sounds.clips[i].label for i in clips})
    features = encode_clips(model.encoder, sounds, clips, report=report)
    texts = [label.replace("_", " ") for label in labels]
    scores = model.pairs(features, texts)
    truth = np.array([labels.index(sounds.clips[i].label) for i in clips])

    def accuracy(matrix: Floats) -> float:
        return float((matrix.argmax(axis=1) == truth).mean())

    return LabelMetrics(
        clips=len(clips),
        labels=len(labels),
        raw=accuracy(-scores.cross_entropy),
        scaled=accuracy(-scaled(scores.cross_entropy)),
        lift=accuracy(scores.lift),
        joint=accuracy(scores.cosine),
        score=accuracy(model.evidence(scores)),
        mean=accuracy(mean_fit(scores)),
    )


def scene_metrics(
    model: TrainedModel, sounds: SoundCache, *, count: int, seed: int, report: Report
) -> SceneMetrics:
    """Retrieval among `count` test scenes of two events in a row, twins included."""
    pool = gather_clips(sounds, split=Split.TEST)
    scenes = Planner(pool, seed=seed).plan_pairs(count)
    rng = np.random.default_rng([seed, 0xCA97])
    texts = [write_caption(rng, scene.description) for scene in scenes]
    features = encode_waveforms(
        model.encoder,
        [scene.length for scene in scenes],
        lambda index: render(scenes[index], pool),
        report=report,
    )
    scores = model.pairs(features, texts)
    twins = np.array([scene.twin for scene in scenes])
    fit, cosine, both = -scores.cross_entropy, scores.cosine, model.evidence(scores)
    return SceneMetrics(
        scenes=len(scenes),
        recall_1=recall(fit, 1),
        recall_10=recall(fit, 10),
        joint_recall_1=recall(cosine, 1),
        joint_recall_10=recall(cosine, 10),
        score_recall_1=recall(both, 1),
        score_recall_10=recall(both, 10),
        order=order_accuracy(fit, twins),
        joint_order=order_accuracy(cosine, twins),
        score_order=order_accuracy(both, twins),
        captions_raw=recall(fit.T, 1),
        captions_scaled=recall(-scaled(scores.cross_entropy).T, 1),
        captions_mean=recall(mean_fit(scores).T, 1),
    )


def scaled(cross_entropy: Floats) -> Floats:
    """Each caption's column brought to 0..1 by its own minimum and maximum."""
    return np.asarray(ScaleTable.of(cross_entropy).scaled(cross_entropy), dtype=np.float32)


def mean_fit(scores: PairScores) -> Floats:
    """`(n_scenes, n_texts)`: how well captions fit as the program ranks them, scaled over these."""
    near = ScaleTable.of(scores.cosine)
    likeness = Likeness(cosines=scores.cosine, scales=near, known=scores.known)
    cost = costs(
        Normalise.MEAN,
        cross_entropies=scores.cross_entropy,
        lifts=scores.lift,
        scales=ScaleTable.of(scores.cross_entropy),
        likeness=likeness,
    )
    return np.asarray(-cost, dtype=np.float32)


def recall(fit: Floats, at: int) -> float:
    """Share of columns whose own row is among the `at` best; a tie counts against it."""
    own = np.diagonal(fit)
    others_at_least = (fit >= own[None, :]).sum(axis=0) - 1
    return float((others_at_least < at).mean())


def order_accuracy(fit: Floats, twins: Ints) -> float:
    """Share of captions that fit their own scene better than its twin."""
    return float((np.diagonal(fit) > fit[twins, np.arange(len(twins))]).mean())


@torch.no_grad()
def score_pairs(
    decoder: CaptionerNetwork,
    joint: Joint,
    features: SceneFeatures,
    texts: list[str],
    vocabulary: Vocabulary,
    *,
    logits: Floats,
    block: int = 64,
) -> PairScores:
    """Score every text for every scene, whose tags have these logits `(n_scenes, C)`."""
    decoder.eval()
    ids = torch.from_numpy(encode_captions(vocabulary, texts, limit=60))
    inputs = torch.where(ids[:, :-1] == EOS, PAD, ids[:, :-1])
    targets = ids[:, 1:]
    values = torch.from_numpy(features.values.astype(np.float32))
    lengths = torch.from_numpy(features.lengths)
    columns = []
    for at in range(0, len(values), block):
        frames = decoder.project(values[at : at + block])
        memory = decoder.memory(frames, lengths[at : at + block])
        columns.append(_against_texts(decoder, memory, inputs, targets))
    nothing = decoder.memory(decoder.null_frames(1), torch.ones(1, dtype=torch.long))
    silent = _against_texts(decoder, nothing, inputs, targets)[0]
    return PairScores(
        cross_entropy=np.concatenate(columns),
        silent=silent,
        cosine=joint.embed_sounds(logits) @ joint.embed_texts(texts).T,
        words=np.array([len(vocabulary.encode(text)) + 1 for text in texts], np.float32),
        known=np.array(
            [vocabulary.known_share(vocabulary.encode(text)) for text in texts], np.float32
        ),
    )


def _against_texts(
    decoder: CaptionerNetwork, memory: DecoderMemory, inputs: torch.Tensor, targets: torch.Tensor
) -> Floats:
    """Cross-entropies `(n_sounds, n_texts)`, one text at a time against all sounds."""
    count = memory.keys.shape[0]
    past = decoder.decoder.empty_past(count)
    losses = []
    for tokens, wanted in zip(inputs, targets, strict=True):
        length = int((wanted != PAD).sum())
        words = decoder.decoder.embed(tokens[None, :length]).expand(count, -1, -1)
        logits = decoder.decoder(words, memory, past)[0]
        losses.append(caption_cross_entropy(logits, wanted[None, :length].expand(count, -1)))
    return np.asarray(torch.stack(losses, dim=1).numpy())
