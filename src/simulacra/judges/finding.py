"""A finding: one judge's value for one observable, with its uncertainty and the value for truth against truth."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, field_validator

NonNegative = Annotated[FiniteFloat, Field(ge=0)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


class Finding(BaseModel):
    """A judge's value for an observable of generated events; no number is NaN or infinite.

    Attributes
    ----------
    judge:
        name of the judge, such as "wasserstein_distance".
    observable:
        what was judged, such as "total_energy" or "cells".
    value, uncertainty:
        in ``units``.
    truth_value, truth_uncertainty:
        for truth against truth at the sizes ``n_truth`` and ``n_generated`` (or at those in ``details``): mean and
        standard deviation over repetitions.
    p_value:
        share of truth-against-truth comparisons with at least ``value``, if known.
    region:
        the range of the conditions, "" for all of them.
    extrapolated:
        whether this range is outside the trained range.
    sentence:
        the finding in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    observable: str
    value: FiniteFloat
    uncertainty: NonNegative
    units: str = "1"
    truth_value: FiniteFloat | None = None
    truth_uncertainty: NonNegative | None = None
    p_value: Probability | None = None
    n_truth: Annotated[int, Field(ge=0)]
    n_generated: Annotated[int, Field(ge=0)]
    region: str = ""
    extrapolated: bool = False
    sentence: str
    details: dict[str, JsonValue] = {}

    @field_validator("details")
    @classmethod
    def _no_nan(cls, details: dict[str, JsonValue]) -> dict[str, JsonValue]:
        _refuse_nan(details, "details")
        return details

    @classmethod
    def of(
        cls,
        judge: str,
        observable: str,
        measured: tuple[float | None, ...],
        sizes: tuple[int, int],
        sentence: str,
        **more: Any,
    ) -> Finding:
        """Return a finding.

        Parameters
        ----------
        measured:
            value, uncertainty, truth_value, truth_uncertainty and p_value; unknown ones at the end may be left out.
        sizes:
            numbers of truth and of generated events.
        more:
            the other fields.
        """
        names = ("value", "uncertainty", "truth_value", "truth_uncertainty", "p_value")
        fields = {**dict(zip(names, measured, strict=False)), **more}
        return cls(
            judge=judge, observable=observable, n_truth=sizes[0], n_generated=sizes[1], sentence=sentence, **fields
        )

    @property
    def significance(self) -> float | None:
        """Difference of the value from truth against truth in standard deviations; None if unknown."""
        if self.truth_value is None or self.truth_uncertainty is None:
            return None
        spread = math.hypot(self.uncertainty, self.truth_uncertainty)
        return (self.value - self.truth_value) / spread if spread > 0 else 0.0


def _refuse_nan(value: Any, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} is {value}: a finding holds only finite numbers")
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nan(inner, f"{place}.{key}")
    if isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_nan(inner, f"{place}[{number}]")
