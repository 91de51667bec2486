"""Refused requests: what is wrong, where, and what to do, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulacra.errors import printable

#: longest text in an answer about an error [characters]
LONGEST: Final = 400


class Refused(BaseModel):
    """The answer to a request that is refused."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[int, Field(ge=400, le=599, examples=[422], description="the answer's status")]
    what: Annotated[str, Field(description="what is wrong", examples=["Input should be greater than or equal to 1"])]
    where: Annotated[str, Field(description="the part of the request", examples=["body: number"])]
    what_to_do: Annotated[str, Field(description="what to do", examples=["ask for 1 to 10000 events"])]


class RefusalError(Exception):
    """A request that is refused.

    Attributes
    ----------
    status:
        of HTTP.
    what, where, what_to_do:
        what is wrong, the part of the request, and the remedy.
    headers:
        of the answer.
    """

    def __init__(
        self, status: int, what: str, *, where: str, what_to_do: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.headers = status, headers or {}
        self.what, self.where, self.what_to_do = (printable(text, LONGEST) for text in (what, where, what_to_do))

    def body(self) -> bytes:
        """Return the answer's body."""
        told = Refused(status=self.status, what=self.what, where=self.where, what_to_do=self.what_to_do)
        return told.model_dump_json().encode()


def of_validation(error: ValidationError, where: str) -> RefusalError:
    """Return the refusal of a body or a query that is not what its schema says, by its first fault."""
    return of_faults([dict(fault) for fault in error.errors(include_url=False, include_context=False)], where)


def of_faults(faults: list[dict[str, Any]], where: str) -> RefusalError:
    """Return the refusal of pydantic's faults, by the first of them."""
    fault = faults[0]
    place = [str(part) for part in fault["loc"]]
    # in the words of JSON
    what = "it must be an object" if fault["type"] in ("model_type", "dict_type") else str(fault["msg"])
    if len(place) > 2 and place[0] == "conditions":
        # A value may be any of several types, and pydantic tells of each why the value is not of it.
        place, what = place[:2], "it must be a finite number, a text, or a list of either"
        what = "the list is empty: it must have a value for each event" if fault.get("input") == [] else what
    return RefusalError(
        422,
        what,
        where=": ".join([where, *([".".join(place)] if place else [])]),
        what_to_do="send what /openapi.json and GET /models/{name} say",
    )


def unexpected(number: str) -> RefusalError:
    """Return the answer to a request at which the service itself failed; ``number`` stands in the service's log."""
    return RefusalError(
        500,
        "the service failed",
        where="the service",
        what_to_do=f"tell those who run it; their log says more under {number}",
    )
