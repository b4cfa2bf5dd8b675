"""What decoding processes send, read back: theirs are the hands of whoever made the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audiosearch.audio.sandbox.protocol import OpenedFile, pack_opened, unpack_opened
from audiosearch.audio.types import Fingerprint

OPENED = OpenedFile(
    fingerprint=Fingerprint(
        audio_hash=b"\0" * 32,
        codec="pcm_s16le",
        container="wav",
        sample_rate=16_000,
        channels=1,
        bit_depth=16,
    ),
    metadata={"artist": ("First", "Zoë"), "title": ("Möwen",)},
    remark=None,
    size=1,
    mtime_ns=2,
    ctime_ns=3,
)


def test_an_opened_file_comes_through_as_it_was() -> None:
    assert unpack_opened(pack_opened(OPENED)) == OPENED


@pytest.mark.parametrize(
    "metadata", [[], "x", {"title": "x"}, {"title": []}, {"title": [""]}, {"title": [1]}, None]
)
def test_metadata_of_another_form_is_refused(metadata: Any) -> None:
    content = json.loads(pack_opened(OPENED)) | {"metadata": metadata}
    with pytest.raises(TypeError, match="metadata"):
        unpack_opened(json.dumps(content).encode())
