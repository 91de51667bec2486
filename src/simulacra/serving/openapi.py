"""The description of the service in OpenAPI: what FastAPI cannot know of bodies that it does not read itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

from simulacra.serving.answers import TYPES
from simulacra.serving.asked import Asked
from simulacra.serving.refusals import Refused
from simulacra.serving.service import Service

REFUSALS: Final = {
    400: "The request is no HTTP or no JSON",
    401: "The token is missing or wrong",
    403: "The request comes from a page of another site",
    404: "There is no such model",
    406: "None of the formats is accepted",
    408: "The body did not come in time",
    413: "The body is too large",
    415: "The body is not said to be JSON, in UTF-8 and not compressed",
    421: "The service does not answer to this host",
    422: "A value is wrong, or outside the trained range",
    429: "Too many requests of this client",
    503: "Too many requests wait",
    504: "The events were not made in time",
}
WITH_WAIT: Final = (429, 503)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the refusals of a route, for FastAPI."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"model": Refused, "description": REFUSALS[status]}
        if status in WITH_WAIT:
            found[status]["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}}
    return found


def completed(app: FastAPI, service: Service, has_token: bool) -> Callable[[], dict[str, Any]]:
    """Return the function that describes the application, completed."""
    made_once = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(made_once(), service, has_token)
        return app.openapi_schema

    return describe


def _completed(schema: dict[str, Any], service: Service, has_token: bool) -> dict[str, Any]:
    names, schemas = list(service.served), schema["components"]["schemas"]
    asked = Asked.model_json_schema(ref_template="#/components/schemas/{model}")
    asked["properties"]["number"]["maximum"] = service.limits.most_events
    schemas["Asked"] = asked
    events = schema["paths"]["/models/{name}/events"]["post"]
    events["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Asked"}}},
    }
    events["responses"]["200"] = _answer()
    for path, methods in schema["paths"].items():
        for route in methods.values():
            for parameter in route.get("parameters", ()):
                if parameter["name"] == "name":
                    parameter["schema"] |= {"enum": names}
                    parameter["example"] = names[0]
            # FastAPI describes its own answer to wrong parameters, which is not this service's.
            if "422" in route["responses"]:
                route["responses"]["422"]["content"]["application/json"]["schema"] = {
                    "$ref": "#/components/schemas/Refused"
                }
            if has_token and path != "/health":
                route["security"] = [{"token": []}]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if has_token:
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return schema


def _answer() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    variable = {
        "type": "object",
        "required": ["units", "dims", "values"],
        "properties": {
            "units": {"type": "string"},
            "dims": {"type": "array", "items": {"type": "string"}},
            "values": {"type": "array"},
        },
    }
    told = {
        "type": "object",
        "required": ["model", "number", "seed", "first_event", "settings", "warnings", "variables", "coordinates"],
        "properties": {
            "model": {"type": "string"},
            "weights_sha256": {"type": "string"},
            "number": {"type": "integer"},
            "seed": {"type": "integer"},
            "first_event": {"type": "integer"},
            "settings": {"type": "object"},
            "warnings": {"type": "array", "items": {"type": "string"}},
            "attributes": {"type": "object"},
            "coordinates": {"type": "object"},
            "variables": {"type": "object", "additionalProperties": variable},
        },
    }
    return {
        "description": "The events, in the format of the header Accept or of 'format'",
        "headers": {
            "Simulacra-Seed": {"schema": {"type": "string"}, "description": "the seed of the events"},
            "Simulacra-Warning": {"schema": {"type": "string"}, "description": "where the model extrapolates"},
        },
        "content": {
            TYPES["json"]: {"schema": told},
            TYPES["arrow"]: binary,
            TYPES["npz"]: binary,
        },
    }
