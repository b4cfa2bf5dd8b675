"""What must be true of the generated sounds, whichever way the program is built.

Each truth is a function that takes the ears that a bundle lends and raises AssertionError where
they hear something else. Margins are wide: last bits differ from processor to processor.
"""

from __future__ import annotations

from tests.acceptance.ears import BELL_THEN_KNOCKS, KNOCKS_THEN_BELL, SILENCE, Ears

QUERIES = {
    "rain": "rain is falling",
    "wind": "the wind blows",
    "siren": "a siren wails",
    "clock": "a clock ticks",
    "bell": "a bell rings",
    "knocks": "someone knocks on a door",
    "engine": "an engine is running",
    "beeps": "a machine beeps",
    "hiss": "static noise hisses",
    "heartbeat": "a heart beats",
    "birds": "birds are singing",
    "phone": "a telephone rings",
}
"""The single sounds and words for each."""

FOREIGN_QUERIES = {
    "bell": (
        *("eine Glocke läutet", "une cloche sonne", "suena una campana", "una campana suona"),
        *("um sino toca", "campana", "Glockenläuten"),
    ),
    "rain": ("es regnet", "il pleut", "está lloviendo", "sta piovendo", "a chuva cai"),
    "clock": ("eine Uhr tickt", "une horloge", "un reloj", "il ticchettio", "um relógio"),
    "wind": ("der Wind weht", "le vent souffle", "sopla el viento", "soffia il vento"),
    "knocks": ("Türklopfen", "coups à la porte", "golpes en la puerta", "batidas na porta"),
    "phone": ("ein Telefon klingelt", "le téléphone sonne", "squilla un telefono"),
}
"""Words for some of them in other languages."""

HEARD_IN_SCENES = {
    "rain": {"scene-3"},
    "siren": {"scene-3"},
    "bell": {KNOCKS_THEN_BELL, BELL_THEN_KNOCKS},
    "knocks": {KNOCKS_THEN_BELL, BELL_THEN_KNOCKS},
    "engine": {"scene-4"},
    "birds": {"scene-4"},
}
"""Where a single sound is heard beside others."""

ABSENT = (
    "a dog barks",
    "a helicopter is flying",
    "a baby cries",
    "people are clapping",
    "a cat meows",
    "a woman is speaking",
    "glass breaks",
    "a guitar is playing",
)
"""What is heard in none of them."""

LABELS = {
    "rain": "rain",
    "wind": "wind",
    "siren": "siren",
    "clock": "clock",
    "bell": "church bell",
    "knocks": "door knock",
    "engine": "engine",
    "beeps": "beep",
    "hiss": "static",
    "heartbeat": "heartbeat",
    "birds": "bird",
    "phone": "telephone",
}
ABSENT_LABELS = ("dog", "cat", "helicopter", "crying baby")

CAPTION_WORDS = {
    "bell": {"bell"},
    "birds": {"bird", "birds"},
    "clock": {"clock", "watch"},
    "engine": {"engine", "motor", "car"},
    "heartbeat": {"heart", "heartbeat"},
    "knocks": {"knocking", "knocks", "knock"},
    "phone": {"telephone", "phone"},
    "rain": {"rain", "raining", "rainfall"},
    "wind": {"wind"},
}
"""One of these is in the model's own sentence."""


def order_is_heard(ears: Ears) -> None:
    """Of two scenes with the same sounds, that in the order of the words is first."""
    for words, right, wrong in (
        ("a bell rings and then someone knocks", BELL_THEN_KNOCKS, KNOCKS_THEN_BELL),
        ("someone knocks and then a bell rings", KNOCKS_THEN_BELL, BELL_THEN_KNOCKS),
        ("someone knocks on a door before a bell rings", KNOCKS_THEN_BELL, BELL_THEN_KNOCKS),
        ("a bell rings after someone knocks", KNOCKS_THEN_BELL, BELL_THEN_KNOCKS),
    ):
        found = {heard.sound: heard for heard in ears.find_all(words)}
        assert next(iter(found)) == right, words
        assert found[right].lift > found[wrong].lift + 0.1, words
        assert ears.find(words)[0] == right, words
    for words, right in (
        ("eine Glocke läutet, dann klopft jemand", BELL_THEN_KNOCKS),
        ("jemand klopft an eine Tür, bevor eine Glocke läutet", KNOCKS_THEN_BELL),
    ):
        assert ears.find(words)[0] == right, words


def words_lead_to_the_sound(ears: Ears, sound: str) -> None:
    """The right words lift a sound's probability, and show it first."""
    found = ears.find_all(QUERIES[sound])
    assert found[0].sound == sound
    assert found[0].lift > 0
    assert found[0].score > ears.least_score
    assert ears.find(QUERIES[sound])[0] == sound


def other_languages_lead_to_the_sound(ears: Ears, sound: str) -> None:
    """Words in another language show a sound first."""
    for words in FOREIGN_QUERIES[sound]:
        assert ears.find_all(words)[0].sound == sound, words
        assert ears.find(words)[0] == sound, words


def words_lead_to_nothing_else(ears: Ears, sound: str) -> None:
    """No sound is shown for the name of one that is not heard in it."""
    right = {sound} | HEARD_IN_SCENES.get(sound, set())
    others = [heard for heard in ears.find_all(QUERIES[sound]) if heard.sound not in right]
    assert len(others) == len(ears.paths) - 1 - len(right)  # all but the silent one
    assert max(heard.score for heard in others) < ears.least_score
    assert set(ears.find(QUERIES[sound])) <= right


def what_is_not_there_is_not_found(ears: Ears) -> None:
    """Words for what is in no sound score below the least score everywhere, and show nothing."""
    for words in ABSENT:
        assert max(heard.score for heard in ears.find_all(words)) < ears.least_score, words
        assert ears.find(words) == [], words


def the_first_label_is_right(ears: Ears, sound: str) -> None:
    """Among sixteen labels, a sound's own is first (of equals, the first asked for would be)."""
    assert ears.first_label(sound, [*ABSENT_LABELS, *LABELS.values()]) == LABELS[sound]


def the_caption_names_it(ears: Ears, sound: str) -> None:
    """The model's own sentence has the word that people would use."""
    [caption] = ears.captions(sound)
    assert CAPTION_WORDS[sound] & set(caption.split()), caption


def a_clip_finds_itself(ears: Ears, sound: str) -> None:
    """A file of the library is most like itself."""
    first, similarity = ears.similar(ears.paths[sound])[0]
    assert first == sound
    assert similarity > 0.999


def a_changed_copy_finds_the_original(ears: Ears, sound: str) -> None:
    """A part of a sound, louder and coded with loss, is most like the sound that it comes of."""
    (first, similarity), (_, next_similarity) = ears.similar(ears.loud_short_mp3(sound))[:2]
    assert first == sound
    assert similarity > next_similarity


def silence_says_nothing(ears: Ears) -> None:
    """A silent file is in the library, has no caption, and answers nothing."""
    assert ears.captions(SILENCE) == []
    for words in ("silence", "a bell rings"):
        assert SILENCE not in {heard.sound for heard in ears.find_all(words)}
