"""Cross-entropy: fast paths against one pair at a time, written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded
from audiosearch.model.scoring import CaptionScorer

TEXTS = (
    "a dog barks",
    "rain falls",
    "",
    "a man speaks then a purple dog barks",
    "bell",
    "bell rings",
)


def one_by_one(decoder: Decoder, ids: tuple[int, ...], frames: np.ndarray) -> float:
    """Mean of -log p over words and end, without batches or padding."""
    tokens = [decoder.bundle.start_token, *ids]
    log_probs = decoder.log_probs(np.array([tokens]), decoder.memory([frames]))[0]
    targets = [*ids, decoder.bundle.vocabulary.eos]
    return -float(np.mean([log_probs[place, target] for place, target in enumerate(targets)]))


@pytest.fixture(scope="module")
def scorer(decoder: Decoder) -> CaptionScorer:
    return CaptionScorer(decoder, block=4)


def test_all_pairs_equal_one_by_one(
    decoder: Decoder, scorer: CaptionScorer, encoded: list[Encoded]
) -> None:
    captions = [scorer.encode(text) for text in TEXTS]
    frames = [one.frames for one in encoded]
    found = scorer.cross_entropies(captions, decoder.memory(frames))
    assert found.shape == (len(captions), len(frames))
    for row, ids in enumerate(captions):
        for column, rows in enumerate(frames):
            assert found[row, column] == pytest.approx(one_by_one(decoder, ids, rows), abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, len(TEXTS) - 1), st.integers(0, 4)), max_size=12))
def test_any_pairs_keep_their_order(
    decoder: Decoder, scorer: CaptionScorer, encoded: list[Encoded], pairs: list[tuple[int, int]]
) -> None:
    captions = [scorer.encode(text) for text in TEXTS]
    memory = decoder.memory([one.frames for one in encoded])
    table = scorer.cross_entropies(captions, memory)
    found = scorer.cross_entropy(
        [captions[caption] for caption, _ in pairs], memory, sounds=[sound for _, sound in pairs]
    )
    np.testing.assert_allclose(found, [table[pair] for pair in pairs], atol=1e-5)


def test_words_and_end_are_counted(
    decoder: Decoder, scorer: CaptionScorer, encoded: list[Encoded]
) -> None:
    memory = decoder.memory([encoded[0].frames])
    [values] = scorer.word_log_probs([scorer.encode("a dog barks")], memory)
    assert values.shape == (4,)
    assert (values < 0).all()
    [cross_entropy] = scorer.cross_entropy([scorer.encode("a dog barks")], memory)
    assert cross_entropy == pytest.approx(-values.mean())


def test_unknown_words_are_scored_as_unk(
    decoder: Decoder, scorer: CaptionScorer, encoded: list[Encoded]
) -> None:
    assert scorer.encode("a purple dog") == (4, 3, scorer.encode("dog")[0])
    memory = decoder.memory([encoded[0].frames])
    one, other = scorer.cross_entropy(
        [scorer.encode("a purple dog"), scorer.encode("a green dog")], memory, sounds=[0, 0]
    )
    assert one == other


def test_without_sound_is_the_null_memory_and_remembered(
    decoder: Decoder, encoded: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = CaptionScorer(decoder)
    captions = [scorer.encode(text) for text in TEXTS]
    first = scorer.without_sound([*captions, captions[0]])
    assert first[0] == first[-1]
    null = np.zeros((1, decoder.bundle.frame_dim), np.float32)
    for value, ids in zip(first, captions, strict=False):
        assert value == pytest.approx(one_by_one(decoder, ids, null), abs=1e-5)
    monkeypatch.setattr(decoder, "log_probs", None)
    np.testing.assert_array_equal(scorer.without_sound(captions), first[:-1])


def test_a_lift_without_sound_is_zero(decoder: Decoder, scorer: CaptionScorer) -> None:
    captions = [scorer.encode(text) for text in TEXTS]
    null = decoder.memory([np.zeros((1, decoder.bundle.frame_dim), np.float32)])
    lift = scorer.without_sound(captions) - scorer.cross_entropies(captions, null)[:, 0]
    np.testing.assert_allclose(lift, 0.0, atol=1e-5)


def test_long_texts_are_cut_to_the_positions_there_are(
    scorer: CaptionScorer, decoder: Decoder
) -> None:
    ids = scorer.encode("dog " * 1000)
    assert len(ids) == scorer.max_words == decoder.bundle.decoder.max_positions - 1
    assert np.isfinite(scorer.without_sound([ids])).all()
    with pytest.raises(ValueError, match="words"):
        scorer.cross_entropy([(*ids, 4)], decoder.null_memory())


def test_captions_and_sounds_must_pair_up(scorer: CaptionScorer, decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="pair"):
        scorer.cross_entropy([(4,), (5,)], decoder.null_memory(), sounds=[0])


def test_nan_is_an_error(scorer: CaptionScorer, decoder: Decoder, bundle: Bundle) -> None:
    memory = decoder.memory([np.full((2, bundle.frame_dim), np.nan, np.float32)])
    with pytest.raises(BundleError, match="no number"):
        scorer.cross_entropy([(4, 5)], memory)
