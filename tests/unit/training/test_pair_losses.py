"""The losses of Sun et al. 2023 against plain numbers."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.pairs.losses import (  # noqa: E402
    TagDistance,
    claip_loss,
    clap_loss,
    clap_tag_loss,
    info_nce,
    tag_distance,
)

RNG = np.random.default_rng(0)


def unit(n: int, dim: int = 5) -> np.ndarray:
    vectors = RNG.normal(size=(n, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SOUND, TEXT, IMAGE = unit(4), unit(4), unit(4)
TAGS, FROZEN = RNG.random((4, 7)), RNG.random((4, 7))
T = 0.07


def plain_info_nce(queries, keys, t=T):
    """-(1/N) sum_i log(exp(s_ii / t) / sum_j exp(s_ij / t)), term by term."""
    total = 0.0
    for i in range(len(queries)):
        scores = [float(queries[i] @ key) / t for key in keys]
        total -= np.log(np.exp(scores[i]) / np.sum(np.exp(scores)))
    return total / len(queries)


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_info_nce_in_both_directions():
    sound, text = tensors(SOUND, TEXT)
    assert float(info_nce(sound, text, T)) == pytest.approx(plain_info_nce(SOUND, TEXT))
    assert float(info_nce(text, sound, T)) == pytest.approx(plain_info_nce(TEXT, SOUND))
    assert plain_info_nce(SOUND, TEXT) != pytest.approx(plain_info_nce(TEXT, SOUND))


def test_clap_sums_and_does_not_halve():
    expected = plain_info_nce(SOUND, TEXT) + plain_info_nce(TEXT, SOUND)
    assert float(clap_loss(*tensors(SOUND, TEXT), T)) == pytest.approx(expected)


def test_a_perfect_match_costs_next_to_nothing_and_chance_two_logs():
    same = torch.eye(6)
    assert float(clap_loss(same, same, 0.01)) < 1e-6
    alike = torch.ones(6, 1)
    assert float(clap_loss(alike, alike, 1.0)) == pytest.approx(2 * np.log(6))


def test_distances_of_tags():
    mae = np.abs(TAGS - FROZEN).mean()
    msle = ((np.log(1 + TAGS) - np.log(1 + FROZEN)) ** 2).mean()
    tags, frozen = tensors(TAGS, FROZEN)
    assert float(tag_distance(tags, frozen, TagDistance.MAE)) == pytest.approx(mae)
    assert float(tag_distance(tags, frozen, TagDistance.MSLE)) == pytest.approx(msle)
    clap = torch.tensor(1.5)
    for kind, distance in ((TagDistance.MAE, mae), (TagDistance.MSLE, msle)):
        found = clap_tag_loss(clap, tags, frozen, kind=kind, weight=3.0)
        assert float(found) == pytest.approx(1.5 + 3.0 * distance)


@pytest.mark.parametrize("there", [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
def test_claip_adds_pictures_to_texts_in_that_direction_alone(there):
    image, text = tensors(IMAGE, TEXT)
    has = torch.tensor(there, dtype=torch.bool)
    found = claip_loss(torch.tensor(1.0), image, text, has, T)
    terms = []
    for i in np.flatnonzero(there):
        scores = TEXT @ IMAGE[i] / T
        terms.append(np.log(np.exp(scores).sum()) - scores[i])
    assert float(found) == pytest.approx(1.0 + (np.mean(terms) if terms else 0.0))
    if all(there):
        assert float(found) == pytest.approx(1.0 + plain_info_nce(IMAGE, TEXT))


def test_claip_tag_is_the_sum_of_both():
    tags, frozen, image, text = tensors(TAGS, FROZEN, IMAGE, TEXT)
    has = torch.ones(4, dtype=torch.bool)
    base = torch.tensor(2.0)
    held = clap_tag_loss(base, tags, frozen, kind=TagDistance.MAE, weight=0.5)
    both = claip_loss(held, image, text, has, T)
    apart = claip_loss(base, image, text, has, T) + held - base
    assert float(both) == pytest.approx(float(apart))
