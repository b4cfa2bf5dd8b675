"""Files that can be made again: whole or not there, and within a bound."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from audiosearch.store.file_cache import FileCache


def test_what_is_kept_is_found_and_nothing_else(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "views")
    assert cache.find("a") is None
    cache.keep("a", b"one")
    cache.keep("a", b"two")
    cache.keep("empty", b"")
    assert (cache.find("a"), cache.find("empty"), cache.find("b")) == (b"two", b"", None)


@pytest.mark.parametrize("damage", ["cut", "flip", "longer", "empty", "other"])
def test_damaged_files_are_as_if_not_there(tmp_path: Path, damage: str) -> None:
    cache = FileCache(tmp_path)
    cache.keep("a", b"x" * 1000)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[500] ^= 1
    changed = {
        "cut": content[:-1],
        "flip": content,
        "longer": content + b"x",
        "empty": b"",
        "other": b"\0" * 2000,
    }
    path.write_bytes(changed[damage])
    assert cache.find("a") is None
    cache.keep("a", b"anew")
    assert cache.find("a") == b"anew"


def test_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, max_bytes=10_000)
    for number in range(9):
        cache.keep(f"n{number}", bytes(900))
        os.utime(tmp_path / f"n{number}.cached", (number, number))
    assert cache.find("n0") is not None  # used now
    cache.keep("big", bytes(3000))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000
    assert cache.find("big") is not None
    assert cache.find("n0") is not None
    assert cache.find("n1") is None
    assert cache.find("n8") is not None
    cache.keep("huge", bytes(10_001))
    assert cache.find("huge") is None


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".", "a" * 201, "a\0", "a.b"])
def test_names_lead_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        FileCache(tmp_path).keep(name, b"")


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = FileCache(tmp_path / "file" / "views")
    cache.keep("a", b"one")
    assert cache.find("a") is None


def test_many_write_at_once(tmp_path: Path) -> None:
    caches = [FileCache(tmp_path, max_bytes=50_000) for _ in range(4)]

    def work(cache: FileCache) -> None:
        for number in range(50):
            cache.keep(f"n{number % 20}", bytes([number % 20]) * 3000)
            found = cache.find(f"n{number % 20}")
            assert found is None or found == bytes([number % 20]) * 3000

    threads = [threading.Thread(target=work, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 50_000 + 4 * 4000
    assert all(path.suffix == ".cached" for path in tmp_path.iterdir())
