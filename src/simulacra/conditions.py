"""Distributions that conditions are drawn from: ``50``, ``uniform:1:100`` and ``log:1:100`` on the command line."""

from __future__ import annotations

import math
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
