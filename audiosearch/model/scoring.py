"""Cross-entropy: how well words describe a sound, and what the sound adds to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiosearch._typing import Floats, HalfOrFloats, Ints
from audiosearch.errors import BundleError
from audiosearch.model.decoder import Decoder
from audiosearch.model.memory import AudioMemory
from audiosearch.model.runtime.parallel import even_blocks, parallel_map
from audiosearch.model.scoring_graph import HeardFrames, ScoringGraph

Heard = AudioMemory | HeardFrames  # sounds to score words in, by the decoder or the scoring graph
TokenIds = tuple[int, ...]  # a caption's words, without start and end

# (caption, sound) pairs a run: their log-probabilities (pairs, words, vocabulary) should stay in
# the caches of a core rather than go through main memory.
BLOCK = 32
BLOCK_CARD = 128  # pairs on a graphics card, which has no such caches and is slow to start a run
_REMEMBERED = 100_000  # captions


class CaptionScorer:
    """Cross-entropies by one decoder; remembers what captions weigh without sound.

    The cross-entropy of a caption given a sound is the mean over its words and the end of sentence
    of -log p(word | words before, sound), in nats, without label smoothing; lower is better. Words
    that the decoder does not know are scored as its unknown word (Labbé et al. 2023,
    https://arxiv.org/abs/2308.15090, section on retrieval). The *lift* is the cross-entropy without
    any sound minus that with it: above 0, the sound supports the words.
    """

    def __init__(self, decoder: Decoder, *, block: int | None = None) -> None:
        self.decoder = decoder
        self._block = block
        self._without_sound: dict[TokenIds, float] = {}

    def listen(self, frames: Sequence[HalfOrFloats]) -> Heard:
        """Sounds given as their frames, (T_i, D) each, ready for words to be scored in them.

        By the bundle's scoring graph where it has one, unless a graphics card is used: so compare
        scores with those of sounds, and of `silence`, that were listened to in the same way.
        """
        return self.decoder.memory(frames) if self.decoder.scoring is None else HeardFrames(frames)

    def silence(self) -> Heard:
        """No sound at all, as `listen` gives it."""
        if self.decoder.scoring is None:
            return self.decoder.null_memory()
        return HeardFrames([np.zeros((1, self.decoder.bundle.frame_dim), np.float32)])

    @property
    def kept_by(self) -> tuple[str, ...]:
        """What cross-entropies depend on besides the bundle's fingerprint, to keep them by."""
        graph = self.decoder.scoring
        return () if graph is None else (graph.sha256,)

    @property
    def max_words(self) -> int:
        """Most words that a caption may have; the start token takes a position of its own."""
        return self.decoder.bundle.max_words

    def encode(self, text: str) -> TokenIds:
        """The token ids of `text`, cut to the words that the decoder has positions for."""
        return self.decoder.bundle.vocabulary.encode(text)[: self.max_words]

    def known(self, caption: TokenIds) -> float:
        """The share of a caption's content words that the decoder knows, 0..1."""
        return self.decoder.bundle.vocabulary.known_share(caption)

    def lift_weight(self, caption: TokenIds) -> float:
        """How much the lift of a caption counts in the score of this bundle."""
        score = self.decoder.bundle.score
        return score.lift_weight(n_words=len(caption) + 1, known=self.known(caption))

    def word_log_probs(
        self,
        captions: Sequence[TokenIds],
        memory: Heard,
        *,
        sounds: Sequence[int] | None = None,
    ) -> list[Floats]:
        """Log-probability of each word and of the end, (n_words + 1,), for pairs.

        Args:
            captions: token ids, one for each pair.
            memory: the sounds.
            sounds: the row of `memory` that each pair hears; all hear their own row if None.

        Raises:
            ValueError: a caption has more words than the decoder has positions.
            BundleError: the decoder gave NaN.
        """
        if any(len(ids) > self.max_words for ids in captions):
            raise ValueError(f"a caption has more than {self.max_words} words")
        rows = np.arange(len(captions)) if sounds is None else np.asarray(sounds, dtype=np.int64)
        if len(rows) != len(captions):
            raise ValueError("captions and sounds must pair up")
        results: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(captions)
        # Captions of like length run together, so that hardly any padding is computed.
        order = sorted(range(len(captions)), key=lambda pair: len(captions[pair]))
        workers = self._workers(memory)
        most = self._block or self._most(memory)
        blocks = even_blocks(order, most=most, workers=workers)
        scored = parallel_map(
            lambda block: self._teacher_forced(
                [captions[pair] for pair in block], memory.take(rows[block])
            ),
            blocks,
            workers=workers,
        )
        for block, values in zip(blocks, scored, strict=True):
            for pair, of_words in zip(block, values, strict=True):
                results[pair] = of_words
        return results

    def cross_entropy(
        self,
        captions: Sequence[TokenIds],
        memory: Heard,
        *,
        sounds: Sequence[int] | None = None,
    ) -> Floats:
        """Cross-entropies (n,) of pairs, in nats a word; see `word_log_probs`."""
        pairs = self.word_log_probs(captions, memory, sounds=sounds)
        return np.array([-values.mean() for values in pairs], dtype=np.float32)

    def cross_entropies(self, captions: Sequence[TokenIds], memory: Heard) -> Floats:
        """Cross-entropies (n_captions, n_sounds) of all captions with all sounds."""
        sounds = list(range(len(memory)))
        pairs = [ids for ids in captions for _ in sounds]
        values = self.cross_entropy(pairs, memory, sounds=sounds * len(captions))
        return values.reshape(len(captions), len(sounds))

    def without_sound(self, captions: Sequence[TokenIds]) -> Floats:
        """Cross-entropies (n,) of captions when there is nothing to hear."""
        new = [ids for ids in dict.fromkeys(captions) if ids not in self._without_sound]
        if new:
            memory = self.silence()
            values = self.cross_entropy(new, memory, sounds=[0] * len(new))
            if len(self._without_sound) > _REMEMBERED:  # a daemon is asked for months
                known = self._without_sound
                self._without_sound = {ids: known[ids] for ids in captions if ids in known}
            self._without_sound.update(zip(new, values.tolist(), strict=True))
        return np.array([self._without_sound[ids] for ids in captions], dtype=np.float32)

    def _teacher_forced(self, captions: Sequence[TokenIds], memory: Heard) -> list[Floats]:
        """`word_log_probs` of one block: caption i hears row i of `memory`."""
        bundle = self.decoder.bundle
        vocabulary = bundle.vocabulary
        longest = max(len(ids) for ids in captions)
        tokens = np.full((len(captions), longest + 1), vocabulary.pad, dtype=np.int64)
        targets = np.full_like(tokens, vocabulary.pad)
        for row, ids in enumerate(captions):
            tokens[row, 0] = bundle.start_token
            tokens[row, 1 : len(ids) + 1] = ids
            targets[row, : len(ids)] = ids
            targets[row, len(ids)] = vocabulary.eos
        chosen = self._chosen(tokens, targets, memory)
        scored = [chosen[row, : len(ids) + 1] for row, ids in enumerate(captions)]
        if any(np.isnan(values).any() for values in scored):
            raise BundleError(
                "the decoder gave no number for a caption",
                path=bundle.graphs["decoder"].path,
                remedy="audiosearch models verify, and audiosearch verify for the library",
            )
        return scored

    def _chosen(self, tokens: Ints, targets: Ints, memory: Heard) -> Floats:
        """Log-probabilities (B, S) of `targets` after `tokens`, row i in sound i of `memory`."""
        if isinstance(memory, HeardFrames):
            return self._graph().log_probs(tokens, targets, memory)
        log_probs = self.decoder.log_probs(tokens, memory)
        chosen: Floats = np.take_along_axis(log_probs, targets[:, :, None], axis=2)[:, :, 0]
        return chosen

    def _workers(self, memory: Heard) -> int:
        """How many runs at once keep what scores words busy."""
        if isinstance(memory, HeardFrames):
            return self._graph().workers
        return self.decoder.workers

    def _most(self, memory: Heard) -> int:
        """How many pairs a run."""
        by_graph = isinstance(memory, HeardFrames)  # which needs no session of the decoder
        return BLOCK if by_graph or self.decoder.device.name != "cuda" else BLOCK_CARD

    def _graph(self) -> ScoringGraph:
        graph = self.decoder.scoring
        if graph is None:
            raise ValueError("the bundle has no scoring graph; listen to the sounds")
        return graph
