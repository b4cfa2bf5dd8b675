"""A question counts what is its user's own, whoever answers it: the command itself or a daemon."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audiosearch.config import Config, UserConfig
from audiosearch.errors import QueryError
from audiosearch.library.annotations import Annotations
from audiosearch.search.filters import Filters
from audiosearch.search.results import TextQuery
from audiosearch.server.query_client import open_client
from audiosearch.server.server import AnswerServer
from audiosearch.store.database import open_database

SOUNDS = [f"/sounds/box/sound_{number:02d}.wav" for number in range(3)]


@pytest.fixture
def written(config: Config) -> Config:
    """Everybody rates the first sound 3; Anna 5, and keeps the second; Ben keeps the third."""
    with open_database(config.database) as database:
        own = Annotations(database)
        own.rate(SOUNDS[:1], 3)
        for user, sound in (("anna", SOUNDS[1]), ("ben", SOUNDS[2])):
            database.user = user
            own.favourite([sound])
            own.collect(f"of {user}", [sound], create=True)
        database.user = "anna"
        own.rate(SOUNDS[:1], 5)
    return config


def found(config: Config, user: str, **filters: object) -> list[str]:
    query = TextQuery(text="a dog", min_score=0.0, filters=Filters(**filters))  # type: ignore[arg-type]
    with open_client(replace(config, user=UserConfig(name=user))) as client:
        hits = client.find(query).result.hits
        assert ("by the daemon" in client.who) is is_served(config)
    return sorted(hit.path.decode() for hit in hits)


def is_served(config: Config) -> bool:
    return any((config.data_dir / "answers").glob("*.socket"))


def check_what_is_found(config: Config) -> None:
    for user, sound in (("anna", SOUNDS[1]), ("ben", SOUNDS[2])):
        assert found(config, user, favourite=True) == [sound]
        assert found(config, user, collections=(f"of {user}",)) == [sound]
    with pytest.raises(QueryError, match="no collection 'of anna'"):
        found(config, "ben", collections=("of anna",))
    assert found(config, "", favourite=True) == []
    # Of two ratings of one sound the own one counts.
    assert found(config, "anna", rating=(None, 3)) == []
    assert found(config, "anna", rating=(5, None)) == SOUNDS[:1]
    assert found(config, "ben", rating=(None, 3)) == SOUNDS[:1]
    assert found(config, "ben", rating=(5, None)) == []


def test_by_the_command(written: Config) -> None:
    check_what_is_found(written)


def test_by_the_daemon_of_another(written: Config) -> None:
    with AnswerServer(replace(written, user=UserConfig(name="anna"))):
        check_what_is_found(written)
