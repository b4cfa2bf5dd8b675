"""The clips of one split, ordered by what they are called, with where each is loud.

In: the sound cache. Out: what scenes are made of, and which sounds may lie under others or be
counted. It plans nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Samples
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.synth.instruments import INSTRUMENT_WEIGHT
from audiosearch.training.synth.instruments import SOURCE as INSTRUMENT_SOURCE
from audiosearch.training.text.captions import PHRASES, sound_of

# Sounds that can last under others without being an event of their own.
BACKGROUND_SOUNDS = frozenset(
    {
        "rain",
        "wind",
        "sea_waves",
        "engine",
        "crickets",
        "chirping_birds",
        "insects",
        "vacuum_cleaner",
        "washing_machine",
        "train",
        "airplane",
        "helicopter",
        "crackling_fire",
        "water_running",
        "hair_dryer",
        "city",
        "coffee_shop",
        "clock_tick",
        "static_noise",
        "electric_hum",
        "applause",
        "thunderstorm",
        "keyboard_typing",
        "cicada",
        "heartbeat",
        "band_music",
        "choir",
        "string_orchestra",
        "aquarium_filter",
        "background_room_noise",
        "car_driving",
        "children_playing_by_fountain",
        "city_street",
        "crowd_talking",
        "electric_fan",
        "electronic_music",
        "elevator_moving",
        "hallway_noises",
        "light_background_music",
        "machine_hum",
        "machine_running",
        "motor",
        "orchestral_music",
        "piano_ambient",
        "power_generator",
        "river",
        "shower",
        "steam_engine",
        "street_outdoors",
        "subway_station",
        "supermarket",
        "synthesizer_drone",
        "truck_engine",
        "vinyl_crackle",
        "water_boiling",
        "waterfall",
    }
)
# Sounds whose short clips hold one single event, so that repeating them makes a known count.
COUNTABLE_SOUNDS = frozenset(
    {
        "dog",
        "cat",
        "cow",
        "sheep",
        "crow",
        "sneezing",
        "coughing",
        "door_slam",
        "gunshot",
        "glass_breaking",
        "explosion",
        "balloon_pop",
        "car_horn",
        "yawning",
        "man_screaming",
        "woman_screaming",
        "mouse_click",
        "gun_cocking",
        "door_wood_creaks",
        "bell",
        "owl_hoot",
        "doorbell",
        "whistle",
        "toy_squeak",
        "woosh",
        "bicycle_horn",
        "barrel_hit",
        "boing",
        "bottle_hit",
        "burp",
        "cannon_fire",
        "cheek_slap",
        "click",
        "cork_popping",
        "dog_growling",
        "electronic_ping",
        "finger_snap",
        "foot_stomp",
        "glass_clink",
        "hand_drum",
        "laser_gun_effect",
        "metal_clang",
        "metal_hit",
        "mouth_popping",
        "pipe_hit",
        "punch",
        "rim_click",
        "squeak",
        "stone_hit",
        "sword_clash",
        "temple_bell",
        "thud",
        "tin_can_hit",
        "wood_hit",
    }
)


SHARE_POWER = 0.75
"""A sound's share of the draws goes by its number of clips to this power: by its square root, the
500 sounds known from a few clips each would be half of all that is heard."""


@dataclass(frozen=True)
class ClipPool:
    """The clips of one split, by sound, with where each is loud."""

    sounds: SoundCache
    clips_of: dict[str, tuple[int, ...]]
    active: dict[int, tuple[int, int]]
    """First and last loud sample of each clip."""
    chances: dict[str, float]

    def length(self, clip: int) -> int:
        """Samples from the first loud one to the last."""
        first, last = self.active[clip]
        return last - first


def gather_clips(sounds: SoundCache, *, split: Split) -> ClipPool:
    """The clips of a split that can be put into words."""
    clips_of: dict[str, list[int]] = {}
    active = {}
    for index in sounds.indices(split):
        sound = sound_of(sounds.clips[index].label)
        if sound in PHRASES:
            clips_of.setdefault(sound, []).append(index)
            active[index] = loud_stretch(sounds.waveform(index), rate=sounds.sample_rate)
    weights = {
        sound: len(clips) ** SHARE_POWER
        * (INSTRUMENT_WEIGHT if sounds.clips[clips[-1]].source == INSTRUMENT_SOURCE else 1.0)
        for sound, clips in clips_of.items()
    }
    total = sum(weights.values())
    return ClipPool(
        sounds=sounds,
        clips_of={sound: tuple(clips) for sound, clips in clips_of.items()},
        active=active,
        chances={sound: weight / total for sound, weight in weights.items()},
    )


def loud_stretch(waveform: Samples, *, rate: int) -> tuple[int, int]:
    """First and last sample of what is within 35 dB of the loudest 20 ms."""
    step = rate // 50
    blocks = waveform[: waveform.size // step * step].reshape(-1, step)
    if blocks.size == 0:
        return 0, waveform.size
    level = np.sqrt((blocks**2).mean(axis=1))
    loud = np.flatnonzero(level >= level.max() * 10 ** (-35 / 20))
    return int(loud[0]) * step, min(waveform.size, int(loud[-1] + 2) * step)
