"""A bundle with its parts, each loaded when it is first used.

In: a checked bundle and what it shall run on. Out: encoder, decoder and text tower. It knows
nothing of libraries; which bundle to use is decided elsewhere.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.text_encoder import TextTower

if TYPE_CHECKING:
    from audiosearch.model.encoder import Encoder


class LoadedModel:
    """One model version at work."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions) -> None:
        self.bundle = bundle
        self._options = options

    @cached_property
    def encoder(self) -> Encoder:
        """Sound to vectors."""
        from audiosearch.model.encoder import Encoder  # noqa: PLC0415 - text queries need none

        return Encoder(self.bundle, options=self._options)

    @cached_property
    def decoder(self) -> Decoder:
        """Frames to words."""
        return Decoder(self.bundle, options=self._options)

    @cached_property
    def tower(self) -> TextTower | None:
        """Words to the joint space; None where the bundle has none."""
        return TextTower(self.bundle, options=self._options) if self.bundle.joint_dim else None
