r"""The worth of generated events: the number of truth events with the same statistical power, by observable.

The generated events' deviation from the truth has a statistical part, 1 / N_generated, and the generator's floor
1 / N_model (:mod:`simulacra.statistics.model_floor`), so n generated events are worth

.. math:: N_\mathrm{equiv}(n) = \left( \frac{1}{n} + \frac{1}{N_\mathrm{model}} \right)^{-1}

truth events, and never more than N_model. The amplification factor is this number over the number of training events
(arXiv:2008.06545): above 1 the generator adds information to that of its training events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import JsonValue

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.model_floor import Deviation, Floor, deviation_from_truth, spread_of_members
from simulacra.statistics.modes.shares import shares_of
from simulacra.statistics.quantile_cells import QuantileCells, quantile_cells, unlike

JOINT: Final = 3
REPLICATES: Final = 400
NO_DEVIATION: Final = 0.05


@dataclass(frozen=True)
class Worth:
    """A number of truth events with its 68 % interval; a lower limit (at 95 %) if ``at_least``."""

    value: float
    low: float
    high: float
    at_least: bool


@dataclass(frozen=True)
class ObservablePower:
    """The worth of generated events for one observable, or for several jointly.

    Attributes
    ----------
    observable, long_name, units:
        its names; several are joined by " and ".
    cells:
        the quantiles.
    truth_share, generated_share:
        (Q,).
    deviation:
        of the generated events from the truth.
    members:
        the floor from the spread of equally trained generators, integrated and for each quantile; None without them.
    efficiency:
        effective share of the number of generated events with weights.
    n_generated:
        number of generated events.
    """

    observable: str
    long_name: str
    units: str
    cells: QuantileCells
    truth_share: np.ndarray
    generated_share: np.ndarray
    deviation: Deviation
    members: tuple[Floor, np.ndarray] | None
    efficiency: float
    n_generated: int

    @property
    def from_members(self) -> bool:
        """Whether the floor is that of the members: given, not contradicted by a larger deviation from the truth."""
        return self.members is not None and self.deviation.floor.low <= self.members[0].high

    @property
    def floor(self) -> Floor:
        """The floor, 1 / N_model."""
        return self.members[0] if self.members is not None and self.from_members else self.deviation.floor

    def worth(self, n_generated: float) -> Worth:
        """Return the number of truth events that a number of generated events is worth."""
        if not n_generated > 0:
            raise ValueError(f"{n_generated} generated events are worth nothing: give a number above 0")
        floor, own = self.floor, 1 / (n_generated * self.efficiency)
        at_least = not self.from_members and self.deviation.p_value > NO_DEVIATION
        low = 1 / (own + (floor.limit if at_least else floor.high))
        return Worth(low if at_least else 1 / (own + floor.value), low, 1 / (own + floor.low), at_least)

    def quantile_worth(self, n_generated: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the same for each quantile: value and the ends of its 68 % interval, (Q,) each."""
        own = 1 / (n_generated * self.efficiency)
        if self.members is not None and self.from_members:
            worth = 1 / (own + self.members[1])
            return worth, worth, worth
        found = self.deviation
        return 1 / (own + found.quantiles), 1 / (own + found.quantiles_high), 1 / (own + found.quantiles_low)


@dataclass(frozen=True)
class PowerEvidence:
    """The data for the chapter on statistical power.

    Attributes
    ----------
    observables:
        the observables, the worst first, without those with one value in nearly all truth events.
    joint:
        a few of them jointly; None if there are not two.
    n_train, n_truth, n_generated:
        numbers of events; ``n_train`` may be unknown.
    n_members:
        number of equally trained generators.
    """

    observables: tuple[ObservablePower, ...]
    joint: ObservablePower | None
    n_train: int | None
    n_truth: int
    n_generated: int
    n_members: int


def judge_statistical_power(
    truth: Sample,
    generated: Sample,
    n_train: int | None = None,
    *,
    members: Sequence[Sample] = (),
    rng: np.random.Generator,
) -> tuple[list[Finding], PowerEvidence]:
    """Judge the number of truth events that the generated ones are worth.

    Parameters
    ----------
    truth, generated:
        the samples, with the same distribution of the conditions.
    n_train:
        number of truth events that the generator was trained on.
    members:
        samples of at least three generators, equally trained on other events or on bootstrap samples of the training
        events; the floor is then taken from their spread, unless the truth contradicts it.
    rng:
        for truth against truth.
    """
    if n_train is not None and n_train < 1:
        raise ValueError(f"a generator cannot be trained on {n_train} events")
    names = list(truth.observables)
    found = [power for name in names if (power := _power([name], truth, generated, members)) is not None]
    found.sort(key=lambda one: -one.floor.value - 1e-6 * one.floor.limit)
    chosen = [names[i] for i in unlike(truth.columns(names), JOINT, rng)]
    joint = _power(chosen, truth, generated, members) if len(chosen) > 1 else None
    evidence = PowerEvidence(tuple(found), joint, n_train, len(truth), len(generated), len(members))
    every = [*found, *([joint] if joint is not None else [])]
    return [_finding(one, n_train, truth, generated, rng) for one in every], evidence


def _power(names: list[str], truth: Sample, generated: Sample, members: Sequence[Sample]) -> ObservablePower | None:
    def columns(sample: Sample) -> np.ndarray:
        values = sample.columns(names).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"{sample.label}: NaN or infinity in {' or '.join(names)}; leave these events out")
        return values

    cells = quantile_cells(columns(truth), truth.weights)
    if len(cells) < 2:
        return None
    sides = [shares_of(cells.index(columns(s)), s.weights, len(cells)) for s in (truth, generated, *members)]
    deviation = deviation_from_truth(sides[0], sides[1])
    spread = spread_of_members(sides[0].share, sides[2:]) if members else None
    return ObservablePower(
        " and ".join(names),
        " and ".join(truth.long_names[name] for name in names),
        truth.units[names[0]] if len(names) == 1 else "1",
        cells,
        sides[0].share,
        sides[1].share,
        deviation,
        spread,
        min(1.0, 1 / (deviation.generated_part * len(generated))),
        len(generated),
    )


def _finding(
    power: ObservablePower, n_train: int | None, truth: Sample, generated: Sample, rng: np.random.Generator
) -> Finding:
    n, found = len(generated), power.deviation
    worth, most = power.worth(n), power.worth(1e15)
    statistical = found.truth_part + found.generated_part
    drawn = rng.chisquare(found.degrees, REPLICATES)
    chance = 1 / (1 / (n * power.efficiency) + statistical * np.maximum(drawn / found.degrees - 1, 0))
    details: dict[str, JsonValue] = {
        "low": worth.low,
        "high": worth.high,
        "lower_limit": worth.at_least,
        "floor": power.floor.value,
        "floor_low": power.floor.low,
        "floor_high": power.floor.high,
        "floor_limit_95": power.floor.limit,
        "from_members": power.from_members,
        "quantiles": found.degrees + 1,
        "p_value_of": "a deviation from the truth at least as large, without an error of the generator",
    }
    if n_train is not None:
        details |= {
            "n_train": n_train,
            "amplification": worth.value / n_train,
            "amplification_low": worth.low / n_train,
            "amplification_high": worth.high / n_train,
        }
    return Finding.of(
        "statistical_power",
        power.observable,
        (worth.value, (worth.high - worth.low) / 2, float(chance.mean()), float(chance.std(ddof=1)), found.p_value),
        (len(truth), n),
        sentence_on(power, worth, most, n, n_train, truth.label, generated.label),
        units="truth events",
        details=details,
    )


def sentence_on(
    power: ObservablePower, worth: Worth, most: Worth, n: int, n_train: int | None, truth: str, generated: str
) -> str:
    """Return a sentence on the worth of generated events."""
    said = f"For {power.long_name} these {n:,} {generated} events are worth "
    if worth.at_least:
        said += (
            f"at least {rounded(worth.low)} {truth} events (95 %): no deviation is seen, and a better limit "
            "needs more truth events"
        )
    else:
        said += f"{rounded(worth.value)} ({rounded(worth.low)} to {rounded(worth.high)}) {truth} events"
    if n_train is not None:
        least = "at least " if worth.at_least else ""
        said += f", {least}{worth.value / n_train:.2g} times the {n_train:,} that the generator was trained on"
    if not worth.at_least:
        highest = f"to {rounded(most.high)}" if most.high < 1e12 else "and no upper end"
        said += f"; any number of them is worth at most {rounded(most.value)} ({rounded(most.low)} {highest})"
    return f"{said}."


def rounded(number: float) -> str:
    """Return a number of events with three digits."""
    if number >= 1e12:
        return "any number of"
    digits = max(0, int(np.floor(np.log10(max(number, 1.0)))) - 2)
    return f"{round(number, -digits):,.0f}"
