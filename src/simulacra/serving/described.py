"""What a service says of its models: conditions with their ranges, variables, and the limits of a request."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field

from simulacra.serving.reference import Reference
from simulacra.serving.served import Served


class Listed(BaseModel):
    """A model in the list."""

    name: Annotated[str, Field(examples=["calo-eplus"])]
    system: Annotated[str, Field(description="what kind of model it is", examples=["showerflow"])]
    conditions: list[str]
    variables: list[str]


class ListedModels(BaseModel):
    """The models of a service."""

    models: list[Listed]


class Health(BaseModel):
    """The state of a service."""

    status: Annotated[str, Field(examples=["ok"])]
    version: Annotated[str, Field(description="of simulacra", examples=["0.1.0"])]
    waiting: Annotated[int, Field(description="requests that wait for their events")]


class DescribedCondition(BaseModel):
    """A condition."""

    name: str
    long_name: str
    units: str
    kind: Annotated[str, Field(description="float, integer, choice or empirical")]
    low: Annotated[float, Field(description="the lowest trained value")]
    high: Annotated[float, Field(description="the highest trained value")]
    positive: bool
    choices: list[str]
    decides: Annotated[bool, Field(description="whether others follow it where they are not asked for")]
    default: Annotated[str, Field(description="the distribution in the training sample")]


class DescribedVariable(BaseModel):
    """A variable of the events."""

    name: str
    long_name: str
    units: str
    role: str
    dims: list[str]
    shape: Annotated[list[int], Field(description="of one event")]
    dtype: str


class DescribedModel(BaseModel):
    """A model with all that a request needs to know."""

    name: str
    system: str
    version: Annotated[str, Field(description="of simulacra")]
    weights_sha256: str
    conditions: list[DescribedCondition]
    variables: list[DescribedVariable]
    coordinates: Annotated[dict[str, list[float]], Field(description="positions that all events share, by dimension")]
    attributes: Annotated[dict[str, Any], Field(description="of all events, such as a calorimeter's geometry")]
    reference: Annotated[str | None, Field(description="the shipped sample of the simulation that it stands in for")]
    shared_evaluation: Annotated[bool, Field(description="whether requests that wait are evaluated together")]
    most_events: Annotated[int, Field(description="of one request")]


def listed(served: Served) -> Listed:
    """Return a model's line in the list."""
    by_event = [str(name) for name in served.template.data_vars]
    conditions = list(served.generator.trained_range)
    variables = [name for name in by_event if name not in conditions]
    return Listed(name=served.name, system=served.generator.kind, conditions=conditions, variables=variables)


def described(served: Served, reference: Reference | None, version: str) -> DescribedModel:
    """Return all that a request needs to know of a model."""
    trained = served.generator.conditions
    conditions = [
        DescribedCondition(
            name=name,
            long_name=one.long_name,
            units=one.units,
            kind=one.kind,
            low=trained.ranges[name][0],
            high=trained.ranges[name][1],
            positive=one.positive,
            choices=list(one.choices),
            decides=one.decides,
            default=trained.default(name),
        )
        for name, one in trained.declared.items()
    ]
    variables = [
        DescribedVariable(
            name=str(name),
            long_name=str(one.attrs.get("long_name", "")),
            units=str(one.attrs.get("units", "1")),
            role=str(one.attrs.get("role", "")),
            dims=[str(dim) for dim in one.dims],
            shape=list(one.shape[1:]),
            dtype=str(one.dtype),
        )
        for name, one in served.template.data_vars.items()
    ]
    return DescribedModel(
        name=served.name,
        system=served.generator.kind,
        version=version,
        weights_sha256=served.generator.weights_sha256,
        conditions=conditions,
        variables=variables,
        coordinates={name: [float(x) for x in array] for name, array in served.coordinates.items()},
        attributes={name: _read(value) for name, value in served.attributes.items()},
        reference=reference.name if reference else None,
        shared_evaluation=served.shares,
        most_events=served.most_events,
    )


def _read(value: Any) -> Any:
    """Return an attribute that is JSON, such as a geometry, as what it says."""
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value
