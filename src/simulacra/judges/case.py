"""The input of a judge, and the interface of a judge in the panel."""

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
    """What the scans need from a generator."""

    @property
    def trained_range(self) -> Mapping[str, tuple[float, float]]:
        """The trained range (low, high) of each condition."""

    def sample(self, n: int, *, seed: int | None = None, fixed_noise: bool = False, **conditions: Any) -> xr.Dataset:
        """Return ``n`` events; with ``fixed_noise`` all with the same noise, so that only the conditions differ."""


@dataclass(frozen=True)
class Case:
    """The input of the judges.

    Attributes
    ----------
    truth, generated, train, members:
        the samples.
    further:
        the training events, if they can be used as further truth.
    pool:
        the truth and that further truth.
    replicates:
        of truth and generated events, with halves of the pool.
    n_train:
        number of events that the generator was trained on, including those not used here; None if unknown.
    seed:
        of all random numbers of the judges.
    warnings:
        problems of the comparison itself.
    shared:
        the warning about events that are both in the truth and in the generated events; "" if there are none.
    generator:
        the generator itself, if given.
    held_out:
        the band left out of its training, if given.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    protocol:
        of the perceptrons.
    evidence:
        evidence from earlier judges, by name.
    tell:
        called with the steps of the current judge, and the completed share of its work.
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


#: a judge's findings, and its evidence for the report; None if there is none
Left = tuple[Iterable[Finding], Any]


@dataclass(frozen=True)
class Judge:
    """A judge of the panel.

    Attributes
    ----------
    step:
        text of the progress bar; the judge may show its own steps.
    share:
        share of the work of the whole panel.
    look:
        returns its findings, and its evidence for the report.
    leaves:
        name of its evidence.
    applies:
        whether it can judge a case.
    """

    step: str
    share: float
    look: Callable[[Case], Left]
    leaves: str = ""
    applies: Callable[[Case], bool] = lambda _case: True

    def heard(self, case: Case) -> tuple[Iterable[Finding], Case]:
        """Return its findings, and the case with its evidence."""
        findings, left = self.look(case)
        return findings, case if left is None else replace(case, evidence={**case.evidence, self.leaves: left})


def unsigned(case: Case) -> bool:
    """Return whether no weight is negative; only some judges have an estimator for negative weights."""
    return not case.signed
