"""Two ways to ask for each class of ESC-50, to measure whether a model knows words or meanings.

Usual words are those of captions; the others avoid them. No paraphrase and no name of a class holds
a content word that only the other words have; phrases of kinds beyond these classes do hold some.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasing:
    """How one class of sounds is asked for."""

    label: str
    usual: str
    """A query in usual words."""
    other: str
    """A query in other words for the same thing."""
    other_name: str
    """A bare name in other words."""


# class = usual query | query in other words | name in other words
_TABLE = """
airplane = an airplane flying overhead | aeroplane in the skies | aeroplane
breathing = someone breathing heavily | panting respiration | respiration
brushing_teeth = someone brushing teeth | dental hygiene routine | dental hygiene
can_opening = opening a can | pulling the tab of a fizzy tin | tin tab
car_horn = a car horn honking | an automobile klaxon | klaxon
cat = a cat meowing | feline miaow | feline
chainsaw = a chainsaw cutting wood | a lumberjack felling timber | lumberjack
chirping_birds = birds chirping | avian warbling | avian warbling
church_bells = church bells ringing | carillon of a chapel | carillon
clapping = people clapping | an ovation of the public | ovation
clock_alarm = an alarm clock ringing | bedside timer wakes you | morning wakeup timer
clock_tick = a clock ticking | a timepiece marking seconds | timepiece
coughing = someone coughing | hacking with bronchitis | bronchitis
cow = a cow mooing | bovine in a barn | bovine
crackling_fire = a crackling fire | a cosy bonfire | bonfire
crickets = crickets chirping at night | katydids on a meadow | katydids
crow = a crow cawing | rook or jackdaw | jackdaw
crying_baby = a baby crying | an upset toddler in tears | tearful toddler
dog = a dog barking | an angry canine | canine
door_wood_creaks = a creaky wooden door | rusty gate of a haunted house | rusty gate
door_wood_knock = knocking on a door | pounding at the entrance | pounding fist
drinking_sipping = someone sipping a drink | swallowing a beverage | swallowing beverage
engine = an engine running | a diesel automobile idle | diesel
fireworks = fireworks exploding | pyrotechnics on new year | pyrotechnics
footsteps = footsteps | feet strolling in a hallway | strolling
frog = a frog croaking | amphibian in a swamp | amphibian
glass_breaking = glass breaking | crockery fracturing to splinters | splintering windowpane
hand_saw = sawing wood by hand | woodworker and his handsaw | woodworking
helicopter = a helicopter flying | rotorcraft in the sky | rotorcraft
hen = a hen clucking | farmyard poultry | poultry
insects = insects buzzing | gnats and wasps | wasp
keyboard_typing = typing on a keyboard | secretary entering data at a terminal | data entry
laughing = people laughing | hilarious joke | hilarity
mouse_click = a mouse click | selecting an icon with the touchpad | touchpad
pig = a pig oinking | swine in a sty | swine
pouring_water = pouring water into a glass | decanting juice to a tumbler | decanting
rain = rain falling | wet downpour | downpour
rooster = a rooster crowing | a farm cock greets sunrise | farm cock
sea_waves = waves crashing on the shore | tide at the seaside | seaside tide
sheep = a sheep bleating | woolly ewe on a pasture | ewe
siren = a siren wailing | paramedics rushing to hospital | emergency paramedics
sneezing = someone sneezing | allergic hay fever | hay fever
snoring = someone snoring | deep slumber | slumber
thunderstorm = thunder and lightning | a tempest | tempest
toilet_flush = flushing a toilet | using the lavatory | lavatory
train = a train passing | a tram on the metro | metro
vacuum_cleaner = a vacuum cleaner | household appliance picking up dust | dust removal appliance
washing_machine = a washing machine | dirty clothes in the tub | clothes washer
water_drops = water dripping | leaky plumbing | leak
wind = wind blowing | a gale | gale
"""


def read_phrasings() -> dict[str, Phrasing]:
    """Class to phrasing, all fifty."""
    found = {}
    for line in _TABLE.strip().splitlines():
        label, _, rest = line.partition(" = ")
        usual, other, name = rest.split(" | ")
        found[label] = Phrasing(label, usual, other, name)
    return found
