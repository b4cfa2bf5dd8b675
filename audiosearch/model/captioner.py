"""The model's own sentence for a sound."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from audiosearch._typing import HalfOrFloats
from audiosearch.errors import BundleError
from audiosearch.model.beam import BeamOptions, Hypothesis, beam_search
from audiosearch.model.decoder import Decoder
from audiosearch.model.runtime.parallel import even_blocks, parallel_map
from audiosearch.model.scoring import CaptionScorer, TokenIds

BATCH = 16  # sounds searched together: with three hypotheses each, 48 rows a step
BATCH_CARD = 64  # on a graphics card, where starting an operator costs more than a few rows


@dataclass(frozen=True)
class CaptionOut:
    """A sentence that the decoder wrote.

    Attributes:
        text: the words; empty if the decoder had none to say.
        ids: its tokens, without start and end.
        mean_log_prob: nats a token, as the beam saw it (repetition mask applied, EOS counted).
        cross_entropy: of the text given the sound, in nats a word, as for any other caption.
    """

    text: str
    ids: tuple[int, ...]
    mean_log_prob: float
    cross_entropy: float


class Captioner:
    """Writes one sentence a sound."""

    def __init__(self, decoder: Decoder, *, options: BeamOptions | None = None) -> None:
        self.decoder = decoder
        self.options = options or decoder.bundle.beam
        self.scorer = CaptionScorer(decoder)

    def captions(self, frames: Sequence[HalfOrFloats]) -> list[CaptionOut]:
        """The sentence of each sound, given as its frames (T_i, D), in that order.

        Raises:
            BundleError: the decoder gave NaN.
        """
        workers = self.decoder.workers
        most = BATCH_CARD if self.decoder.device.name == "cuda" else BATCH
        # Sounds of like length together, so that hardly any padding is heard.
        order = sorted(range(len(frames)), key=lambda place: len(frames[place]))
        blocks = even_blocks(order, most=most, workers=workers)
        written = parallel_map(
            lambda block: self._block([frames[place] for place in block]), blocks, workers=workers
        )
        found = dict(zip(itertools.chain(*blocks), itertools.chain(*written), strict=True))
        return [found[place] for place in range(len(frames))]

    def _block(self, frames: Sequence[HalfOrFloats]) -> list[CaptionOut]:
        bundle = self.decoder.bundle
        step = self.decoder.writer(frames)
        try:
            found = beam_search(
                step,
                starts=[bundle.start_token] * len(frames),
                eos=bundle.vocabulary.eos,
                vocabulary_size=len(bundle.vocabulary),
                options=self.options,
                repeatable=bundle.vocabulary.repeatable_mask,
                unknown=bundle.vocabulary.unk,
            )
        except ValueError as error:
            raise BundleError(
                f"the decoder cannot caption: {error}",
                path=bundle.graphs["decoder"].path,
                remedy="audiosearch models verify",
            ) from error
        best = [hypotheses[0] for hypotheses in found]
        words = [self._words(hypothesis) for hypothesis in best]
        cross_entropies = self._cross_entropies(best, words, frames)
        return [
            CaptionOut(bundle.vocabulary.decode(ids), ids, hypothesis.mean_log_prob, cross_entropy)
            for hypothesis, ids, cross_entropy in zip(best, words, cross_entropies, strict=True)
        ]

    def _cross_entropies(
        self,
        best: Sequence[Hypothesis],
        words: Sequence[TokenIds],
        frames: Sequence[HalfOrFloats],
    ) -> list[float]:
        """Of each sentence; those that the beam heard just as they are need not be heard again."""
        eos = self.decoder.bundle.vocabulary.eos
        again = [
            place
            for place, (hypothesis, ids) in enumerate(zip(best, words, strict=True))
            if hypothesis.ids != (*ids, eos)
        ]
        found = [-hypothesis.log_prob / max(1, len(hypothesis.ids)) for hypothesis in best]
        if again:
            heard = self.scorer.listen([frames[place] for place in again])
            scored = self.scorer.cross_entropy([words[place] for place in again], heard)
            for place, value in zip(again, scored.tolist(), strict=True):
                found[place] = value
        return found

    def _words(self, hypothesis: Hypothesis) -> TokenIds:
        special = self.decoder.bundle.vocabulary.special
        return tuple(token for token in hypothesis.ids if token not in special)
