"""What the judges look at: the samples, taken from events that can be compared, and how they are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr

from simulacra.formats.binning import Binning
from simulacra.formats.jetnet import in_common
from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.samples import (
    JudgeError,
    Sample,
    check_comparable,
    compare_conditions,
    features_of,
    kind_of,
    sample_of,
)
from simulacra.judges.shared_events import repeated_events, shared_events
from simulacra.judges.slots import widths_of
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.two_sample import of_pool
from simulacra.statistics.features import Features
from simulacra.statistics.outliers import far_outside
from simulacra.units import alike, in_convention, response_warnings, scale_warnings
from simulacra.wording import listed, shorten

#: judges that need weights which are not negative: trees, neighbours, clusters, covariances' roots
NO_ESTIMATOR: Final = (
    "boosted trees",
    "Frechet and kernel distances",
    "precision, recall, density and coverage",
    "correlations",
    "where it fails",
    "weights from a classifier",
    "modes and diversity",
    "memorisation",
    "statistical power",
    "ensembles",
)
_SPELLED: Final = {"geant4": "Geant4", "pythia": "Pythia", "pythia8": "Pythia 8"}


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
        number of training events, also of those that were not taken.
    geometry:
        the detector of showers.
    shared:
        the warning about events that stand in truth and generated events; "" if there are none.
    """

    truth: Sample
    generated: Sample
    train: Sample | None
    members: tuple[Sample, ...]
    further: Sample | None
    pool: Sample
    replicates: Replicates
    n_train: int
    seed: int
    geometry: CalorimeterGeometry | None = None
    warnings: tuple[str, ...] = field(default=())
    shared: str = ""

    def rng(self, stream: str) -> np.random.Generator:
        """Return the random numbers of one judge."""
        return np.random.default_rng([self.seed, *stream.encode()])

    @property
    def signed(self) -> bool:
        """Whether an event of any sample has a negative weight."""
        return any(sample.signed for sample in (self.generated, self.pool, *self.members))

    @cached_property
    def features(self) -> Features:
        """The observables and conditions of truth and generated events, on the truth's scale."""
        return features_of(self.truth, self.generated)


def prepared(
    truth: xr.Dataset,
    generated: xr.Dataset,
    train: xr.Dataset | None,
    members: Sequence[xr.Dataset],
    *,
    seed: int,
    max_events: int,
) -> Case:
    """Return the samples that :func:`~simulacra.judges.judging.judge` is given, ready to be judged.

    Raises
    ------
    simulacra.judges.samples.JudgeError, simulacra.events.EventsError
        if they cannot be judged; a unit that does not convert to that of the conventions, or of the truth, is among it.
    """
    truth = in_convention(truth, "the truth")
    others = [("the generated events", generated), *((f"member {i}", one) for i, one in enumerate(members, 1))]
    if train is not None:
        others.append(("the training sample", train))
    every = [truth, *(alike(truth, in_convention(one, called), called) for called, one in others)]
    (truth, generated, *more), lacking = _jets_in_common([_with_geometry(events) for events in every])
    members, train = more[: len(members)], None if train is None else more[-1]
    warnings = check_comparable(truth, generated)
    warnings += response_warnings(truth, "the truth")
    warnings += scale_warnings(truth, generated, ("the truth", "the generated events"))
    if lacking:
        warnings.append(
            f"Judged without {listed(lacking)} of the jets, which some of the samples do not hold: only what can be "
            "computed from the particles is compared."
        )
    labels = _labels(truth, generated)
    rng = np.random.default_rng(seed)
    widths = widths_of(every) if kind_of(truth) == "arrays" else {}
    a = sample_of(truth, labels[0], most_events=max_events, rng=rng, widths=widths)
    b = sample_of(generated, labels[1], most_events=max_events, rng=rng, widths=widths)
    c = None
    if train is not None:
        _check(truth, train, "the training sample")
        c = sample_of(train, f"{labels[0]}, training part", most_events=max_events, rng=rng, widths=widths)
    drawn = []
    for number, events in enumerate(members, 1):
        _check(truth, events, f"member {number}")
        drawn.append(sample_of(events, f"{labels[1]}, member {number}", most_events=max_events, rng=rng, widths=widths))
    warnings += compare_conditions(a, b)
    further = c
    if c is not None and compare_conditions(a, c):
        further = None
        warnings.append(
            "The training events' conditions differ from the truth's: truth against truth goes without them."
        )
    pool = a if further is None else a.joined(further)
    warnings += far_outside(_columns(a, b), (a.index, b.index), labels, a.long_names)
    if repeated := repeated_events(b):
        warnings.append(repeated)
    if signed := [sample.label for sample in (a, b) if sample.signed]:
        warnings.append(_without_estimator(signed))
    replicates = Replicates.draw(a.weights, b.weights, rng)
    return Case(
        truth=a,
        generated=b,
        train=c,
        members=tuple(drawn),
        further=further,
        pool=pool,
        replicates=replicates if pool is a else of_pool(replicates, pool.weights, rng),
        n_train=0 if train is None else int(train.sizes["event"]),
        seed=seed,
        geometry=CalorimeterGeometry.from_events(truth) if a.kind == "showers" else None,
        warnings=tuple(warnings),
        shared=shared_events(a, b).warning,
    )


def _columns(truth: Sample, generated: Sample) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the observables and conditions that both samples have, by name."""
    columns = {name: (v, generated.observables[name]) for name, v in truth.observables.items()}
    return columns | {
        name: (v, generated.conditions[name]) for name, v in truth.conditions.items() if name in generated.conditions
    }


def _without_estimator(labels: Sequence[str]) -> str:
    """Return which judges do not look where weights are negative."""
    return (
        f"Some weights of {listed(labels)} are negative. Distances of observables and of their projections, "
        "histograms, means, widths and AUCs take them as they are, and perceptrons learn with them. These have no "
        f"estimator for them and did not look: {listed(NO_ESTIMATOR)}."
    )


def _labels(truth: xr.Dataset, generated: xr.Dataset) -> tuple[str, str]:
    """Return what the samples are called: their simulators, told apart if they are the same."""
    first, second = (
        _SPELLED.get(simulator := str(events.attrs.get("simulator", "")), simulator).removeprefix("simulacra ") or name
        for events, name in ((truth, "truth"), (generated, "generated"))
    )
    if first == second:
        particles = [str(events.attrs.get("particle", "")) for events in (truth, generated)]
        if particles[0] == particles[1]:
            particles = ["(truth)", "(judged)"]
        first, second = f"{first} {particles[0]}".strip(), f"{second} {particles[1]}".strip()
    return shorten(first), shorten(second)


def _check(truth: xr.Dataset, events: xr.Dataset, what: str) -> None:
    """Refuse a further sample that cannot be compared with the truth, by its name."""
    try:
        check_comparable(truth, events)
    except JudgeError as error:
        raise JudgeError(f"{what}: {error}") from error


def _with_geometry(events: xr.Dataset) -> xr.Dataset:
    """Return showers of a binning whose detector is not known (the CaloChallenge's dataset 1) with the binning's cells.

    What the judges need to know of a detector is where its cells are; its materials are called unknown.
    """
    if "shower" not in events.data_vars or "geometry" in events.attrs or "binning" not in events.attrs:
        return events
    binning = Binning.model_validate_json(str(events.attrs["binning"]))
    layers = [layer for layer in binning.layers if layer.n_voxels]
    unknown = {"material": "unknown", "thickness": 1.0}
    geometry = CalorimeterGeometry.model_validate(
        {
            "name": binning.name,
            "description": f"the voxels of the binning '{binning.name}', of a detector that is not known",
            "kind": "cylindrical",
            "lateral_size": 2 * max(layer.r_edges[-1] for layer in layers),
            "absorber": unknown,
            "active": unknown,
            "sections": [
                {"name": f"layer_{one.id}", "layers": 1, "r_edges": one.r_edges, "alpha_bins": one.alpha_bins}
                for one in layers
            ],
        }
    )
    return events.assign_attrs(geometry=geometry.to_json())


def _jets_in_common(samples: Sequence[xr.Dataset]) -> tuple[list[xr.Dataset], tuple[str, ...]]:
    """Return jets without the variables of a jet that any of the samples lacks, and these; other events as they are."""
    lacking: dict[str, None] = {}
    for other in samples[1:]:
        lacking |= dict.fromkeys(in_common(samples[0], other)[2])
    return [events.drop_vars(list(lacking), errors="ignore") for events in samples], tuple(lacking)
