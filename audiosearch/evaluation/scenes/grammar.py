"""What a person would type to find a scene: the sentences of the scenes benchmark.

Small, fixed and written without a look at what any model is trained on; a word that a model does
not know is that model's problem, as it is with users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class SceneKind(StrEnum):
    """How the sounds of a scene stand in time."""

    SINGLE = "one"
    ORDERED = "two in order"
    TOGETHER = "two at once"
    THREE = "three in order"


@dataclass(frozen=True)
class Wording:
    """How one sound is said: as a sentence ("a dog barks") and as a thing ("a dog barking")."""

    clause: str
    thing: str


# name of the sound = sentence | thing
_TABLE = """
airplane = a plane flies over | a plane flying over
breathing = someone breathes | someone breathing
brushing_teeth = someone brushes their teeth | someone brushing their teeth
can_opening = a can is opened | a can being opened
car_horn = a car honks | a car horn
cat = a cat meows | a cat meowing
chainsaw = a chainsaw runs | a chainsaw
chirping_birds = birds chirp | birds chirping
church_bells = church bells ring | church bells ringing
clapping = people clap | people clapping
clock_alarm = an alarm clock goes off | an alarm clock
clock_tick = a clock ticks | a clock ticking
coughing = someone coughs | someone coughing
cow = a cow moos | a cow mooing
crackling_fire = a fire crackles | a fire crackling
crickets = crickets chirp | crickets chirping
crow = a crow caws | a crow cawing
crying_baby = a baby cries | a baby crying
dishes = dishes clatter | dishes clattering
dog = a dog barks | a dog barking
door_opening = a door opens | a door opening
door_slam = a door slams | a door slamming
door_wood_creaks = a door creaks | a door creaking
door_wood_knock = someone knocks on a door | a knock on a door
drinking_sipping = someone drinks | someone drinking
electric_shaver = an electric shaver buzzes | an electric shaver
engine = an engine runs | an engine running
fireworks = fireworks go off | fireworks
footsteps = someone walks | footsteps
frog = a frog croaks | a frog croaking
glass_breaking = glass breaks | glass breaking
hair_dryer = a hair dryer runs | a hair dryer
hand_saw = someone saws wood | someone sawing wood
helicopter = a helicopter flies | a helicopter flying
hen = a hen clucks | a hen clucking
insects = insects buzz | insects buzzing
keyboard_typing = someone types on a keyboard | typing on a keyboard
keys_jingling = keys jingle | keys jingling
laughing = someone laughs | someone laughing
man_screaming = a man screams | a man screaming
man_speaking = a man speaks | a man speaking
mouse_click = someone clicks a mouse | mouse clicks
paper_rustling = paper rustles | paper rustling
pig = a pig oinks | a pig oinking
pouring_water = water is poured | water being poured
rain = rain falls | rain falling
rooster = a rooster crows | a rooster crowing
sea_waves = waves break on a beach | waves breaking on a beach
sheep = a sheep bleats | a sheep bleating
siren = a siren wails | a siren
sneezing = someone sneezes | someone sneezing
snoring = someone snores | someone snoring
speech = someone talks | someone talking
thunderstorm = thunder rumbles | thunder rumbling
toilet_flush = a toilet is flushed | a toilet flushing
train = a train passes | a train passing
vacuum_cleaner = a vacuum cleaner runs | a vacuum cleaner
washing_machine = a washing machine runs | a washing machine
water_drops = water drips | water dripping
water_running = water runs from a tap | water running from a tap
wind = the wind blows | the wind blowing
woman_crying = a woman cries | a woman crying
woman_screaming = a woman screams | a woman screaming
woman_speaking = a woman speaks | a woman speaking
yawning = someone yawns | someone yawning
"""

# Every sentence says who comes first, or that nothing does; filled the other way round it describes
# the scene played the other way round.
_PATTERNS: Mapping[SceneKind, tuple[str, ...]] = {
    SceneKind.SINGLE: ("{a}", "{na}", "the sound of {na}"),
    SceneKind.ORDERED: (
        "{a} and then {b}",
        "{a} before {b}",
        "{b} after {a}",
        "first {a}, then {b}",
        "{na} followed by {nb}",
    ),
    SceneKind.TOGETHER: (
        "{a} while {b}",
        "{a} as {b}",
        "{na} and {nb} at the same time",
        "{na} together with {nb}",
        "{a} and at the same time {b}",
    ),
    SceneKind.THREE: (
        "{a}, then {b}, and finally {c}",
        "{na} followed by {nb} and then {nc}",
        "first {a}, then {b}, then {c}",
    ),
}


def _read(table: str) -> dict[str, Wording]:
    wordings = {}
    for line in table.strip().splitlines():
        name, _, rest = line.partition(" = ")
        clause, _, thing = rest.partition(" | ")
        wordings[name] = Wording(clause, thing)
    return wordings


WORDINGS: Mapping[str, Wording] = _read(_TABLE)


def wording(label: str) -> Wording:
    """How the sound `label` is said; one that the table lacks is called by its own name."""
    name = " ".join(label.replace("_", " ").replace("-", " ").split()).lower()
    return WORDINGS.get("_".join(name.split())) or Wording(f"{name} is heard", name)


def patterns(kind: SceneKind) -> tuple[str, ...]:
    """The sentence patterns of a kind: {a} {b} {c} in order of time, {na} ... as things."""
    return _PATTERNS[kind]


def sentence(pattern: str, labels: Sequence[str]) -> str:
    """The pattern filled with the sounds of a scene, in order of time."""
    parts: dict[str, str] = {}
    for letter, label in zip("abc", labels, strict=False):
        said = wording(label)
        parts |= {letter: said.clause, f"n{letter}": said.thing}
    return pattern.format(**parts)


def draw_patterns(kind: SceneKind, n: int, generator: np.random.Generator) -> tuple[str, ...]:
    """`n` different patterns of a kind; all where there are no more."""
    known = patterns(kind)
    chosen = generator.choice(len(known), min(n, len(known)), replace=False)
    return tuple(known[i] for i in chosen)
