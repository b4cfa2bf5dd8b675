"""The OpenAPI 3.1 description of the API, made of the routes and what each family says of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.routing import BaseRoute, Route

from audiosearch import __version__
from audiosearch.server.guard import MOST_SOUND
from audiosearch.server.schemas import SCHEMAS, Schema, named

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_PATH_FORMS: Final = {"{id}": {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1}}
# What any request may be answered with, and what it means; the guard's own among them.
_REFUSALS: Final = {
    400: "A value is wrong: which, and what is meant.",
    401: "The token of the library is not shown.",
    403: "Another page asks, or it is asked by another name.",
    404: "There is nothing of this name or id.",
    405: "It cannot be asked in this way.",
    408: "The body came too slowly.",
    409: "Another process writes to the library: it is named.",
    413: "The body is too long.",
    414: "The address is too long.",
    415: "A body is JSON or a sound, and says so.",
    431: "There are too many headers, or too long ones.",
    500: "A mistake of this program.",
    503: "Too many ask, or the library cannot be read.",
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a family of routes says of one of its handlers.

    Attributes:
        parameters: of the query.
        reply: the form of the answer, where it is JSON; None: any.
        replies: the types of answers that are not JSON.
        body: the form of the body that PUT or POST takes, where it is JSON.
        takes_sound: POST takes a sound.
    """

    parameters: Sequence[Schema] = ()
    reply: Schema | None = None
    replies: Sequence[str] = ()
    body: Schema | None = None
    takes_sound: bool = False
    statuses: Mapping[int, str] = field(default_factory=lambda: {200: "The answer."})


Operations = Mapping[Callable[..., Any], Operation]


def describe_api(
    routes: Iterable[BaseRoute], operations: Operations, *, schemas: Mapping[str, Schema] = SCHEMAS
) -> dict[str, Any]:
    """The whole description.

    Args:
        routes: of the API; their handlers' first sentences are the summaries.
        operations: what is said of handlers; others are described by their route alone.
        schemas: the forms that operations name.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        assert isinstance(route, Route)
        methods = sorted((route.methods or set()) - {"HEAD"})
        operation = operations.get(route.endpoint, Operation())
        item = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        for method in methods:
            item[method.lower()] = _described(route, method, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "audiosearch",
            "version": __version__,
            "description": "A searchable library of sound on a person's own machine. "
            "Numbers are those that the commands print with --json, digit by digit.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(schemas),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _described(route: Route, method: str, operation: Operation) -> dict[str, Any]:
    summary = (inspect.getdoc(route.endpoint) or route.name).partition("\n")[0]
    described: dict[str, Any] = {
        "operationId": f"{route.name}-{method.lower()}",
        "summary": summary,
        "parameters": [*_in_path(route), *_in_query(operation, method)],
        "responses": _responses(operation),
    }
    content: dict[str, Any] = {}
    if operation.body is not None and method in ("POST", "PUT"):
        content["application/json"] = {"schema": operation.body}
    if operation.takes_sound and method == "POST":
        # OpenAPI 3.1 says of bytes nothing but their type.
        sound = {"schema": {"maxLength": MOST_SOUND}}
        content |= {"application/octet-stream": sound, "audio/wav": sound}
    if content:
        described["requestBody"] = {"required": True, "content": content}
    return described


def _in_path(route: Route) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PATH_FORMS.get(f"{{{name}}}", {"type": "string", "minLength": 1}),
        }
        for name in _PARAMETER.findall(route.path)
    ]


def _in_query(operation: Operation, method: str) -> list[Schema]:
    if not operation.takes_sound:
        return list(operation.parameters)
    if method == "POST":  # the body is the sound
        return [each for each in operation.parameters if each["name"] not in ("recording", "like")]
    return [
        {**each, "required": each["required"] or each["name"] == "recording"}
        for each in operation.parameters
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {kind: {} for kind in operation.replies}
    if operation.reply is not None or not content:
        content["application/json"] = {"schema": operation.reply or {}}
    found = {
        str(status): {"description": about, "content": content}
        for status, about in operation.statuses.items()
    }
    error = {"application/json": {"schema": named("Error")}}
    refusals = {
        str(status): {"description": about, "content": error}
        for status, about in _REFUSALS.items()
        if status not in operation.statuses
    }
    return found | refusals
