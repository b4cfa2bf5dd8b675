"""Captions of imported models are those of a plain search with the networks they came from."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.convert.importer import import_published  # noqa: E402
from audiosearch.model.beam import BeamOptions, beam_search  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.captioner import Captioner  # noqa: E402
from audiosearch.model.decoder import Decoder  # noqa: E402
from tests.published_checkpoints import small_decoder, write_hub_folder  # noqa: E402

EOS = 2


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    hub = write_hub_folder(tmp_path_factory.mktemp("hub"), seed=3)
    folder = tmp_path_factory.mktemp("models")
    return Decoder(load_bundle(import_published([hub], name="small", folder=folder)))


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return [np.maximum(rng.normal(size=(n, 16)), 0).astype(np.float32) for n in (9, 4, 1, 13)]


def plain_search(network, frames, *, start, repeatable, width, least, most):
    """The best sentence by the rules of `audiosearch.model.beam`, one sound, nothing kept.

    A live sentence is (words, sum of log-probabilities); each that ends makes the beam narrower.
    """
    live, ended = [((start,), 0.0)], []
    for step in range(most):
        ways = []
        for words, total in live:
            with torch.no_grad():
                logits = network(
                    torch.from_numpy(frames)[None],
                    torch.tensor([len(frames)]),
                    torch.tensor([words]),
                )[0, -1]
            for token in range(len(logits)):
                if (token in words and token not in repeatable) or (token == EOS and step < least):
                    logits[token] = -torch.inf
            scores = (logits.log_softmax(0) + total).tolist()
            ways += [((*words, token), score) for token, score in enumerate(scores)]
        best = sorted(ways, key=lambda way: -way[1])[: width - len(ended)]
        done = [way for way in best if way[0][-1] == EOS or step == most - 1]
        ended += [(words[1:], total / (len(words) - 1)) for words, total in done]
        live = [way for way in best if way not in done]
        if not live:
            break
    return max(ended, key=lambda way: way[1])


@pytest.mark.parametrize("task", ["clotho", "audiocaps"])
@pytest.mark.parametrize("width", [1, 2, 3, 10])
def test_a_beam_finds_what_a_plain_search_finds(decoder, sounds, width, task):
    bundle = decoder.bundle.for_task(task)
    vocabulary = bundle.vocabulary
    found = beam_search(
        decoder.steps(decoder.memory(sounds)),
        starts=[bundle.start_token] * len(sounds),
        eos=EOS,
        vocabulary_size=len(vocabulary),
        options=BeamOptions(width=width, min_tokens=2, max_tokens=8),
        repeatable=vocabulary.repeatable_mask,
    )
    network = small_decoder(vocabulary.words, seed=3)
    for frames, slots in zip(sounds, found, strict=True):
        words, score = plain_search(
            network,
            frames,
            start=bundle.start_token,
            repeatable=vocabulary.repeatable,
            width=width,
            least=2,
            most=8,
        )
        assert slots[0].ids == words
        assert slots[0].mean_log_prob == pytest.approx(score, abs=1e-5)


def test_tasks_lead_to_other_sentences_and_none_names_a_task(decoder, sounds):
    written = {
        task: [each.text for each in Captioner(_of_task(decoder, task)).captions(sounds)]
        for task in ("clotho", "audiocaps")
    }
    assert written["clotho"] != written["audiocaps"]
    assert not any("<" in text for texts in written.values() for text in texts)


def _of_task(decoder, task):
    return Decoder(decoder.bundle.for_task(task))
