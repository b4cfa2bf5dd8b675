"""The Acoustic Objects Exchange Format of soundevent: recordings, clips and what is heard in them.

Its reader drops in silence what is not referred to, so every list is complete; ids are derived
from what they stand for, so that the same answer gives the same file.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from audiosearch.errors import QueryError
from audiosearch.exchange.annotations import label_text
from audiosearch.exchange.stretches import LabelledStretch, by_recording

VERSION = "1.1.0"
_SPACE = uuid.UUID("5b0b3f5e-6d0a-4d4b-9a6f-6b8f5e0a2c11")  # of ids made here
_TERM = "soundevent:sound_event"  # under which labels are kept


def annotation_set(stretches: Sequence[LabelledStretch], *, name: str, created: datetime) -> str:
    """An annotation set as JSON: a clip for each recording, whole, with all its stretches.

    Raises:
        QueryError: nothing tells how long a recording is, its rate or its channels; or its path
            is no text.
    """
    labels = list(dict.fromkeys(label_text(each.label) for each in stretches))
    tags = {label: number for number, label in enumerate(labels)}
    recordings, clips, events, annotations, of_clips = [], [], [], [], []
    for path, some in by_recording(stretches).items():
        recording = _recording(path, some)
        of_recording = str(recording["uuid"])
        clip = _id("clip", of_recording)
        listed = []
        for number, each in enumerate(some):
            key = (of_recording, str(number), repr(each.start_s), repr(each.end_s), each.label)
            event, annotation = _id("event", *key), _id("annotation", *key)
            features = {} if each.score is None else {"score": each.score}
            events.append(
                {
                    "uuid": event,
                    "recording": of_recording,
                    "geometry": _geometry(each),
                    **({"features": features} if features else {}),
                }
            )
            annotations.append(
                {
                    "uuid": annotation,
                    "sound_event": event,
                    "tags": [tags[label_text(each.label)]],
                    "created_on": created.isoformat(),
                }
            )
            listed.append(annotation)
        recordings.append(recording)
        duration_s = recording["duration"]
        clips.append(
            {"uuid": clip, "recording": of_recording, "start_time": 0.0, "end_time": duration_s}
        )
        of_clips.append(
            {
                "uuid": _id("clip annotation", of_recording),
                "clip": clip,
                "sound_events": listed,
                "created_on": created.isoformat(),
            }
        )
    content = {
        "uuid": _id("set", name, created.isoformat(), *(str(each["uuid"]) for each in annotations)),
        "collection_type": "annotation_set",
        "name": name,
        "created_on": created.isoformat(),
        "tags": [{"id": number, "key": _TERM, "value": label} for label, number in tags.items()],
        "recordings": recordings,
        "clips": clips,
        "sound_events": events,
        "sound_event_annotations": annotations,
        "clip_annotations": of_clips,
    }
    document = {"version": VERSION, "created_on": created.isoformat(), "data": content}
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False) + "\n"


def now() -> datetime:
    """The time as the format has it: without a zone, UTC, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _recording(path: bytes, stretches: Sequence[LabelledStretch]) -> dict[str, object]:
    facts = stretches[0].facts
    if facts.sample_rate is None or facts.channels is None or facts.duration_s is None:
        raise QueryError(
            "nothing tells its length, rate and channels, which this format needs",
            path=path,
            remedy="is the file there, or in the library? audiosearch info FILE",
        )
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        raise QueryError(
            "a name that is no UTF-8, which this format cannot hold",
            path=path,
            remedy="rename it, or export csv",
        ) from None
    longest = max(each.end_s for each in stretches)
    return {
        "uuid": _id("recording", text),
        "path": text,
        "duration": max(facts.duration_s, longest),
        "channels": facts.channels,
        "samplerate": facts.sample_rate,
    }


def _geometry(stretch: LabelledStretch) -> dict[str, object]:
    if stretch.low_hz is not None and stretch.high_hz is not None:
        box = [stretch.start_s, stretch.low_hz, stretch.end_s, stretch.high_hz]
        return {"type": "BoundingBox", "coordinates": box}
    return {"type": "TimeInterval", "coordinates": [stretch.start_s, stretch.end_s]}


def _id(*parts: str) -> str:
    key = "\0".join(os.fsencode(part).decode("utf-8", "backslashreplace") for part in parts)
    return str(uuid.uuid5(_SPACE, key))
