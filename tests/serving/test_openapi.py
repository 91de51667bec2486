"""The application against its own description: what schemathesis makes of it is answered as described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

import simulacra
from served_models import ask
from simulacra.serving import Limits, application

NAME = "calogan-eplus"
#: ``positive_data_acceptance`` does not apply: which conditions a model takes, and in which range, is not in the schema
#: of a body but in the answer of GET /models/{name}, so a body that satisfies the schema may be refused with 422.
EXCLUDED = ("positive_data_acceptance",)


@pytest.fixture(scope="module")
def app() -> Any:
    limits = Limits(most_requests=None, most_events=20, most_body_bytes=100_000, most_waiting=4, threads=1)
    return application([simulacra.load(NAME)], limits, allowed_hosts=("testserver", "127.0.0.1"))


@pytest.fixture(scope="module")
def described(app: Any) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


OPERATIONS = [
    ("/health", "GET"),
    ("/metrics", "GET"),
    ("/models", "GET"),
    ("/models/{name}", "GET"),
    ("/models/{name}/reference", "GET"),
    ("/models/{name}/events", "POST"),
]
QUIET = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        *((*operation, GenerationMode.POSITIVE) for operation in OPERATIONS),
        # The others take nothing that could be wrong.
        *((*operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if "{" in operation[0]),
    ],
)
def test_the_service_keeps_to_its_description(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    operation = described[path][method]
    excluded = [check for check in CHECKS.get_all() if check.__name__ in EXCLUDED]

    @settings(QUIET, max_examples=150 if method == "POST" else 20)
    @given(case=operation.as_strategy(generation_mode=mode))
    def kept(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    kept()


def test_the_description_is_complete(app: Any) -> None:
    described = ask(app, "GET", "/openapi.json").json()
    assert [(path, method.upper()) for path, methods in described["paths"].items() for method in methods] == OPERATIONS
    events = described["paths"]["/models/{name}/events"]["post"]
    assert " ".join(sorted(events["responses"])) == "200 400 401 403 404 406 408 413 415 421 422 429 503 504"
    assert len(events["responses"]["200"]["content"]) == 3
    asked = described["components"]["schemas"]["Asked"]
    assert asked["properties"]["number"]["maximum"] == 20
    assert asked["examples"]
    assert set(described["components"]["schemas"]) >= {"Asked", "Refused", "DescribedModel"}
    for methods in described["paths"].values():
        for route in methods.values():
            for status, answer in route["responses"].items():
                if status != "200":
                    content = answer["content"]["application/json"]["schema"]
                    assert content == {"$ref": "#/components/schemas/Refused"}
