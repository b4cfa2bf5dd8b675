"""A model for programs: sounds and sentences to vectors, cross-entropies and captions.

It needs no library. Of `SoundLibrary.model` it is the one that answers the library's queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from os import PathLike, fspath
from typing import Literal

import numpy as np
import numpy.typing as npt

from audiosearch._typing import Floats
from audiosearch.api.clips import Clip, Turns, clip_range, texts_of
from audiosearch.audio.clip import ClipRange
from audiosearch.audio.windows import MIN_TAIL_S
from audiosearch.config import IndexConfig, load_config
from audiosearch.errors import FeatureUnavailable, QueryError
from audiosearch.library.clips import listen
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.results import EncodedWindow


class SoundModel:
    """A model at work; made by `load_model`, or an open library's own.

    Several threads may use it: their calls take turns. Other processes must load their own.
    """

    def __init__(self, model: Model, *, config: IndexConfig, turns: Turns) -> None:
        self._turns = turns
        self._model = model
        self._config = config

    def __repr__(self) -> str:
        return f"<SoundModel {self.name!r}>"

    @property
    def name(self) -> str:
        """The name of the bundle."""
        return self._model.bundle.name

    @property
    def version(self) -> str:
        """The version of the bundle."""
        return self._model.bundle.version

    @property
    def fingerprint(self) -> str:
        """SHA-256 over its files, in hexadecimal: models with equal ones give equal answers."""
        return self._model.bundle.fingerprint

    @property
    def sample_rate(self) -> int:
        """Hz of the samples that it hears."""
        return self._model.bundle.sample_rate

    @property
    def window_s(self) -> float:
        """Seconds of sound that it hears at a time."""
        return self._model.bundle.window_s

    @property
    def frame_dim(self) -> int:
        """D, the size of a frame."""
        return self._model.bundle.frame_dim

    @property
    def embedding_dim(self) -> int:
        """E, the size of an embedding."""
        return self._model.bundle.embedding_dim

    @property
    def joint_dim(self) -> int:
        """J, the size of the space that text and sound share; 0 where there is none."""
        return self._model.bundle.joint_dim

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of the C tags in `Encoded.tags`; empty where the model has none."""
        return self._model.bundle.tags

    def encode(
        self, clip: Clip, *, start_s: float | None = None, end_s: float | None = None
    ) -> Encoded:
        """What the model hears in a clip that is no longer than `window_s`.

        Args:
            clip: a sound file, a hit or a window; it need not be in a library.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.

        Returns:
            `frames` (T, D), `embedding` (E,) and `joint` (J,) of unit length, `tags` (C,): float32.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, longer than a window, shorter than `start_s`, or silent.
        """
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        with self._turns.taken():
            windows = list(islice(self._encoded_windows(part, hop_s=self.window_s), 2))
        if len(windows) > 1:
            raise QueryError(
                f"longer than the {self.window_s:g} s that this model hears at a time",
                path=part.path,
                remedy="encode_windows hears all of it; start_s and end_s give a part",
            )
        [window] = windows
        if window.encoded is None:
            raise QueryError("there is only silence", path=part.path)
        return window.encoded

    def encode_windows(
        self,
        clip: Clip,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        hop_s: float | None = None,
    ) -> list[EncodedWindow]:
        """What the model hears in a clip of any length, window by window.

        Args:
            clip: a sound file, a hit or a window; it need not be in a library.
            start_s: where to begin, in seconds from the start of the file.
            end_s: where to end; None: with the hit, or with the file.
            hop_s: seconds from one window to the next, at most `window_s`; None: as configured.

        Returns:
            Windows in the order of time, each with `start_s`, `end_s` and `encoded`, which is None
            where there is only silence.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it is not there, shorter than `start_s`, or the hop does not fit.
        """
        part = clip_range(clip, start_s=start_s, end_s=end_s)
        hop_s = self._config.hop * self.window_s if hop_s is None else hop_s
        if not 1 / self.sample_rate <= hop_s <= self.window_s:
            raise QueryError(f"hop_s must be above 0 and at most {self.window_s:g}, not {hop_s}")
        with self._turns.taken():
            return list(self._encoded_windows(part, hop_s=hop_s))

    def encode_samples(self, samples: npt.ArrayLike) -> Encoded:
        """What the model hears in samples (n,), mono, at `sample_rate`, no longer than `window_s`.

        Returns:
            As `encode`.

        Raises:
            QueryError: they are not one channel of finite numbers, none, or too many.
        """
        sound = np.asarray(samples, dtype=np.float32)
        if sound.ndim != 1 or not len(sound) or not np.isfinite(sound).all():
            raise QueryError(f"samples must be finite numbers (n,), not of shape {sound.shape}")
        if len(sound) > (self.window_s + MIN_TAIL_S) * self.sample_rate:
            raise QueryError(
                f"{len(sound) / self.sample_rate:g} s are longer than the {self.window_s:g} s"
                " that this model hears at a time",
                remedy=f"samples are wanted at {self.sample_rate} Hz",
            )
        with self._turns.taken():
            [encoded] = self._model.encoder.encode_many([sound])
        return encoded

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """Sentences in the space that text and sound share.

        Returns:
            (n, J) float32 of unit length, to be multiplied with `Encoded.joint`: cosines. A text
            without any word that the model can read is the zero vector, which is like nothing.

        Raises:
            FeatureUnavailable: the model has no such space.
            TypeError: `texts` is one text.
        """
        wanted = texts_of(texts)
        with self._turns.taken():
            tower = self._model.tower
            if tower is None:
                raise FeatureUnavailable(
                    "this model has no space shared by text and sound",
                    path=self._model.bundle.path,
                )
            return tower.embed(wanted)

    def cross_entropy(self, captions: Sequence[str], encoded: Encoded | None) -> Floats:
        """How much captions would surprise the model, given a sound; less is better.

        Order counts: the decoder reads words one after the other.

        Args:
            captions: n sentences; of long ones the beginning counts.
            encoded: the sound; None: no sound. What that has more is the *lift*: above 0, the
                sound supports the words.

        Returns:
            (n,) float32, nats a word.

        Raises:
            FeatureUnavailable: the model has no captioner.
            TypeError: `captions` is one text.
        """
        wanted = texts_of(captions)
        with self._turns.taken():
            tokens = [self._scorer.encode(text) for text in wanted]
            if encoded is None:
                return self._scorer.without_sound(tokens)
            memory = self._scorer.listen([encoded.frames])
            return self._scorer.cross_entropy(tokens, memory, sounds=[0] * len(tokens))

    def caption(self, encoded: Encoded) -> str:
        """The model's own sentence for a sound, in small letters; empty where it has none.

        Raises:
            FeatureUnavailable: the model has no captioner.
        """
        with self._turns.taken():
            [caption] = self._captioner.captions([encoded.frames])
        return caption.text

    @cached_property
    def _captioner(self) -> Captioner:
        return Captioner(self._model.decoder)

    @cached_property
    def _scorer(self) -> CaptionScorer:
        return self._captioner.scorer

    def _encoded_windows(self, part: ClipRange, *, hop_s: float) -> Iterator[EncodedWindow]:
        config = replace(self._config, hop=hop_s / self.window_s)
        return listen(part, encoder=self._model.encoder, config=config)


def load_model(
    name: str | PathLike[str] | None = None,
    *,
    task: str | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
) -> SoundModel:
    """A model, checked; its parts are loaded when they are first used.

    Args:
        name: of an installed model (`audiosearch models list`), or its folder; None: the one that
            the settings name.
        task: captioning style, where the model has several; None: as configured.
        device: what to run on; None: as configured.

    Raises:
        BundleError: there is no such model, or it is damaged.
        FeatureUnavailable: it has no such task.
        ConfigError: the settings cannot be read.
    """
    config = load_config(
        overrides={
            "model.bundle": None if name is None else fspath(name),
            "model.task": task,
            "model.device": device,
        }
    )
    bundle = load_bundle(find_model(config, config.model.bundle)).for_task(config.model.task)
    options = RuntimeOptions.of(config.model)
    return SoundModel(Model(bundle, options=options), config=config.index, turns=Turns())
