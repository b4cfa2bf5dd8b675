"""How well captions fit scenes, in torch: cross-entropy, lift and cosine for every pair.

In: trained networks, cached frames, texts. Out: matrices `(n_scenes, n_texts)`. Used for
calibration and for the figures of the model card; the program itself scores with the bundle.
"""

from __future__ import annotations

import numpy as np
import torch

from audiosearch._typing import Floats
from audiosearch.model.tokenizer import EOS, PAD, Vocabulary
from audiosearch.training.networks.decoder import (
    DecoderMemory,
    DecoderNetwork,
    caption_cross_entropy,
)
from audiosearch.training.pair_scores import PairScores
from audiosearch.training.recipes.joint import Joint
from audiosearch.training.scenes.features import SceneFeatures
from audiosearch.training.text.vocabulary import encode_captions


@torch.no_grad()
def score_pairs(
    decoder: DecoderNetwork,
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
        memory = decoder.decoder.memory(
            decoder.project(values[at : at + block]), lengths[at : at + block]
        )
        columns.append(_against_texts(decoder, memory, inputs, targets))
    nothing = decoder.decoder.memory(decoder.null_frames(1), torch.ones(1, dtype=torch.long))
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
    decoder: DecoderNetwork, memory: DecoderMemory, inputs: torch.Tensor, targets: torch.Tensor
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
