"""What a request for events asks for."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from simulacra.trained.generator import LAST_EVENT

#: longest name or distribution [characters]
LONGEST: Final = 200
LARGEST_SEED: Final = 2**63 - 1

Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=LONGEST)]
Value = Number | Text | Annotated[list[Number], Field(min_length=1)] | Annotated[list[Text], Field(min_length=1)]


class Asked(BaseModel):
    """Events of a model, at conditions, from a seed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={
            "examples": [
                {"number": 1, "seed": 1},
                {"number": 2, "conditions": {}, "seed": 1, "first_event": 64},
            ]
        },
    )

    number: Annotated[int, Field(ge=1, description="number of events")] = 1
    conditions: Annotated[
        dict[Text, Value],
        Field(
            max_length=64,
            description="each in its unit: a number, one number for each event, or a distribution ('log:1:100'); for "
            "a choice a name, or one for each event; others are drawn from the distribution in the training sample",
        ),
    ] = {}
    seed: Annotated[
        int | None, Field(ge=0, le=LARGEST_SEED, description="the same seed gives the same events; drawn if absent")
    ] = None
    first_event: Annotated[int, Field(ge=0, le=LAST_EVENT, description="index of the first event")] = 0
    fixed_noise: Annotated[
        bool, Field(description="give every event the same noise, so that only the conditions differ")
    ] = False
    extrapolate: Annotated[bool, Field(description="allow conditions outside the trained range, with a warning")] = (
        False
    )
