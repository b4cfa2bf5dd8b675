"""The decoder's two uses, and the captions it writes, with the toy bundle."""

import dataclasses

import numpy as np
import pytest

from audiosearch.errors import BundleError
from audiosearch.model.beam import BeamOptions
from audiosearch.model.bundle import Bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.tokenizer import Vocabulary

TOKENS = np.array([[1, 4, 19, 20, 7, 29], [1, 26, 27, 0, 0, 0]], dtype=np.int64)


def test_one_word_at_a_time_equals_all_at_once(decoder: Decoder, encoded: list[Encoded]) -> None:
    memory = decoder.memory([encoded[0].frames, encoded[1].frames])
    forced = decoder.log_probs(TOKENS, memory)
    steps = decoder.steps(memory)
    rows = np.arange(2)
    for t in range(TOKENS.shape[1]):
        np.testing.assert_allclose(steps(TOKENS[:, t], rows), forced[:, t], atol=1e-5)


def test_caches_follow_their_parents(decoder: Decoder, encoded: list[Encoded]) -> None:
    frames = [encoded[0].frames, encoded[1].frames]
    steps = decoder.steps(decoder.memory(frames))
    steps(np.array([1, 1]), np.array([0, 1]))
    steps(np.array([4, 26, 27]), np.array([1, 0, 0]))
    found = steps(np.array([19, 20]), np.array([2, 0]))
    for row, (sound, ids) in enumerate([(0, [1, 27, 19]), (1, [1, 4, 20])]):
        alone = decoder.log_probs(np.array([ids]), decoder.memory([frames[sound]]))
        np.testing.assert_allclose(found[row], alone[0, -1], atol=1e-5)


def test_log_probabilities_sum_to_one(decoder: Decoder, encoded: list[Encoded]) -> None:
    log_probs = decoder.log_probs(TOKENS[:1], decoder.memory([encoded[0].frames]))
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=2), 1.0, atol=1e-5)


def test_padding_frames_are_not_heard(decoder: Decoder, encoded: list[Encoded]) -> None:
    long, short = encoded[3].frames, encoded[1].frames
    alone = decoder.log_probs(TOKENS[:1], decoder.memory([short]))
    together = decoder.log_probs(TOKENS[[0, 0]], decoder.memory([long, short]))
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


def test_taking_rows_drops_padding(decoder: Decoder, encoded: list[Encoded]) -> None:
    memory = decoder.memory([encoded[3].frames, encoded[1].frames])
    taken = memory.take(np.array([1, 1]))
    assert len(taken) == 2
    assert taken.keys.shape[3] == len(encoded[1].frames) < memory.keys.shape[3]


def test_stored_half_precision_is_taken_as_it_is(decoder: Decoder, encoded: list[Encoded]) -> None:
    half = encoded[0].frames.astype(np.float16)
    given = decoder.log_probs(TOKENS[:1], decoder.memory([half]))
    wide = decoder.log_probs(TOKENS[:1], decoder.memory([half.astype(np.float32)]))
    np.testing.assert_array_equal(given, wide)


def test_sound_changes_what_is_probable(decoder: Decoder, encoded: list[Encoded]) -> None:
    heard = decoder.log_probs(TOKENS[:1], decoder.memory([encoded[0].frames]))
    silent = decoder.log_probs(TOKENS[:1], decoder.null_memory())
    assert np.abs(heard - silent).max() > 1e-4


@pytest.mark.parametrize("frames", [[], [np.zeros((0, 16), np.float32)]])
def test_no_sound_has_no_memory(decoder: Decoder, frames: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="no"):
        decoder.memory(frames)


def test_a_vocabulary_of_another_size_is_refused(bundle: Bundle) -> None:
    words = Vocabulary(words=(*bundle.vocabulary.words, "more"))
    decoder = Decoder(dataclasses.replace(bundle, vocabulary=words))
    with pytest.raises(BundleError, match="probabilities"):
        decoder.log_probs(TOKENS[:1], decoder.null_memory())


def test_captions_do_not_depend_on_their_batch_mates(
    decoder: Decoder, encoded: list[Encoded]
) -> None:
    captioner = Captioner(decoder)
    frames = [one.frames for one in encoded] * 5  # more than one block
    together = captioner.captions(frames)
    assert len(together) == len(frames)
    for one, caption in zip(frames[:5], together, strict=False):
        assert captioner.captions([one])[0].ids == caption.ids
    assert captioner.captions([]) == []


def test_captions_obey_the_options(decoder: Decoder, encoded: list[Encoded]) -> None:
    options = BeamOptions(width=2, min_tokens=2, max_tokens=4)
    for caption in Captioner(decoder, options=options).captions([one.frames for one in encoded]):
        words = caption.text.split()
        assert 2 <= len(words) <= 4
        assert decoder.bundle.vocabulary.encode(caption.text) == caption.ids
        stop = [word for word in words if words.count(word) > 1]
        assert all(
            decoder.bundle.vocabulary.encode(word)[0] in decoder.bundle.vocabulary.repeatable
            for word in stop
        )


def test_frames_that_are_no_numbers_give_an_error(decoder: Decoder, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="NaN"):
        Captioner(decoder).captions([np.full((3, bundle.frame_dim), np.nan, np.float32)])


def test_a_large_decoder_takes_all_cores_for_a_lone_beam_and_gives_the_same(
    bundle: Bundle, encoded: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.model.decoder.LARGE", 0)
    large = Decoder(bundle, options=RuntimeOptions(device="cpu", threads=3))
    steps = large.steps(large.memory([encoded[0].frames]))
    assert steps._session.workers == 1
    assert large.workers == 3
    small = Decoder(bundle, options=RuntimeOptions(device="cpu", threads=1))
    again = small.steps(small.memory([encoded[0].frames]))
    start, row = np.array([bundle.start_token]), np.array([0])
    np.testing.assert_allclose(steps(start, row), again(start, row), atol=1e-5)


def test_neighbours_of_a_memory_are_taken_without_a_copy(
    decoder: Decoder, encoded: list[Encoded]
) -> None:
    memory = decoder.memory([each.frames for each in encoded])
    some = memory.take(np.array([1, 2]))
    longest = int(memory.lengths[1:3].max())
    assert np.shares_memory(some.keys, memory.keys)
    np.testing.assert_array_equal(some.values, memory.values[1:3, :, :, :longest])
    other = memory.take(np.array([2, 1]))
    np.testing.assert_array_equal(other.keys, some.keys[::-1])
