"""What augmentation may and may not change."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.data import augment  # noqa: E402


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(7)


def test_a_derangement_moves_every_item(rng):
    for size in (2, 3, 5, 64):
        for _ in range(20):
            moved = augment.derangement(rng, size)
            assert sorted(moved.tolist()) == list(range(size))
            assert (moved != torch.arange(size)).all()


def test_one_item_has_no_derangement(rng):
    with pytest.raises(ValueError, match="at least two"):
        augment.derangement(rng, 1)


def test_mixing_keeps_the_power_and_tells_the_shares(rng):
    tones = torch.stack([torch.sin(torch.arange(16_000) * 0.01 * k) * 0.1 * k for k in range(1, 9)])
    mixed = augment.mix_by_power(rng, tones, chance=1.0)
    assert ((mixed.share >= 0) & (mixed.share <= 1)).all()
    before, after = tones.square().mean(1), mixed.values.square().mean(1)
    # Different tones are nearly uncorrelated, so powers add up.
    assert torch.allclose(before, after, rtol=0.1)
    for row in range(len(tones)):
        own = tones[row] / tones[row].norm()
        kept = float((mixed.values[row] @ own) ** 2 / mixed.values[row].square().sum())
        assert kept == pytest.approx(float(mixed.share[row]), abs=0.1)


def test_silence_is_never_mixed(rng):
    sounds = torch.cat([torch.randn(3, 1000), torch.zeros(3, 1000)])
    mixed = augment.mix_by_power(rng, sounds, chance=1.0)
    silent = torch.arange(6) >= 3
    involved = silent | silent[mixed.partner]
    assert (mixed.share[involved] == 1).all()
    assert torch.equal(mixed.values[silent], sounds[silent])


def test_stripes_are_narrower_than_their_limit_and_as_many_as_asked(rng):
    ones = torch.ones(200, 100, 40)
    time_only = augment.Stripes(time_count=1, time_limit=4, feature_count=0, feature_limit=1)
    hidden = 1 - augment.mask_stripes(rng, ones, stripes=time_only, fill=torch.zeros(()))[:, :, 0]
    widths = hidden.sum(dim=1)
    assert set(widths.tolist()) == {0, 1, 2, 3}  # the limit itself is excluded
    both = augment.PAPER_DECODER_STRIPES
    masked = augment.mask_stripes(rng, ones, stripes=both, fill=torch.zeros(()))
    assert (masked.sum(dim=2) == 0).sum(dim=1).max() <= 6 * 3
    assert (masked.sum(dim=1) == 0).sum(dim=1).max() <= 2 * 1


def test_a_single_frame_is_never_hidden(rng):
    frame = torch.ones(50, 1, 768)
    masked = augment.mask_stripes(
        rng, frame, stripes=augment.PAPER_DECODER_STRIPES, fill=torch.zeros(())
    )
    assert (masked.sum(dim=(1, 2)) >= 768 - 2).all()


def test_the_share_of_mixup_is_at_least_a_half_and_varies(rng):
    shares = [augment.mixup_share(rng, alpha=0.4) for _ in range(100)]
    assert all(0.5 <= share <= 1 for share in shares)
    assert min(shares) < 0.7 < 0.95 < max(shares)


def test_mixup_leaves_the_global_random_state_alone(rng):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    augment.mixup_share(rng, alpha=0.4)
    assert torch.equal(torch.rand(4), expected)


def test_speed_moves_the_pitch_by_its_rate():
    rate, hz = 16_000, 440.0
    tone = torch.sin(2 * math.pi * hz * torch.arange(rate) / rate)
    fast = augment.change_speed(tone, rate=1.25, length=8_000)
    spectrum = torch.fft.rfft(fast).abs()
    assert int(spectrum.argmax()) * rate / 8_000 == pytest.approx(550, abs=3)


def test_band_limit_takes_energy_only_away(rng):
    power = torch.ones(64, 10, 64)
    limited = augment.band_limit(rng, power, chance=1.0)
    assert (limited <= power + 1e-6).all()
    assert (limited[:, :, 20:34] == 1).any(dim=(1, 2)).all()  # the middle stays
    assert (limited.amin(dim=(1, 2)) < 1e-3).any()
    assert torch.equal(augment.band_limit(rng, power, chance=0.0), power)


@pytest.mark.parametrize(
    "change",
    [
        lambda g, x: augment.circular_roll(g, x, chance=1.0),
        lambda g, x: augment.gain(g, x, low_db=-6.0, high_db=6.0),
        lambda g, x: augment.add_noise(g, x, chance=1.0, low_db=-50.0),
    ],
)
def test_the_same_seed_gives_the_same_sound(change):
    sounds = torch.randn(4, 2000, generator=torch.Generator().manual_seed(0))
    first = change(torch.Generator().manual_seed(1), sounds)
    again = change(torch.Generator().manual_seed(1), sounds)
    other = change(torch.Generator().manual_seed(2), sounds)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_resized_bands_keep_their_shape(rng):
    decibels = torch.randn(10, 7, 64)
    assert augment.resize_bands(rng, decibels, limit=0.2, parts=3).shape == decibels.shape


def test_a_room_keeps_the_level_and_lasts_longer():
    click = torch.zeros(40, 8000)
    click[:, 1000:1040] = 1.0
    rng = torch.Generator().manual_seed(0)
    heard = augment.room(rng, click, chance=0.5, sample_rate=8000)
    changed = (heard != click).any(dim=1)
    assert 8 < int(changed.sum()) < 32
    assert float(heard[changed][:, 1100:1600].abs().max()) > 1e-3
    assert float(heard[changed][:, :1000].abs().max()) < 1e-4  # no echo before the sound
    power = heard[changed].square().sum(dim=1) / click[0].square().sum()
    assert float(power.max()) < 4.0


def test_a_telephone_line_is_coarse_but_close():
    sound = torch.sin(torch.arange(4000) / 7).repeat(60, 1) * 0.3
    rng = torch.Generator().manual_seed(0)
    heard = augment.telephone_line(rng, sound, chance=0.3)
    changed = (heard != sound).any(dim=1)
    assert 5 < int(changed.sum()) < 35
    error = heard[changed] - sound[changed]
    assert 1e-4 < float(error.abs().max()) < 0.02
    assert len(heard[changed][0].unique()) <= 256
