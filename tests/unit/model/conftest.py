"""The toy bundle's parts, loaded once."""

from pathlib import Path

import numpy as np
import pytest

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded, Encoder


@pytest.fixture(scope="session")
def bundle(toy_bundle: Path) -> Bundle:
    return load_bundle(toy_bundle)


@pytest.fixture(scope="session")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle)


@pytest.fixture(scope="session")
def decoder(bundle: Bundle) -> Decoder:
    return Decoder(bundle)


@pytest.fixture(scope="session")
def sounds() -> list[np.ndarray]:
    """Noises of several lengths, two of them equally long."""
    generator = np.random.default_rng(0)
    lengths = [20_000, 9_000, 20_000, 30_000, 100]
    return [generator.normal(0, 0.1, n).astype(np.float32) for n in lengths]


@pytest.fixture(scope="session")
def encoded(encoder: Encoder, sounds: list[np.ndarray]) -> list[Encoded]:
    return encoder.encode_many(sounds)
