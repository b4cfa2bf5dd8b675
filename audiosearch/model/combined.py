"""The parts of a combined bundle at work together, in the shape of those of a single one.

Joint vectors stand behind each other, each times the root of its weight: the cosine of two such
vectors is the weighted mean of the cosines. Log-probabilities are averaged at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats, HalfOrFloats, Ints
from audiosearch.errors import FeatureUnavailable
from audiosearch.model.beam import StepFunction
from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.memory import AudioMemory
from audiosearch.model.runtime.session import Device, RuntimeOptions
from audiosearch.model.text_encoder import TextTower

_QUALITY = "HQ"  # soxr's, as files are resampled


class CombinedEncoder(Encoder):
    """The encoders of all parts, each given the sound at its own rate."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        super().__init__(bundle, options=options)
        self._encoders = [Encoder(part.bundle, options=options) for part in bundle.parts]

    @property
    def device(self) -> Device:
        """What the first encoder runs on."""
        return self._encoders[0].device

    def encode_many(self, sounds: Sequence[Floats]) -> list[Encoded]:
        """What the parts together say of each sound; see `Encoder.encode_many`."""
        by_rate: dict[int, list[Floats]] = {}
        heard = []
        for encoder in self._encoders:
            rate = encoder.bundle.sample_rate
            if rate not in by_rate:
                by_rate[rate] = [resampled(x, self.bundle.sample_rate, rate) for x in sounds]
            heard.append(encoder.encode_many(by_rate[rate]))
        return [self._together(of_sound) for of_sound in zip(*heard, strict=True)]

    def _together(self, heard: Sequence[Encoded]) -> Encoded:
        parts = self.bundle.parts
        joints = [
            np.sqrt(part.joint) * each.joint
            for part, each in zip(parts, heard, strict=True)
            if part.joint and each.joint is not None
        ]
        weights = [part.joint if joints else part.captions for part in parts]
        embedding = np.concatenate(
            [np.sqrt(weight) * each.embedding for weight, each in zip(weights, heard, strict=True)
             if weight]
        )  # fmt: skip
        frames = [each.frames for part, each in zip(parts, heard, strict=True) if part.captions]
        tags = [
            each.tags
            for part, each in zip(parts, heard, strict=True)
            if each.tags is not None and part.bundle.tags == self.bundle.tags
        ]
        return Encoded(
            frames=_side_by_side(frames) if frames else embedding[None].astype(np.float32),
            embedding=embedding.astype(np.float32),
            joint=np.concatenate(joints).astype(np.float32) if joints else None,
            tags=np.mean(tags, axis=0, dtype=np.float32) if tags else None,
        )


def resampled(samples: Floats, rate_in: int, rate_out: int) -> Floats:
    """Samples (n,) at another rate; as they are where it is theirs."""
    if rate_in == rate_out:
        return samples
    import soxr  # noqa: PLC0415 - only where the rates of parts differ

    found: Floats = np.asarray(soxr.resample(samples, rate_in, rate_out, _QUALITY), np.float32)
    return found


def _side_by_side(frames: Sequence[Floats]) -> Floats:
    """Frames (T_i, D_i) of several encoders as one table (T, D).

    Each encoder's columns begin with a mark. A row that stands twice, since another encoder has
    more of them, is marked once: rows of a table, and of any part of it, are of one time.
    """
    if len(frames) == 1:
        return frames[0]
    longest = max(len(each) for each in frames)
    columns = []
    for each in frames:
        rows = np.arange(longest) * len(each) // longest
        first = np.diff(rows, prepend=-1) > 0
        columns += [first[:, None].astype(np.float32), each[rows]]
    return np.concatenate(columns, axis=1)


def _of_each(table: HalfOrFloats, dims: Sequence[int]) -> list[HalfOrFloats]:
    """The frames (T_i, D_i) of the encoders, of a table or a part of one."""
    found = []
    start = 0
    for dim in dims:
        marks, rows = table[:, start], table[:, start + 1 : start + 1 + dim]
        chosen = marks > 0.5
        # A part may lie between two rows of a slower encoder: it hears the one before.
        found.append(rows[chosen] if chosen.any() else rows[:1])
        start += 1 + dim
    return found


@dataclass(frozen=True)
class EnsembleMemory(AudioMemory):
    """The memory of each decoder; the fields of the base are those of the first."""

    of_decoders: tuple[AudioMemory, ...] = ()

    def take(self, rows: Ints) -> EnsembleMemory:
        """See `AudioMemory.take`."""
        return _ensemble_memory([each.take(rows) for each in self.of_decoders])


def _ensemble_memory(memories: Sequence[AudioMemory]) -> EnsembleMemory:
    first = memories[0]
    return EnsembleMemory(
        first.keys, first.values, first.lengths, first.frames, first.rows, tuple(memories)
    )


class EnsembleDecoder(Decoder):
    """Several decoders of one vocabulary, whose log-probabilities are averaged."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        super().__init__(bundle, options=options)
        parts = [part for part in bundle.parts if part.captions]
        self._decoders = [Decoder(part.bundle, options=options) for part in parts]
        self._weights = [part.captions for part in parts]
        self._none: EnsembleMemory | None = None

    @property
    def device(self) -> Device:
        """What the first decoder runs on."""
        return self._decoders[0].device

    @property
    def workers(self) -> int:
        """As of the first decoder."""
        return self._decoders[0].workers

    def memory(self, frames: Sequence[HalfOrFloats]) -> EnsembleMemory:
        """The memory of sounds; see `Decoder.memory`."""
        if not frames:
            raise ValueError("the memory of no sound at all")
        return _ensemble_memory(
            [decoder.memory(some) for decoder, some in self._by_decoder(frames)]
        )

    def _by_decoder(
        self, frames: Sequence[HalfOrFloats]
    ) -> Iterator[tuple[Decoder, Sequence[HalfOrFloats]]]:
        """What each decoder hears."""
        dims = [decoder.bundle.frame_dim for decoder in self._decoders]
        of_each = zip(*(_of_each(table, dims) for table in frames), strict=True)
        return zip(self._decoders, of_each, strict=True)

    def null_memory(self) -> EnsembleMemory:
        """The memory of no sound."""
        if self._none is None:
            self._none = _ensemble_memory([each.null_memory() for each in self._decoders])
        return self._none

    def log_probs(self, tokens: Ints, memory: AudioMemory) -> Floats:
        """See `Decoder.log_probs`."""
        return self._mean(
            decoder.log_probs(tokens, own)
            for decoder, own in zip(self._decoders, _memories(memory), strict=True)
        )

    def steps(self, memory: AudioMemory) -> StepFunction:
        """See `Decoder.steps`."""
        of_decoders = zip(self._decoders, _memories(memory), strict=True)
        return self._all([decoder.steps(own) for decoder, own in of_decoders])

    def writer(self, frames: Sequence[HalfOrFloats]) -> StepFunction:
        """See `Decoder.writer`."""
        return self._all([decoder.writer(some) for decoder, some in self._by_decoder(frames)])

    def _all(self, steps: Sequence[StepFunction]) -> StepFunction:
        return lambda tokens, parents: self._mean(step(tokens, parents) for step in steps)

    def _mean(self, log_probs: Iterable[Floats]) -> Floats:
        """The weighted mean; what none thinks possible stays impossible."""
        total: Floats | None = None
        for weight, values in zip(self._weights, log_probs, strict=True):
            part = np.float32(weight) * values
            total = part if total is None else total + part
        assert total is not None
        return total


def _memories(memory: AudioMemory) -> tuple[AudioMemory, ...]:
    assert isinstance(memory, EnsembleMemory)
    return memory.of_decoders


class AbsentDecoder(Decoder):
    """In place of the decoder of a bundle that has none: says so when it is asked."""

    def __init__(self, bundle: Bundle, *, device: Callable[[], Device]) -> None:
        super().__init__(bundle)
        self._device = device

    @property
    def device(self) -> Device:
        """What answers queries in its place."""
        return self._device()

    @property
    def workers(self) -> int:
        """Raises FeatureUnavailable."""
        raise self._absent()

    def memory(self, frames: Sequence[HalfOrFloats]) -> AudioMemory:
        """Raises FeatureUnavailable."""
        raise self._absent()

    def null_memory(self) -> AudioMemory:
        """Raises FeatureUnavailable."""
        raise self._absent()

    def _absent(self) -> FeatureUnavailable:
        name = self.bundle.path.name  # which `models` takes
        return FeatureUnavailable(
            f"the model {name} has no captioner, which this needs",
            path=self.bundle.path,
            remedy=f"audiosearch models combine --joint {name} --captioner NAME --name BOTH"
            if self.bundle.joint_dim
            else "audiosearch models list",
        )


class EnsembleTower(TextTower):
    """Several text towers, whose vectors stand behind each other."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        super().__init__(bundle, options=options)
        parts = [part for part in bundle.parts if part.joint]
        self._towers = [TextTower(part.bundle, options=options) for part in parts]
        self._weights = [part.joint for part in parts]

    @property
    def device(self) -> Device:
        """What the first tower runs on."""
        return self._towers[0].device

    def embed(self, texts: Sequence[str]) -> Floats:
        """Vectors (n, J) of texts; see `TextTower.embed`."""
        vectors = [
            np.float32(np.sqrt(weight)) * tower.embed(texts)
            for weight, tower in zip(self._weights, self._towers, strict=True)
        ]
        return np.concatenate(vectors, axis=1)

    def knows(self, word: str) -> bool:
        """Whether a word has a meaning to one of the towers."""
        return any(tower.knows(word) for tower in self._towers)
