"""The description of the API is true: what it allows is answered so, the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.routing import Route

from audiosearch.server.app import API_ROUTES, OPERATIONS
from audiosearch.server.openapi import describe_api
from tests.served_library import Served

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

# A stream without an end, and an examination that takes seconds: tried in test_api.py.
LONG = ("/api/events", "/api/doctor")
PATHS = sorted(set(describe_api(API_ROUTES, OPERATIONS)["paths"]) - {*LONG})
# What is a date, a sound or an id of this library no schema can say: those are refused with 400.
NOT_TOLD = [checks.positive_data_acceptance]
EXAMPLES = 12  # of each operation


@pytest.fixture(scope="module")
def schema(served: Served) -> Any:
    """Of a server of its own: what is asked may write."""
    # The bounds of the guard, beside 400 and 404, which are expected of what breaks the schema.
    refusals = ["400", "404", "405", "413", "414", "415", "431"]
    config = schemathesis.Config.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": refusals}}}
    )
    url = f"http://127.0.0.1:{served.client.port}/openapi.json"
    return schemathesis.openapi.from_url(url, config=config)


def test_every_route_is_described(served: Served) -> None:
    described = served.client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for route in API_ROUTES:
        assert isinstance(route, Route)
        path = route.path.replace(":path", "")
        for method in (route.methods or set()) - {"HEAD"}:
            operation = described["paths"][path][method.lower()]
            assert operation["summary"].endswith(".")
    assert {each.endpoint for each in API_ROUTES} == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_the_server_does_as_it_is_described(schema: Any, path: str, mode: Any) -> None:
    """Asked as the schema allows, and in ways that it does not."""
    for method in schema[path]:
        operation = schema[path][method]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Any) -> None:
            case.call_and_validate(timeout=30, excluded_checks=NOT_TOLD)

        try:
            answered()
        except Unsatisfiable:  # nothing can be wrong about it
            assert mode is schemathesis.GenerationMode.NEGATIVE
