"""A real standby: who only reads asks it, and what is written goes to its primary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch.config import load_config
from audiosearch.errors import StoreError
from audiosearch.library.answers import reading_database
from audiosearch.search.results import TextQuery
from audiosearch.store.database import open_database
from audiosearch.store.integrity.verify import verify
from tests.postgres_server import PostgresServer
from tests.search_library import LibraryBuilder, Models, sound_number


def test_a_standby_is_searched_and_follows(
    server: PostgresServer, name: str, url: str, tmp_path: Path, models: Models
) -> None:
    config = load_config(environ={"AUDIOSEARCH_DATA_DIR": str(tmp_path / "data")})
    with open_database(config.database, store=replace(config.store, url=url)) as database:
        LibraryBuilder(database, models).fill(3)
    server.execute("DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database=name)
    query = TextQuery(text="sound", min_score=0.0)
    with server.standby() as standby:
        standby.wait_for(server)
        for user in ("reader", "postgres"):
            store = replace(config.store, url=url, replica=standby.url(name, user=user))
            config = replace(config, store=store)
            n_before = 3 if user == "reader" else 4
            with reading_database(config) as database:
                assert user in database.shown
                engine = LibraryBuilder(database, models).engine()
                assert len(engine.find(query).hits) == n_before
                # What is written meanwhile goes to the primary, and is found when it has come.
                with open_database(config.database, store=store) as primary:
                    builder = LibraryBuilder(primary, models)
                    builder.add(f"late_{user}.wav".encode(), sound_number(7 + n_before))
                standby.wait_for(server)
                assert len(engine.find(query).hits) == n_before + 1
                with database.spare() as session:  # on the primary, by a user who may write there
                    assert session is not None
                assert verify(database) == []
    with pytest.raises(StoreError, match="see that the server runs"), reading_database(config):
        pass
