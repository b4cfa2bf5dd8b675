"""How well an encoder tags held-out clips.

In: an encoder and the sound cache. Out: shares of clips whose own tag is the most probable one.
Each clip is heard once, its first five seconds, as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel
from audiosearch.training.text.labels import tags_of

SECONDS = 5


@dataclass(frozen=True)
class Listened:
    """What an encoder makes of some clips."""

    embeddings: Tensor
    """`(n, width)`."""
    logits: Tensor
    """`(n, classes)`."""


@torch.no_grad()
def listen(
    encoder: ConvNext, sounds: SoundCache, places: Sequence[int], *, batch: int = 32
) -> Listened:
    """Embeddings and logits of clips, of their first five seconds, in the order of `places`."""
    encoder.eval()
    log_mel = LogMel(STARTER_FRONTEND)
    length = SECONDS * sounds.sample_rate
    embeddings, logits = [], []
    for at in range(0, len(places), batch):
        rows = np.zeros((len(places[at : at + batch]), length), np.float32)
        for row, place in enumerate(places[at : at + batch]):
            waveform = sounds.waveform(place)[:length]
            rows[row, : waveform.size] = waveform
        with torch.autocast("cpu", torch.bfloat16):
            heard = encoder(log_mel(torch.from_numpy(rows)))
        embeddings.append(heard.embedding.float())
        logits.append(heard.logits.float())
    return Listened(torch.cat(embeddings), torch.cat(logits))


@dataclass(frozen=True)
class TaggingResult:
    """How well held-out clips are tagged."""

    accuracy: float
    """Share of held-out fold clips whose label is the most probable of the folds' labels."""
    clips: int
    other_accuracy: float
    """The same for the other held-out clips, any of their tags being right, over all tags."""
    other_clips: int

    def text(self) -> str:
        """One line for the log."""
        return (
            f"held-out fold: {self.accuracy:.3f} of {self.clips}; "
            f"other held-out: {self.other_accuracy:.3f} of {self.other_clips}"
        )


def evaluate_tagging(
    network: ConvNext, sounds: SoundCache, *, tags: tuple[str, ...], batch: int = 32
) -> TaggingResult:
    """Tag every held-out clip from its first five seconds, once, as it is."""
    held = sounds.indices(Split.VALIDATION) + sounds.indices(Split.TEST)
    scores = torch.zeros(0, len(tags))
    if held:
        scores = listen(network, sounds, held, batch=batch).logits
    column = {tag: index for index, tag in enumerate(tags)}
    fold_tags = sorted({column[tags_of(c.label)[0]] for c in sounds.clips if c.fold})
    right, total, other_right, other_total = 0, 0, 0, 0
    for row, index in enumerate(held):
        clip = sounds.clips[index]
        truth = {column[tag] for tag in tags_of(clip.label)}
        if clip.fold:
            total += 1
            right += fold_tags[int(scores[row, fold_tags].argmax())] in truth
        else:
            other_total += 1
            other_right += int(scores[row].argmax()) in truth
    return TaggingResult(
        accuracy=right / max(1, total),
        clips=total,
        other_accuracy=other_right / max(1, other_total),
        other_clips=other_total,
    )
