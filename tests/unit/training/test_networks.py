"""Shapes and properties of the networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.networks.convnext import TINY, ConvNext, ConvNextConfig, starter_config  # noqa: E402
from audiosearch.training.networks.decoder import (  # noqa: E402
    DecoderConfig,
    DecoderNetwork,
    caption_cross_entropy,
)
from audiosearch.training.networks.frontend import (  # noqa: E402
    PAPER_FRONTEND,
    STARTER_FRONTEND,
    LogMel,
    mel_filterbank,
)
from audiosearch.training.networks.meaning import (  # noqa: E402
    ConceptConfig,
    ConceptLayer,
    MeaningTower,
    SentenceConfig,
    SentenceTower,
)
from audiosearch.training.networks.tags import TagHead, TagHeadConfig, perturb_logits, tag_evidence  # noqa: E402  # noqa: E402

SMALL = DecoderConfig(
    vocabulary=30, feature_dim=12, dim=16, heads=2, layers=2, feedforward=24, dropout=0.0
)


def test_digital_silence_is_minus_100_db():
    silence = torch.zeros(1, 32_000)
    assert (LogMel(PAPER_FRONTEND)(silence) == -100).all()


@pytest.mark.parametrize(("samples", "frames"), [(320_000, 1001), (118_400, 371)])
def test_the_front_end_counts_frames_as_published(samples, frames):
    assert LogMel(PAPER_FRONTEND)(torch.zeros(1, samples)).shape == (1, frames, 224)


@pytest.mark.parametrize("config", [PAPER_FRONTEND, STARTER_FRONTEND])
def test_no_mel_band_is_empty(config):
    assert (mel_filterbank(config).sum(dim=0) > 0).all()


def test_convnext_tiny_has_the_published_size():
    network = ConvNext(TINY)
    assert sum(p.numel() for p in network.parameters()) == 28_222_767
    state = network.state_dict()
    assert state["downsample_layers.0.0.weight"].shape == (96, 1, 4, 4)
    assert state["stages.2.8.pwconv1.weight"].shape == (1536, 384)
    assert state["head_audioset.weight"].shape == (527, 768)


@pytest.mark.parametrize(("mel_frames", "expected"), [(1001, 31), (371, 11), (1235, 38)])
def test_convnext_counts_frames_as_published(mel_frames, expected):
    tiny = ConvNext(
        ConvNextConfig(mels=224, classes=5, depths=(1, 1, 1, 1), dims=(4, 4, 4, 4))
    ).eval()
    with torch.no_grad():
        heard = tiny(torch.zeros(1, mel_frames, 224))
    assert heard.frames.shape == (1, expected, 4)


def test_the_starter_encoder_gives_a_frame_every_third_of_a_second():
    network = ConvNext(starter_config(9)).eval()
    with torch.no_grad():
        heard = network(LogMel(STARTER_FRONTEND)(torch.randn(2, 160_000)))
    assert heard.frames.shape == (2, 31, 320)
    assert heard.embedding.shape == (2, 320)
    assert heard.logits.shape == (2, 9)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return DecoderNetwork(SMALL).eval()


def test_a_word_does_not_see_those_after_it(decoder):
    frames, lengths = torch.randn(1, 6, 16), torch.tensor([6])
    one, other = torch.tensor([[1, 5, 6, 7]]), torch.tensor([[1, 5, 9, 8]])
    with torch.no_grad():
        first, second = decoder(frames, lengths, one), decoder(frames, lengths, other)
    assert torch.allclose(first[:, :2], second[:, :2], atol=1e-6)
    assert not torch.allclose(first[:, 2:], second[:, 2:], atol=1e-3)


def test_frames_beyond_the_length_are_not_heard(decoder):
    tokens, lengths = torch.tensor([[1, 5, 6]]), torch.tensor([4])
    frames = torch.randn(1, 6, 16)
    changed = frames.clone()
    changed[:, 4:] = 99.0
    with torch.no_grad():
        assert torch.allclose(
            decoder(frames, lengths, tokens), decoder(changed, lengths, tokens), atol=1e-5
        )


def test_layers_start_alike_as_published(decoder):
    first, second = decoder.decoder.layers
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_cross_entropy_counts_words_and_not_padding():
    logits = torch.randn(1, 4, 30)
    targets = torch.tensor([[5, 2, 0, 0]])
    log_probs = logits.log_softmax(2)
    expected = -(log_probs[0, 0, 5] + log_probs[0, 1, 2]) / 2
    assert caption_cross_entropy(logits, targets)[0] == pytest.approx(float(expected), abs=1e-5)


def test_frame_positions_make_order_audible():
    torch.manual_seed(0)
    placed = DecoderNetwork(
        DecoderConfig(**{**SMALL.__dict__, "frame_positions": 8, "projection_dropout": 0.0})
    ).eval()
    placed.frame_positions.data.normal_()
    frames, lengths = torch.randn(1, 6, 12), torch.tensor([6])
    tokens = torch.tensor([[1, 5, 6]])
    with torch.no_grad():
        straight = placed(placed.project(frames), lengths, tokens)
        turned = placed(placed.project(frames.flip(1)), lengths, tokens)
        assert not torch.allclose(straight, turned, atol=1e-4)
        plain = DecoderNetwork(SMALL).eval()
        straight = plain(plain.project(frames), lengths, tokens)
        turned = plain(plain.project(frames.flip(1)), lengths, tokens)
        assert torch.allclose(straight, turned, atol=1e-5)


@pytest.fixture
def tower():
    torch.manual_seed(0)
    sentence = SentenceTower(SentenceConfig(pieces=30, sentence_dim=12, dim=16, hidden=8))
    concepts = ConceptLayer(ConceptConfig(concepts=6, joint_dim=8, sentence_dim=12))
    return MeaningTower(sentence, concepts).eval()


def test_padding_does_not_change_a_text_vector(tower):
    with torch.no_grad():
        short = tower(torch.tensor([[5, 6, 7]]))
        padded = tower(torch.tensor([[5, 6, 7, 0, 0]]))
        other = tower(torch.tensor([[5, 6, 8]]))
    assert torch.allclose(short, padded, atol=1e-5)
    assert not torch.allclose(short, other, atol=1e-3)
    np.testing.assert_allclose(short.norm(dim=1).numpy(), 1.0, atol=1e-5)


def test_eight_bits_a_number_change_a_text_vector_little(tower):
    pieces = torch.randint(1, 30, (20, 6))
    with torch.no_grad():
        whole = tower(pieces)
        tower.sentence.embedding.quantise()
        coarse = tower(pieces)
    assert tower.sentence.embedding.codes.dtype == torch.int8
    assert (whole * coarse).sum(dim=1).min() > 0.995


def test_a_meaning_between_concepts_goes_where_the_nearer_one_goes():
    layer = ConceptLayer(ConceptConfig(concepts=2, joint_dim=2, sentence_dim=2))
    with torch.no_grad():
        layer.keys.copy_(torch.eye(2))
        layer.values.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        layer.direct.weight.zero_()
        vector = layer(torch.nn.functional.normalize(torch.tensor([[0.9, 0.3]]), dim=1))[0]
    assert vector[0] > 0.99  # a linear map would have given .95


def test_a_sound_lies_where_its_tags_lie():
    torch.manual_seed(0)
    head = TagHead(TagHeadConfig(tags=3, joint_dim=4)).eval()
    with torch.no_grad():
        head.places.bias.zero_()
        found = head(torch.tensor([[15.0, -15, -15], [-15, 15, -15], [15, 15, -15]]))
        places = head.places.weight.T
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(found[0], places[0], dim=0) > 0.99
    assert cosine(found[1], places[1], dim=0) > 0.99
    assert cosine(found[2], places[0] + places[1], dim=0) > 0.99


def test_tags_of_wholes_are_the_encoders_and_short_events_are_heard_in_parts():
    torch.manual_seed(0)
    small = replace(starter_config(3), depths=(1, 1, 1, 1), dims=(4, 4, 4, 8), head_bias=0.0)
    encoder = ConvNext(small).eval()
    with torch.no_grad():
        for frames in (1, 7, 31):
            decibels = torch.randn(2, 16 * frames, small.mels)
            heard = encoder(decibels)
            found = tag_evidence(encoder, heard.frames)
            assert found.shape == (2, 6)
            torch.testing.assert_close(found[:, :3], heard.logits, atol=1e-4, rtol=1e-4)
        event = torch.zeros(1, 40, 8)
        event[:, 20:30] = torch.randn(1, 10, 8)
        alone = tag_evidence(encoder, event[:, 20:30])[:, :3]  # the part from 20 to 30 is one
        assert (tag_evidence(encoder, event)[:, 3:] >= alone - 1e-4).all()


def test_a_tag_is_off_by_as_much_in_the_part_as_in_the_whole_and_each_by_itself():
    logits = torch.linspace(-9, 9, 4000 * 6).reshape(4000, 6)
    off = perturb_logits(torch.Generator().manual_seed(5), logits, spread=2.0) - logits
    torch.testing.assert_close(off[:, :3], off[:, 3:], atol=1e-5, rtol=0)
    assert off[:, :3].std(dim=0).sub(2.0).abs().max() < 0.1
    assert torch.corrcoef(off[:, :3].T).sub(torch.eye(3)).abs().max() < 0.1
    again = perturb_logits(torch.Generator().manual_seed(5), logits, spread=2.0) - logits
    assert torch.equal(off, again)
