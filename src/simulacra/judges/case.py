"""What a judge looks at, and what makes it one of the panel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import xarray as xr

from simulacra.conditions import Band
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import CELL_THRESHOLD, TrainingProtocol
from simulacra.statistics.distances.divisions import Replicates


class SamplesEvents(Protocol):
    """What the scans need of a generator."""

    @property
    def trained_range(self) -> Mapping[str, tuple[float, float]]:
        """The (low, high) of each condition that it was trained on."""

    def sample(self, n: int, *, seed: int | None = None, fixed_noise: bool = False, **conditions: Any) -> xr.Dataset:
        """Return ``n`` events; with ``fixed_noise`` all with the same noise, so that only the conditions differ."""


@dataclass(frozen=True)
class Case:
    """What the judges look at.

    Attributes
    ----------
    truth, generated, train, members:
        the samples.
    further:
        the training events, if they can stand for further truth.
    pool:
        the truth and that further truth.
    replicates:
        of truth and generated events, their halves those of the pool.
    n_train:
        number of events that the generator was trained on, also of those that were not taken; None if it is not known.
    seed:
        of everything random in the judges.
    warnings:
        what is wrong with the comparison itself.
    shared:
        the warning about events that stand in truth and generated events; "" if there are none.
    generator:
        the generator itself, if it was given.
    held_out:
        the band that it was not trained on, if one was named.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    protocol:
        of the perceptrons.
    evidence:
        what the judges that looked before have left, by name.
    tell:
        is told the steps of the judge that looks, with the share of its work that is done.
    """

    truth: Sample
    generated: Sample
    train: Sample | None
    members: tuple[Sample, ...]
    further: Sample | None
    pool: Sample
    replicates: Replicates
    n_train: int | None
    seed: int
    warnings: tuple[str, ...] = ()
    shared: str = ""
    generator: SamplesEvents | None = None
    held_out: Band | None = None
    cell_threshold: float = CELL_THRESHOLD
    protocol: TrainingProtocol = "cross-validation"
    evidence: Mapping[str, Any] = field(default_factory=dict)
    tell: Progress = silent

    def rng(self, stream: str) -> np.random.Generator:
        """Return the random numbers of one judge."""
        return np.random.default_rng([self.seed, *stream.encode()])

    @property
    def signed(self) -> bool:
        """Whether an event of any sample has a negative weight."""
        return any(sample.signed for sample in (self.generated, self.pool, *self.members))


#: what a judge finds, and what it leaves for the report; None if that is nothing
Left = tuple[Iterable[Finding], Any]


@dataclass(frozen=True)
class Judge:
    """One of the panel.

    Attributes
    ----------
    step:
        what the progress bar says while it looks; it may tell steps of its own.
    share:
        of the work of a whole panel.
    look:
        returns what it finds, and what it leaves for the report.
    leaves:
        the name by which evidence is kept that it leaves.
    applies:
        whether it can look at a case.
    """

    step: str
    share: float
    look: Callable[[Case], Left]
    leaves: str = ""
    applies: Callable[[Case], bool] = lambda _case: True

    def heard(self, case: Case) -> tuple[Iterable[Finding], Case]:
        """Return what it finds, and the case with what it leaves."""
        findings, left = self.look(case)
        return findings, case if left is None else replace(case, evidence={**case.evidence, self.leaves: left})


def unsigned(case: Case) -> bool:
    """Return whether no weight is negative: only some judges have an estimator for negative ones."""
    return not case.signed
