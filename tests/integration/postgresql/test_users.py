"""Users of a library on a server."""

from __future__ import annotations

from pathlib import Path

from audiosearch.store.database import Database
from tests.indexing_fakes import WaveReader, run_index, write_wav
from tests.users import check_what_users_see


def test_each_sees_what_is_everybodys_and_the_own(database: Database, tmp_path: Path) -> None:
    for number in range(2):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    run_index(database, tmp_path / "sounds", open_reader=WaveReader)
    check_what_users_see(database, tmp_path / "sounds")
