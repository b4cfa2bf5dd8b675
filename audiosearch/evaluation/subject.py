"""The model that is being evaluated: a bundle and its parts, loaded when they are needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower


class Subject:
    """A bundle under test. `whole`: clips are heard as one piece, not window by window."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions, whole: bool = False) -> None:
        self.bundle = bundle
        self.options = options
        self.whole = whole

    @classmethod
    def open(cls, path: Path, *, options: RuntimeOptions, whole: bool = False) -> Subject:
        """The bundle in folder `path`.

        Raises:
            BundleError: it is missing, tampered with or unfit.
        """
        return cls(load_bundle(path), options=options, whole=whole)

    @cached_property
    def encoder(self) -> Encoder:
        """Sound to frames and vectors."""
        return Encoder(self.bundle, options=self.options)

    @cached_property
    def decoder(self) -> Decoder:
        """Frames to words."""
        return Decoder(self.bundle, options=self.options)

    @cached_property
    def scorer(self) -> CaptionScorer:
        """Cross-entropies."""
        return CaptionScorer(self.decoder)

    @cached_property
    def captioner(self) -> Captioner:
        """The model's own sentences."""
        return Captioner(self.decoder)

    @cached_property
    def tower(self) -> TextTower | None:
        """Text to vectors; None where the bundle has no joint space."""
        return TextTower(self.bundle, options=self.options) if self.bundle.joint_dim else None
