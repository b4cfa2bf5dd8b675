"""Text to vectors: the text graph of a bundle that has a joint space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiosearch._typing import Floats
from audiosearch.errors import BundleError, FeatureUnavailable
from audiosearch.model import wordpiece as pieces
from audiosearch.model.bundle import Bundle
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.model.runtime.session import Device, GraphSession, RuntimeOptions
from audiosearch.model.tokenizer import Vocabulary
from audiosearch.model.wordpiece import Pieces

BATCH = 64


class TextTower:
    """The text tower of a bundle; its graph is loaded at the first use."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        if not bundle.joint_dim:
            raise FeatureUnavailable(
                "this bundle has no space shared by text and sound", path=bundle.path
            )
        self.bundle = bundle
        self._options = options or RuntimeOptions()
        self._reader: Vocabulary | Pieces | BytePairs = bundle.pieces or bundle.vocabulary
        self._session: GraphSession | None = None

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (n, J) of texts; words that the tower cannot read are one to it.

        A text without any readable word becomes the zero vector: it is like nothing.
        """
        ids = [self._reader.encode(text)[: self.bundle.max_words + 1] for text in texts]
        known = [i for i in range(len(ids)) if self._says_something(ids[i])]
        vectors = np.zeros((len(texts), self.bundle.joint_dim), dtype=np.float32)
        order = sorted(known, key=lambda i: len(ids[i]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            vectors[rows] = self._run([ids[i] for i in rows])
        return vectors

    def knows(self, word: str) -> bool:
        """Whether a normalised word, beyond those of the vocabulary, has a meaning to the tower."""
        return self.bundle.pieces is not None and self.bundle.pieces.holds(word)

    def _says_something(self, ids: tuple[int, ...]) -> bool:
        if isinstance(self._reader, BytePairs):
            return self._reader.says_something(ids)
        unknown = self._reader.unk if isinstance(self._reader, Vocabulary) else pieces.UNK
        return bool(set(ids) - {unknown})

    @property
    def _pad(self) -> int:
        return pieces.PAD if isinstance(self._reader, Pieces) else self._reader.pad

    @property
    def device(self) -> Device:
        """What the tower runs on."""
        return self._loaded().device

    def _loaded(self) -> GraphSession:
        if self._session is None:
            self._session = GraphSession(self.bundle.graphs["text"], options=self._options)
        return self._session

    def _run(self, ids: Sequence[Sequence[int]]) -> Floats:
        width = max(len(row) for row in ids)
        tokens = np.full((len(ids), width), self._pad, dtype=np.int64)
        for row, values in enumerate(ids):
            tokens[row, : len(values)] = values
        [joint] = self._loaded().run_anywhere(["joint"], {"tokens": tokens})
        if joint.shape != (len(ids), self.bundle.joint_dim) or not np.isfinite(joint).all():
            raise BundleError(
                f"the text tower gives {joint.shape}, or numbers that are not finite",
                path=self.bundle.graphs["text"].path,
                remedy="audiosearch models verify",
            )
        vectors: Floats = joint
        return vectors
