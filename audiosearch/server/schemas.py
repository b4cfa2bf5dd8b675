"""The forms of what is sent and answered, as JSON Schema: the words of the OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from audiosearch.audio.clip import LONGEST_S
from audiosearch.config import NORMALISE_CHOICES
from audiosearch.search.filter_fields import FILTER_FIELDS, FilterField
from audiosearch.search.order import SORT_KEYS
from audiosearch.server.parameters import MOST_HITS, MOST_VALUES

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
WHOLE: Final[Schema] = {"type": "integer"}
TRUTH: Final[Schema] = {"type": "boolean"}
SECONDS: Final[Schema] = {
    "type": "number",
    "minimum": 0,
    "maximum": LONGEST_S,
    "description": "seconds",
}
ID: Final[Schema] = {"type": "integer", "minimum": 0}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def described(schema: Schema, about: str) -> Schema:
    """The same, with what it means."""
    return {**schema, "description": about}


def rows_of(schema: Schema) -> Schema:
    """A list of such things."""
    return {"type": "array", "items": schema}


def thing(fields: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has all of `fields` and may have the `optional` ones, and others later."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
    }


def only(fields: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """As `thing`, with no field beside these: the body of a request."""
    return {**thing(fields, optional=optional), "additionalProperties": False}


def named(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(
    name: str, schema: Schema, about: str, *, required: bool = False, several: bool = False
) -> Schema:
    """A parameter of a query; of `several`, it may be given more than once."""
    return {
        "name": name,
        "in": "query",
        "description": about,
        "required": required,
        "schema": {"type": "array", "items": schema, "maxItems": MOST_VALUES}
        if several
        else schema,
    }


def _filter(each: FilterField) -> Schema:
    schema: Schema = TEXT if not each.opposite else TRUTH
    return parameter(each.name, schema, each.help, several=each.several)


FILTERS: Final[Sequence[Schema]] = tuple(map(_filter, FILTER_FIELDS))
ORDER: Final[Sequence[Schema]] = (
    parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MOST_HITS}, "At most so many hits."
    ),
    parameter(
        "min-score",
        {"type": "number", "minimum": 0, "maximum": 1},
        "Leave out what scores less; 0 shows all. Without it, what the model recommends.",
    ),
    parameter("sort", {"enum": list(SORT_KEYS)}, "The best, in this order."),
    parameter("reverse", TRUTH, "The other way round."),
)
STRETCH: Final[Sequence[Schema]] = (
    parameter("start", SECONDS, "Where the stretch begins."),
    parameter("end", SECONDS, "Where it ends; without it, with the sound."),
)
NORMALISE: Final = parameter(
    "normalise", {"enum": list(NORMALISE_CHOICES)}, "How scores are made comparable."
)
_TIME: Final = r"([0-9]{1,9}(\.[0-9]{1,6})?)?"
CLIP: Final[Schema] = {"type": "string", "pattern": rf"^[0-9]{{1,18}}(@{_TIME}-{_TIME})?$"}
RECORDING: Final = parameter(
    "recording",
    CLIP,
    "A recording by its id, or a stretch of it as ID@START-END.",
    several=True,
)

_PATH: Final = {"path": TEXT}
_STRETCH_OF: Final = {"start_s": NUMBER, "end_s": NUMBER}
_FOUND: Final = {
    "rank": {"type": "integer", "minimum": 1},
    **_PATH,
    **_STRETCH_OF,
    "caption": nullable(TEXT),
    "duration_s": NUMBER,
    "recording_id": ID,
    "window_id": ID,
    "offline": TRUTH,
    "also": rows_of(TEXT),
}
_MAYBE: Final = {"path_b64": TEXT, "also_b64": rows_of(TEXT)}
WORD: Final = thing({"word": TEXT, "lift": nullable(NUMBER)}, optional={"read_as": TEXT})

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": thing({"error": TEXT, "remedy": nullable(TEXT)}),
    "Hit": thing(
        _FOUND,
        optional={
            **_MAYBE,
            "score": nullable(NUMBER),
            "cross_entropy": nullable(NUMBER),
            "lift": nullable(NUMBER),
            "similarity": NUMBER,
            "matched": rows_of(thing({"field": TEXT, "words": rows_of(TEXT)})),
            "words": rows_of(WORD),
            "clock_start": nullable(TEXT),
            "excluded": rows_of(thing({"text": TEXT, "score": NUMBER})),
            "weak": described(TRUTH, "It is no good match, and comes next after those."),
        },
    ),
    "Answer": thing(
        {
            "hits": rows_of(named("Hit")),
            "more": nullable(WHOLE),
            "remarks": rows_of(TEXT),
            "excluded": rows_of(TEXT),
            "unknown_words": rows_of(TEXT),
            "read_as": {"type": "object", "additionalProperties": TEXT},
            "corrected": {"type": "object", "additionalProperties": TEXT},
            "language": nullable(TEXT),
            "translated": nullable(TEXT),
            "weak": described(
                TRUTH,
                "The model knows no word of the question: hits match by what is written alone"
                " (names, tags, metadata).",
            ),
            "moments": TRUTH,
            "exhaustive": TRUTH,
            "windows": WHOLE,
            "candidates": WHOLE,
            "below_min_score": WHOLE,
            "device": TEXT,
            "timings": {"type": "object", "additionalProperties": NUMBER},
        },
        optional={"weaker": rows_of(named("Hit"))},
    ),
    "Descriptions": thing(
        {
            "descriptions": rows_of(
                thing(
                    {
                        **_STRETCH_OF,
                        "rank": WHOLE,
                        "caption": TEXT,
                        "score": NUMBER,
                        "cross_entropy": NUMBER,
                        "lift": NUMBER,
                        "scaled": nullable(NUMBER),
                        "source": TEXT,
                    },
                    optional={**_PATH, **_MAYBE, "words": rows_of(WORD)},
                )
            ),
            "remarks": rows_of(TEXT),
        }
    ),
    "Labels": thing(
        {
            "labels": rows_of(
                thing(
                    {
                        **_STRETCH_OF,
                        "rank": WHOLE,
                        "label": TEXT,
                        "score": NUMBER,
                        "cross_entropy": NUMBER,
                        "scaled": nullable(NUMBER),
                    },
                    optional={**_PATH, **_MAYBE},
                )
            ),
            "remarks": rows_of(TEXT),
        }
    ),
    "Status": thing(
        {
            "version": TEXT,
            "database": TEXT,
            "database_bytes": WHOLE,
            "roots": WHOLE,
            "files": {"type": "object", "additionalProperties": WHOLE},
            "failures": {"type": "object", "additionalProperties": WHOLE},
            "recordings": WHOLE,
            "hours": NUMBER,
            "captions": WHOLE,
            "bundles": rows_of(thing({"name": TEXT, "version": TEXT, "fingerprint": TEXT})),
            "watch": nullable(thing({"pid": WHOLE, "activity": TEXT})),
            "writer": nullable(WHOLE),
            "model_loaded": TRUTH,
            "questions": WHOLE,
        }
    ),
    "Roots": thing(
        {"roots": rows_of(thing({**_PATH, "files": WHOLE, "missing": WHOLE}, optional=_MAYBE))}
    ),
    "Failures": thing(
        {
            name: rows_of(
                thing(
                    {**_PATH, "code": TEXT, "reason": nullable(TEXT), "remedy": nullable(TEXT)},
                    optional=_MAYBE,
                )
            )
            for name in ("failed", "remarked")
        }
    ),
    "Retried": thing({"retried": WHOLE}),
    "Model": thing(
        {
            "name": TEXT,
            "version": TEXT,
            "licence": TEXT,
            "description": TEXT,
            "path": TEXT,
            "bytes": WHOLE,
            "fingerprint": TEXT,
            "sample_rate": WHOLE,
            "window_s": NUMBER,
            "installed": rows_of(TEXT),
        }
    ),
    "Findings": thing(
        {
            "findings": rows_of(
                thing(
                    {
                        "check": TEXT,
                        "level": {"enum": ["ok", "warning", "error"]},
                        "detail": TEXT,
                        "remedy": nullable(TEXT),
                    }
                )
            )
        }
    ),
}
