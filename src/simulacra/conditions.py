"""Conditions: a system's declaration of each, their distributions, and bands of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

#: instead of a distribution: that of the training sample, which is stored in the model file
EMPIRICAL: Final = "empirical"
#: beyond this, double precision skips whole numbers
LARGEST_INTEGER: Final = 2**53
ConditionKind = Literal["float", "integer", "choice", "empirical"]


@dataclass(frozen=True)
class Distribution:
    """A fixed value (``low`` = ``high``), or uniform in the value or in its logarithm between ``low`` and ``high``."""

    form: Literal["fixed", "uniform", "log"]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"bounds must be finite, not {self.low} and {self.high}")
        if self.low > self.high:
            raise ValueError(f"the lower bound {self.low:g} is above the upper bound {self.high:g}")
        if self.form == "log" and self.low <= 0:
            raise ValueError(f"a log-uniform distribution needs a lower bound above 0, not {self.low:g}")
        if self.form == "fixed" and self.low != self.high:
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
        return f"{self.low:g}" if self.form == "fixed" else f"{self.form}:{self.low:g}:{self.high:g}"

    @property
    def exact(self) -> str:
        """The text that :meth:`parse` reads as the same numbers, bit for bit."""
        return repr(self.low) if self.form == "fixed" else f"{self.form}:{self.low!r}:{self.high!r}"

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return ``n`` draws, (n,) float64."""
        if self.form == "fixed":
            return np.full(n, self.low)
        u = rng.random(n)
        if self.form == "uniform":
            return self.low + (self.high - self.low) * u
        return self.low * (self.high / self.low) ** u


@dataclass(frozen=True)
class Choice:
    """Integers with equal probabilities: the positions of names in a list, or a range of integers."""

    values: Sequence[int]
    text: str

    @property
    def low(self) -> float:
        """The lowest number."""
        return float(self.values[0] if isinstance(self.values, range) else min(self.values))

    @property
    def high(self) -> float:
        """The highest number."""
        return float(self.values[-1] if isinstance(self.values, range) else max(self.values))

    def __str__(self) -> str:
        return self.text

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return ``n`` draws, (n,) float64."""
        places = rng.integers(len(self.values), size=n)
        if isinstance(self.values, range):
            return np.asarray(self.values.start + places, dtype=np.float64)
        return np.asarray(self.values, dtype=np.float64)[places]


@dataclass(frozen=True)
class Condition:
    """A system's declaration of one of its conditions.

    Attributes
    ----------
    units:
        its unit, as in the events.
    long_name:
        its description, in one line.
    kind:
        "float"; "integer"; "choice", one of ``choices``, stored in events as its position (0, 1, ...); or "empirical",
        a float that is by default distributed as in the training sample. A sample of the training events' integers,
        choices and empirical conditions is stored in the model file.
    positive:
        whether it must be above 0.
    choices:
        the names of a choice.
    decides:
        whether conditions that are not asked for follow this one when it is: they are then those of one of the 16
        training events nearest to it, and not of any. It must be positive, and is compared by its logarithm.
    """

    units: str
    long_name: str
    kind: ConditionKind = "float"
    positive: bool = False
    choices: tuple[str, ...] = ()
    decides: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(ConditionKind):
            kinds = ", ".join(get_args(ConditionKind))
            raise ValueError(f"'{self.long_name}': the kind of a condition is one of {kinds}, not {self.kind}")
        named = isinstance(self.choices, tuple | list) and all(isinstance(name, str) for name in self.choices)
        if named and (self.kind == "choice") != (len(self.choices) > 1):
            raise ValueError(f"'{self.long_name}': a choice has several names, and nothing else has any")
        # Each name must be one that can be asked for, alone or among others, and is no position.
        spelled = {name.strip().replace(" ", "_") for name in self.choices if name.isprintable()} if named else set()
        spelled = {name for name in spelled if not name.isdecimal() and "," not in name} - {"", EMPIRICAL}
        if not named or len(spelled) < len(self.choices):
            raise ValueError(
                f"'{self.long_name}': the names of a choice are a tuple of different texts of one line without commas, "
                f"none of them a number or '{EMPIRICAL}', not {self.choices!r}"
            )
        if self.decides and not (self.kind == "empirical" and self.positive):
            raise ValueError(f"'{self.long_name}': only a positive empirical condition can decide others")
        if self.kind == "choice" and self.positive:
            raise ValueError(f"'{self.long_name}': a choice cannot be positive, because its first position is 0")

    @property
    def whole(self) -> bool:
        """Whether it is an integer."""
        return self.kind in ("integer", "choice")

    def named(self, name: str) -> str:
        """Return a condition's name with its unit or its choices: "energy [GeV]", or "jet (gluon or top)"."""
        if self.kind == "choice":
            return f"{name} ({' or '.join(self.choices)})"
        return name if self.units == "1" else f"{name} [{self.units}]"

    def parse(self, text: str) -> Distribution | Choice:
        """Read the value of ``generate --condition NAME=VALUE``: a number, ``uniform:1:100`` or ``log:1:100``.

        For integers, ``uniform:2:10`` means the integers from 2 to 10. For a choice, give one or several names, as in
        ``gluon,top``, or positions.

        Raises
        ------
        ValueError
            with the possible forms, if ``text`` is none of these.
        """
        if self.kind == "choice":
            return Choice(tuple(self.place_of(name.strip()) for name in text.split(",")), text)
        drawn = Distribution.parse(text)
        if self.kind != "integer":
            return drawn
        if drawn.form == "log" or not (drawn.low.is_integer() and drawn.high.is_integer()):
            raise ValueError(f"'{text}' has numbers that are not whole: give 5, or uniform:2:10")
        if max(abs(drawn.low), abs(drawn.high)) > LARGEST_INTEGER:
            raise ValueError(f"'{text}' has whole numbers beyond 2^53")
        return Choice(range(int(drawn.low), int(drawn.high) + 1), str(drawn))

    def place_of(self, name: str) -> int:
        """Return the position of a name among the choices; a position (0, 1, ...) is also taken as it is.

        Raises
        ------
        ValueError
            with the names, if it is none of them.
        """
        if name.isdecimal() and int(name) < len(self.choices):
            return int(name)
        # As flag_meanings spells it, without spaces.
        name = next((one for one in self.choices if one.replace(" ", "_") == name), name)
        if name not in self.choices:
            raise ValueError(f"'{name}' is not one of the choices {', '.join(self.choices)}")
        return self.choices.index(name)

    @property
    def attributes(self) -> dict[str, Any]:
        """Further attributes of the variable in events: the meanings of a choice's numbers (CF conventions)."""
        if self.kind != "choice":
            return {}
        return {
            "flag_values": list(range(len(self.choices))),
            "flag_meanings": " ".join(name.replace(" ", "_") for name in self.choices),
        }


@dataclass(frozen=True)
class Band:
    """A range of a condition, including both ends."""

    condition: str
    low: float
    high: float

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Return which values of the condition, (N,), are in the band."""
        return np.asarray((values >= self.low) & (values <= self.high))

    def __str__(self) -> str:
        return f"{self.condition}:{self.low:g}:{self.high:g}"


def band_of(text: str, conditions: Sequence[str]) -> Band:
    """Return the band of a text such as "energy:30:50"; a unique part of a condition's name is enough.

    Raises
    ------
    ValueError
        with the error and the possible values.
    """
    form = "give CONDITION:LOW:HIGH, such as incident_energy:30:50"
    parts = text.split(":")
    if len(parts) != 3 or not all(part.strip() for part in parts):
        raise ValueError(f"'{text}' is not a band of a condition: {form}")
    name = parts[0].strip()
    try:
        low, high = float(parts[1]), float(parts[2])
    except ValueError:
        raise ValueError(f"'{text}' is not a band of a condition: its ends must be numbers; {form}") from None
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
