"""A bundle with its parts, each loaded when it is first used."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower

if TYPE_CHECKING:
    from audiosearch.model.captioner import Captioner
    from audiosearch.model.encoder import Encoder


class Model:
    """One model version at work."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions) -> None:
        self.bundle = bundle
        self.options = options

    @classmethod
    def open(cls, path: Path, *, options: RuntimeOptions) -> Model:
        """The bundle in folder `path`.

        Raises:
            BundleError: it is missing, tampered with or unfit.
        """
        return cls(load_bundle(path), options=options)

    @cached_property
    def encoder(self) -> Encoder:
        """Sound to vectors."""
        from audiosearch.model.encoder import Encoder  # noqa: PLC0415 - text queries need none

        return Encoder(self.bundle, options=self.options)

    @cached_property
    def decoder(self) -> Decoder:
        """Frames to words."""
        return Decoder(self.bundle, options=self.options)

    @cached_property
    def tower(self) -> TextTower | None:
        """Words to the joint space; None where the bundle has none."""
        return TextTower(self.bundle, options=self.options) if self.bundle.joint_dim else None

    @cached_property
    def scorer(self) -> CaptionScorer:
        """Cross-entropies of texts given sounds."""
        return CaptionScorer(self.decoder)

    @cached_property
    def captioner(self) -> Captioner:
        """The model's own sentences."""
        from audiosearch.model.captioner import Captioner  # noqa: PLC0415 - text queries need none

        return Captioner(self.decoder)
