from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.config import IndexConfig, WatchConfig
from audiosearch.remote import object_store
from audiosearch.store.queries.places import Root
from audiosearch.watch.events import FolderWatch, Inbox
from audiosearch.watch.roots import WatchedRoots
from audiosearch.watch.status import WatchMode


def test_a_url_is_neither_watched_nor_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_store(url: bytes) -> object:
        raise AssertionError(f"{url!r} is asked")

    monkeypatch.setattr(object_store, "ObjectStore", no_store)
    (tmp_path / "a.wav").touch()
    here, remote = Root(1, bytes(tmp_path)), Root(2, b"s3://bucket/field")
    with FolderWatch(Inbox()) as folders:
        roots = WatchedRoots(folders, watch=WatchConfig(), index=IndexConfig())
        for now in (0.0, 10_000.0):
            roots.update([here, remote], now=now)
            first, second = roots.all
            assert first.mode.is_scanned
            assert (second.mode, second.mode.is_scanned) == (WatchMode.BY_HAND, False)
            assert second.why is not None
            assert "audiosearch index" in second.why
        roots.update([here], now=20_000.0)
        assert [each.root for each in roots.all] == [here]
