"""Drawn pictograms of the made sounds, and numbers of a picture.

In: names of sounds. Out: pictures of scenes and their embeddings. They are line drawings of our
own on a grid of 16 x 16, no photographs; no network looks at them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from audiosearch._typing import Floats

GRID = 16
SCALE = 2
SIDE = GRID * SCALE
"""Pixels of one pictogram's side."""
KEPT = 10
"""Frequencies of a picture that are kept in either direction."""

# Strokes in the grid, x to the right and y down: "x,y x,y ..." is drawn through its points, "o
# x,y,r" is a circle.
PICTOGRAMS: dict[str, tuple[str, ...]] = {
    "beeping": ("3,3 13,3 13,13 3,13 3,3", "6,6 6,10", "9,6 9,10", "11,6 11,10"),
    "bell": ("2,12 4,10 4,5 8,2 12,5 12,10 14,12 2,12", "o 8,13,1"),
    "chirping_birds": ("1,7 4,5 9,5 13,10 15,9", "4,5 6,11 10,11 13,10", "o 4,7,0", "1,7 4,8"),
    "clock_tick": ("o 8,8,6", "8,8 8,4", "8,8 11,9"),
    "door_wood_knock": ("4,1 12,1 12,15 4,15 4,1", "o 10,8,1", "1,5 3,7", "1,8 3,8", "1,11 3,9"),
    "electric_hum": ("9,1 5,8 9,8 6,15", "9,1 11,1 8,7 11,7 6,15"),
    "engine": ("2,5 11,5 11,13 2,13 2,5", "11,8 14,8", "14,5 14,11", "5,5 5,2 8,2 8,5"),
    "heartbeat": ("8,14 2,7 2,4 5,2 8,5 11,2 14,4 14,7 8,14", "4,8 7,8 8,6 9,10 10,8 12,8"),
    "mouse_click": ("4,1 12,1 12,12 8,15 4,12 4,1", "8,1 8,6", "4,6 12,6"),
    "rain": (
        "3,5 5,2 11,2 13,5 3,5",
        "4,8 3,11",
        "8,8 7,11",
        "12,8 11,11",
        "6,12 5,15",
        "10,12 9,15",
    ),
    "sea_waves": (
        "0,5 3,3 6,5 9,3 12,5 15,3",
        "0,9 3,7 6,9 9,7 12,9 15,7",
        "0,13 3,11 6,13 9,11 12,13 15,11",
    ),
    "silence": ("o 8,8,6", "4,12 12,4"),
    "siren": ("3,14 13,14", "4,14 4,8 6,5 10,5 12,8 12,14", "8,3 8,1", "3,5 1,3", "13,5 15,3"),
    "static_noise": ("1,8 2,3 3,12 4,5 5,14 6,2 7,10 8,4 9,13 10,6 11,11 12,3 13,12 14,7",),
    "steady_tone": ("0,8 2,4 4,8 6,12 8,8 10,4 12,8 14,12 15,10",),
    "telephone": ("1,5 3,2 13,2 15,5 12,6 11,4 5,4 4,6 1,5", "4,8 12,8 14,14 2,14 4,8", "o 8,11,2"),
    "wind": ("1,5 10,5 13,3 11,1 9,2", "1,8 14,8", "1,11 11,11 13,13 11,15 9,14"),
}


def pictogram(name: str) -> Floats:
    """The drawing `(SIDE, SIDE)` of a sound, ink 1 on 0.

    Raises:
        KeyError: there is none of that name.
    """
    picture = np.zeros((SIDE, SIDE), np.float32)
    for stroke in PICTOGRAMS[name]:
        if stroke.startswith("o "):
            x, y, radius = map(float, stroke[2:].split(","))
            angles = np.linspace(0, 2 * np.pi, 65)
            corners = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        else:
            corners = np.array([point.split(",") for point in stroke.split()], np.float64)
        for begin, end in itertools.pairwise(corners):
            along = np.linspace(0, 1, 4 * SIDE)[:, None]
            points = ((1 - along) * begin + along * end) * SCALE
            places = np.clip(np.rint(points), 0, SIDE - 1).astype(np.int64)
            picture[places[:, 1], places[:, 0]] = 1.0
    return picture


def scene_picture(sounds: Sequence[str], *, together: bool, under: str | None = None) -> Floats:
    """The picture `(4 * SIDE, 3 * SIDE)` of a scene: what follows stands further right.

    Sounds at once stand one above the other, one that lasts under all of it stands at the foot.

    Raises:
        ValueError: more than three sounds.
        KeyError: a sound has no pictogram.
    """
    if len(sounds) > 3:
        raise ValueError(f"no more than three sounds have room, not {len(sounds)}")
    picture = np.zeros((4 * SIDE, 3 * SIDE), np.float32)
    for place, name in enumerate(sounds):
        row, column = (place, 0) if together else (0, place)
        picture[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = pictogram(
            name
        )
    if under is not None:
        picture[3 * SIDE :, :] = np.tile(pictogram(under), (1, 3))
    return picture


def embed_picture(picture: Floats) -> Floats:
    """`(12 * KEPT ** 2,)` of unit length: the lowest cosines of each of its 4 x 3 fields."""
    fields = picture.reshape(4, SIDE, 3, SIDE).transpose(0, 2, 1, 3)
    places = 2 * np.arange(SIDE) + 1
    waves = np.cos(np.pi / (2 * SIDE) * np.arange(KEPT)[:, None] * places).astype(np.float32)
    cosines = np.asarray(waves @ fields @ waves.T, np.float32)
    cosines[:, :, 0, 0] = 0.0  # how much ink there is tells nothing
    flat = cosines.ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)
