"""How people name each sound: subjects, verbs and nouns, by sound.

No phrase holds a connective (and, then, while, as, with, before, after, by ...), or the order of a
sentence could not be read back.
"""

from __future__ import annotations

from pathlib import Path

TABLE = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
"""Lines `name = subjects | verbs | nouns | names`; parts may be empty and the last left out.

A sound may have several lines, whose subjects and verbs stay apart. Subjects and verbs combine into
clauses ("the dog is barking"), nouns stand alone ("dog barks"), names are what several sounds may
be called for short ("drum"). A verb is `barks/barking` (`-`: no such form); its plural is derived.
"""

# Labels that are phrased like another sound (all others are phrased under their own name).
SOUND_OF_LABEL: dict[str, str] = {
    "airplane_prop": "airplane",
    "jet_ambience": "jet",
    "jet_flyby": "jet",
    "jet_land": "jet",
    "ar_burst": "gunshot",
    "ar_fire": "gunshot",
    "pistol_fire": "gunshot",
    "rifle_fire": "gunshot",
    "rifle_fire_cock": "gunshot",
    "shotgun_fire_pump": "gunshot",
    "pistol_fire_dry": "gun_cocking",
    "pistol_cock": "gun_cocking",
    "pistol_reload": "gun_cocking",
    "rifle_cock": "gun_cocking",
    "shotgun_pump": "gun_cocking",
    "bees": "bee",
    "bumble_bee": "bee",
    "bird": "chirping_birds",
    "birds": "chirping_birds",
    "birds1": "chirping_birds",
    "car_engine": "engine",
    "car_motor": "engine",
    "vehicle_motor_idle": "engine",
    "cat_meow": "cat",
    "chicken": "hen",
    "cobra": "hissing",
    "fuse": "hissing",
    "fuse_short": "hissing",
    "compressor_motor": "compressor",
    "cow_moo": "cow",
    "coyote_howl": "howling",
    "wolf_howl": "howling",
    "cricket": "crickets",
    "grasshopper": "crickets",
    "summer_night": "crickets",
    "crow_caw": "crow",
    "dog_bark": "dog",
    "puppy_bark": "dog",
    "dolphin_chirp": "dolphin",
    "dolphin_click": "dolphin",
    "door_close": "door_slam",
    "door_creak": "door_wood_creaks",
    "tree_creak": "door_wood_creaks",
    "door_knock": "door_wood_knock",
    "door_open": "door_opening",
    "explosion_scifi": "explosion",
    "fire_crackle": "crackling_fire",
    "fireplace": "crackling_fire",
    "goat_bleat": "goat",
    "gorilla_grunt": "gorilla",
    "gorilla_roar": "gorilla",
    "gorilla_snarl": "gorilla",
    "jaguar_saw": "big_cat",
    "leopard_growl": "big_cat",
    "leopard_roar": "big_cat",
    "leopard_saw": "big_cat",
    "leopard_snarl": "big_cat",
    "leopard_snort": "big_cat",
    "lion_bellow": "big_cat",
    "tiger_roar": "big_cat",
    "tiger_snarl": "big_cat",
    "jazz_guitar": "guitar",
    "horse_neigh": "horse",
    "horse_snort": "horse",
    "zebra": "horse",
    "lamb": "sheep",
    "sheep_baa": "sheep",
    "laugh_evil": "laughing",
    "motorbike_idle": "motorbike",
    "parrot_chirp": "parrot",
    "parrot_whistle": "parrot",
    "pig_snort": "pig",
    "pig_squeal": "pig",
    "raccoon_chatter": "raccoon",
    "raccoon_chatter_baby": "raccoon",
    "rain_heavy": "rain",
    "rain_light": "rain",
    "rain_medium": "rain",
    "seagulls": "seagull",
    "storm": "thunderstorm",
    "thunder": "thunderstorm",
    "typing": "keyboard_typing",
    "vehicle_horn": "car_horn",
    "watch_tick": "clock_tick",
    "waves": "sea_waves",
    "wolf_snarl": "growling",
    "woodpecker_peck": "woodpecker",
}
