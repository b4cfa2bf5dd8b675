"""Messages between two processes: the same values come out, and nothing else ever does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.clip import ClipRange
from audiosearch.config import IndexConfig, ModelConfig, SearchConfig
from audiosearch.search.filters import ClockFilter, DateSpan, Filters
from audiosearch.search.results import (
    CaptionFit,
    Description,
    FindResult,
    Hit,
    MomentOptions,
    SoundQuery,
    TextQuery,
    Word,
)
from audiosearch.server.codec import MalformedMessage, from_json, to_json
from audiosearch.server.messages import (
    DescribeEnd,
    DescribeQuestion,
    Descriptions,
    FileSeen,
    FindQuestion,
    FoundEnd,
    Hits,
    Settings,
    SimilarQuestion,
    Wait,
    Welcome,
)

SETTINGS = Settings(model=ModelConfig(), index=IndexConfig(), search=SearchConfig(limit=3))
SEEN = FileSeen(inode=1 << 60, size=0, mtime_ns=-5)
FILTERS = Filters(
    folders=(Path("/a\udcff/b"),),
    since=1.5,
    tags=("x", "y"),
    names=("*.w\udcff",),
    sample_rate=(44_100.0, None),
    peak_db=(None, -0.1),
    online=False,
)
CLIP = ClipRange(path=b"/s/\xff\n.wav", start_s=0.1, end_s=None)
HIT = Hit(
    rank=1,
    path=b"/\xff\x00 \n",
    start_s=0.0,
    end_s=1 / 3,
    duration_s=1e-320,
    recording_id=7,
    window_id=9,
    score=0.1 + 0.2,
    words=(Word(text="dög", lift=-1.5), Word(text="zorp", lift=None)),
)
FIT = CaptionFit(
    rank=0, text="a", score=1.0, cross_entropy=2.0, lift=3.0, scaled=None, source="model"
)
MESSAGES = (
    Welcome(pid=1, proof="", challenge="x"),
    Wait(begun=False, after_s=2.0),
    FindQuestion(
        settings=SETTINGS, query=TextQuery(text="a \udcff 🐶\x00", filters=FILTERS, limit=None)
    ),
    FindQuestion(
        settings=SETTINGS,
        query=TextQuery(
            text="a dog",
            moments=MomentOptions(by_time=True, per_file=3),
            recorded=ClockFilter(
                between_s=(79_200.0, 18_000.0),
                dates=(DateSpan(first="2026-05-01", last="2026-05-03"),),
            ),
            without=("rain",),
            like=(CLIP,),
            like_weight=0.25,
        ),
        seen=(SEEN,),
    ),
    SimilarQuestion(
        settings=SETTINGS,
        clips=(CLIP,),
        seen=(SEEN,),
        include_self=True,
        filters=FILTERS,
        limit=4,
        min_similarity=0.5,
        sort="date",
        reverse=True,
    ),
    DescribeQuestion(
        settings=SETTINGS, clip=CLIP, seen=SEEN, limit=0, normalise="lift", explain=True
    ),
    Hits(rows=(HIT,)),
    Descriptions(rows=(Description(start_s=0.0, end_s=10.0, captions=(FIT,)),)),
    FoundEnd(
        result=FindResult(
            hits=(),
            unknown_words=("zorp",),
            exhaustive=True,
            n_windows=3,
            n_candidates=2,
            timings={"words": 0.25, "hits": 1e-9},
        ),
        device="cpu",
        remarks=("one", "two"),
    ),
    DescribeEnd(remarks=()),
)
KINDS = list(dict.fromkeys(type(message) for message in MESSAGES))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_goes_in_comes_out(message: object) -> None:
    assert from_json(to_json(message), KINDS) == message


def test_the_order_of_stages_is_kept() -> None:
    [end] = [message for message in MESSAGES if isinstance(message, FoundEnd)]
    assert list(from_json(to_json(end), KINDS).result.timings) == ["words", "hits"]


@given(st.floats(allow_nan=False), st.text(), st.binary())
def test_floats_texts_and_bytes_are_exact(number: float, text: str, path: bytes) -> None:
    word = Word(text=text, lift=number)
    assert from_json(to_json(word), [Word]) == word
    clip = ClipRange(path=path, start_s=number)
    assert from_json(to_json(clip), [ClipRange]) == clip


@given(st.binary() | st.text().map(str.encode))
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        from_json(content, KINDS)


def _changed(**changes: object) -> bytes:
    name, fields = json.loads(to_json(Word(text="dog", lift=1.0)))
    return json.dumps([name, {**fields, **changes}]).encode()


@pytest.mark.parametrize(
    "content",
    [
        _changed(text=3),
        _changed(text=None),
        _changed(lift="1.0"),
        _changed(lift=True),
        _changed(more=1),
        b'["Word",{"text":"dog"}]',
        b'["Word",["dog",1.0]]',
        b'["Hit",{}]',
        b'["builtins.eval",{}]',
        b"[" * 100_000,
        b'["Word",' + b"[" * 100_000,
    ],
)
def test_another_form_than_declared_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        from_json(content, [Word])


def test_a_message_of_a_kind_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        from_json(to_json(Word(text="dog", lift=1.0)), [Wait, Welcome])


def test_arrays_have_no_form() -> None:
    with pytest.raises(TypeError):
        to_json(SoundQuery(embeddings=object()))  # type: ignore[arg-type]
