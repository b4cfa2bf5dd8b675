"""From the names that recordings carry to the tags that the encoder learns.

Names of the same thing share a tag ("dog", "dog_bark"); a narrow name also gets its wider one
("puppy_bark" is a puppy and a dog).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

# Only names that differ from their tag, or have more than one.
TAGS_OF_LABEL: dict[str, tuple[str, ...]] = {
    "airplane_prop": ("airplane",),
    "ar_burst": ("gunshot",),
    "ar_fire": ("gunshot",),
    "pistol_fire": ("gunshot",),
    "rifle_fire": ("gunshot",),
    "rifle_fire_cock": ("gunshot", "gun_cocking"),
    "shotgun_fire_pump": ("gunshot", "gun_cocking"),
    "pistol_fire_dry": ("gun_cocking",),
    "pistol_cock": ("gun_cocking",),
    "pistol_reload": ("gun_cocking",),
    "rifle_cock": ("gun_cocking",),
    "shotgun_pump": ("gun_cocking",),
    "applause": ("applause", "clapping"),
    "bicycle_bell": ("bicycle_bell",),
    "bird": ("chirping_birds",),
    "birds": ("chirping_birds",),
    "birds1": ("chirping_birds",),
    "canary": ("canary", "chirping_birds"),
    "parrot_chirp": ("parrot", "chirping_birds"),
    "parrot_whistle": ("parrot", "whistle"),
    "bumble_bee": ("bee", "insects"),
    "bee": ("bee", "insects"),
    "bees": ("bee", "insects"),
    "boat": ("boat", "engine"),
    "car_engine": ("engine",),
    "car_motor": ("engine",),
    "compressor_motor": ("compressor", "engine"),
    "motorbike_idle": ("motorbike", "engine"),
    "vehicle_motor_idle": ("engine",),
    "vehicle_horn": ("car_horn",),
    "cat_meow": ("cat",),
    "chicken": ("hen",),
    "cicada": ("cicada", "insects"),
    "cobra": ("hissing",),
    "cow_moo": ("cow",),
    "coyote_howl": ("howling",),
    "wolf_howl": ("howling",),
    "wolf_snarl": ("growling",),
    "cricket": ("crickets",),
    "grasshopper": ("crickets", "insects"),
    "summer_night": ("crickets",),
    "crow_caw": ("crow",),
    "dog_bark": ("dog",),
    "puppy_bark": ("dog",),
    "dolphin_chirp": ("dolphin",),
    "dolphin_click": ("dolphin",),
    "door_close": ("door_slam",),
    "door_creak": ("door_wood_creaks",),
    "tree_creak": ("door_wood_creaks",),
    "door_knock": ("door_wood_knock",),
    "door_open": ("door_opening",),
    "explosion_scifi": ("explosion",),
    "fire_crackle": ("crackling_fire",),
    "fireplace": ("crackling_fire",),
    "fuse": ("hissing",),
    "fuse_short": ("hissing",),
    "goat_bleat": ("goat",),
    "gorilla_grunt": ("gorilla", "growling"),
    "gorilla_roar": ("gorilla", "roaring"),
    "gorilla_snarl": ("gorilla", "growling"),
    "jaguar_saw": ("big_cat", "growling"),
    "leopard_growl": ("big_cat", "growling"),
    "leopard_roar": ("big_cat", "roaring"),
    "leopard_saw": ("big_cat", "growling"),
    "leopard_snarl": ("big_cat", "growling"),
    "leopard_snort": ("big_cat",),
    "lion_bellow": ("big_cat", "roaring"),
    "tiger_roar": ("big_cat", "roaring"),
    "tiger_snarl": ("big_cat", "growling"),
    "guitar": ("guitar", "music"),
    "jazz_guitar": ("guitar", "music"),
    "electric_piano": ("electric_piano", "music"),
    "harpsichord": ("harpsichord", "music"),
    "music_box": ("music_box", "music"),
    "xylophone": ("xylophone", "music"),
    "vibraphone": ("vibraphone", "music"),
    "organ": ("organ", "music"),
    "accordion": ("accordion", "music"),
    "harmonica": ("harmonica", "music"),
    "electric_guitar": ("electric_guitar", "music"),
    "bass_guitar": ("bass_guitar", "music"),
    "violin": ("violin", "music"),
    "cello": ("cello", "music"),
    "double_bass": ("double_bass", "music"),
    "string_orchestra": ("string_orchestra", "music"),
    "harp": ("harp", "music"),
    "trumpet": ("trumpet", "music"),
    "trombone": ("trombone", "music"),
    "tuba": ("tuba", "music"),
    "french_horn": ("french_horn", "music"),
    "brass_section": ("brass_section", "music"),
    "saxophone": ("saxophone", "music"),
    "oboe": ("oboe", "music"),
    "bassoon": ("bassoon", "music"),
    "clarinet": ("clarinet", "music"),
    "flute": ("flute", "music"),
    "recorder": ("recorder", "music"),
    "synthesizer": ("synthesizer", "music"),
    "sitar": ("sitar", "music"),
    "banjo": ("banjo", "music"),
    "bagpipe": ("bagpipe", "music"),
    "steel_drum": ("steel_drum", "music"),
    "choir": ("choir", "music"),
    "band_music": ("music",),
    "timpani": ("timpani", "drum"),
    "bass_drum": ("bass_drum", "drum"),
    "snare_drum": ("snare_drum", "drum"),
    "tom_drum": ("tom_drum", "drum"),
    "bongo_drum": ("bongo_drum", "drum"),
    "drum_kit": ("drum_kit", "drum", "music"),
    "piano": ("piano", "music"),
    "arcade_music": ("music",),
    "cinematic": ("music",),
    "horse_neigh": ("horse",),
    "horse_snort": ("horse",),
    "zebra": ("horse",),
    "jet_ambience": ("airplane",),
    "jet_flyby": ("airplane",),
    "jet_land": ("airplane",),
    "lamb": ("sheep",),
    "sheep_baa": ("sheep",),
    "laugh_evil": ("laughing",),
    "pig_snort": ("pig",),
    "pig_squeal": ("pig",),
    "raccoon_chatter": ("raccoon",),
    "raccoon_chatter_baby": ("raccoon",),
    "rain_heavy": ("rain",),
    "rain_light": ("rain",),
    "rain_medium": ("rain",),
    "storm": ("thunderstorm", "rain"),
    "seagulls": ("seagull",),
    "snake_rattle": ("snake_rattle",),
    "speech": ("speech",),
    "man_speaking": ("speech", "man_speaking"),
    "woman_speaking": ("speech", "woman_speaking"),
    "man_screaming": ("screaming", "man_screaming"),
    "woman_screaming": ("screaming", "woman_screaming"),
    "thunder": ("thunderstorm",),
    "train_whistle": ("train", "train_whistle"),
    "typing": ("keyboard_typing",),
    "watch_tick": ("clock_tick",),
    "waves": ("sea_waves",),
    "woodpecker_peck": ("woodpecker",),
}


def tags_of(label: str) -> tuple[str, ...]:
    """The tags of a manifest label; a name without an entry is its own tag."""
    return TAGS_OF_LABEL.get(label) or _wider_tags().get(label, (label,))


@cache
def _wider_tags() -> dict[str, tuple[str, ...]]:
    """The names in `wider_tags.txt`, whose head says how it is written."""
    text = files(__package__).joinpath("wider_tags.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            tags, _, names = line.partition(":")
            for name in names.split():
                label, plus, further = name.partition("+")
                own = (label,) if plus else ()
                more = tuple(filter(None, further.split("+")))
                found[label] = tuple(dict.fromkeys((*own, *tags.split("+"), *more)))
    return found


def all_tags(labels: Iterable[str]) -> tuple[str, ...]:
    """Every tag of these labels once, sorted: the order of the encoder's head."""
    return tuple(sorted({tag for label in labels for tag in tags_of(label)}))
