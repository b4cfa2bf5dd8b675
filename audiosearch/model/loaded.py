"""A bundle with its parts, each loaded when it is first used."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.runtime.session import Device, RuntimeOptions
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

        if self.bundle.parts:
            from audiosearch.model.combined import CombinedEncoder  # noqa: PLC0415 - seldom needed

            return CombinedEncoder(self.bundle, options=self.options)
        return Encoder(self.bundle, options=self.options)

    @cached_property
    def decoder(self) -> Decoder:
        """Frames to words; where there is no captioner, what says so."""
        if self.bundle.decoder is None:
            from audiosearch.model.combined import AbsentDecoder  # noqa: PLC0415 - seldom needed

            return AbsentDecoder(self.bundle, device=self._device_without)
        if sum(bool(part.captions) for part in self.bundle.parts) > 1:
            from audiosearch.model.combined import EnsembleDecoder  # noqa: PLC0415 - as above

            return EnsembleDecoder(self.bundle, options=self.options)
        return Decoder(self.bundle, options=self.options)

    def _device_without(self) -> Device:
        """What answers where there is no captioner."""
        return self.encoder.device if self.tower is None else self.tower.device

    @cached_property
    def tower(self) -> TextTower | None:
        """Words to the joint space; None where the bundle has none."""
        if not self.bundle.joint_dim:
            return None
        joint = [part for part in self.bundle.parts if part.joint]
        if len(joint) > 1:
            from audiosearch.model.combined import EnsembleTower  # noqa: PLC0415 - seldom needed

            return EnsembleTower(self.bundle, options=self.options)
        return TextTower(joint[0].bundle if joint else self.bundle, options=self.options)

    @cached_property
    def scorer(self) -> CaptionScorer:
        """Cross-entropies of texts given sounds."""
        return CaptionScorer(self.decoder)

    @cached_property
    def captioner(self) -> Captioner:
        """The model's own sentences."""
        from audiosearch.model.captioner import Captioner  # noqa: PLC0415 - text queries need none

        return Captioner(self.decoder)
