"""Distributions that conditions are drawn from (``50``, ``uniform:1:100``, ``log:1:100``), and bands of conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Distribution:
    """A fixed value (``low`` = ``high``), or uniform in the value or in its logarithm between ``low`` and ``high``."""

    kind: Literal["fixed", "uniform", "log"]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"bounds must be finite, not {self.low} and {self.high}")
        if self.low > self.high:
            raise ValueError(f"the lower bound {self.low:g} is above the upper bound {self.high:g}")
        if self.kind == "log" and self.low <= 0:
            raise ValueError(f"a log-uniform distribution needs a lower bound above 0, not {self.low:g}")
        if self.kind == "fixed" and self.low != self.high:
            raise ValueError(f"a fixed value has one bound, not {self.low:g} and {self.high:g}")

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Read ``50``, ``uniform:1:100`` or ``log:1:100``.

        Raises
        ------
        ValueError
            with the three forms, if ``text`` is none of them.
        """
        parts = text.split(":")
        try:
            if len(parts) == 1:
                return cls("fixed", float(parts[0]), float(parts[0]))
            if len(parts) == 3 and parts[0] in ("uniform", "log"):
                return cls("uniform" if parts[0] == "uniform" else "log", float(parts[1]), float(parts[2]))
        except ValueError as error:
            if "could not convert" not in str(error):
                raise ValueError(f"'{text}': {error}") from None
        raise ValueError(f"'{text}' is neither a number (50), nor uniform:LOW:HIGH, nor log:LOW:HIGH")

    def __str__(self) -> str:
        return f"{self.low:g}" if self.kind == "fixed" else f"{self.kind}:{self.low:g}:{self.high:g}"

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return ``n`` draws, (n,) float64."""
        if self.kind == "fixed":
            return np.full(n, self.low)
        u = rng.random(n)
        if self.kind == "uniform":
            return self.low + (self.high - self.low) * u
        return self.low * (self.high / self.low) ** u


@dataclass(frozen=True)
class Band:
    """A range of a condition, both ends in it."""

    condition: str
    low: float
    high: float

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Return which values of the condition, (N,), lie in the band."""
        return np.asarray((values >= self.low) & (values <= self.high))

    def __str__(self) -> str:
        return f"{self.condition}:{self.low:g}:{self.high:g}"


def band_of(text: str, conditions: Sequence[str]) -> Band:
    """Return the band that "energy:30:50" means among conditions; a part of a name is enough if it is unique.

    Raises
    ------
    ValueError
        saying what is wrong, and what is possible.
    """
    form = "give CONDITION:LOW:HIGH, such as incident_energy:30:50"
    parts = text.split(":")
    if len(parts) != 3 or not all(part.strip() for part in parts):
        raise ValueError(f"'{text}' is no band of a condition: {form}")
    name = parts[0].strip()
    try:
        low, high = float(parts[1]), float(parts[2])
    except ValueError:
        raise ValueError(f"'{text}' is no band of a condition: its ends must be numbers; {form}") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"the band '{text}' must have finite ends, the lower one first")
    fitting = [condition for condition in conditions if condition == name]
    fitting = fitting or [condition for condition in conditions if name in condition]
    listed = ", ".join(conditions) or "none"
    if not fitting:
        raise ValueError(f"the events have no condition '{name}'; their conditions are: {listed}")
    if len(fitting) > 1:
        raise ValueError(f"'{name}' may be {' or '.join(fitting)}: give more of its name")
    return Band(fitting[0], low, high)
