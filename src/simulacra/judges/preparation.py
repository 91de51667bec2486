"""A case for the judges: the samples from comparable events, and their resampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import GROUP
from simulacra.judges.case import Case
from simulacra.judges.empty_events import empty_events
from simulacra.judges.kinds.find import KINDS, kind_of
from simulacra.judges.samples import JudgeError, Sample, compare_conditions
from simulacra.judges.shared_events import digests_of, repeated_events, shared_events
from simulacra.judges.unpacking import check_comparable, events_that_fit, sample_of
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.two_sample import of_pool
from simulacra.statistics.outliers import far_outside
from simulacra.units import alike, in_convention, response_warnings, scale_warnings
from simulacra.wording import listed, shorten

#: judges that need non-negative weights: trees, neighbours, clusters, roots of covariances
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


def prepared(
    truth: xr.Dataset,
    generated: xr.Dataset,
    train: xr.Dataset | None,
    members: Sequence[xr.Dataset],
    *,
    seed: int,
    max_events: int,
) -> Case:
    """Return the samples of :func:`~simulacra.judges.judging.judge`, ready to be judged.

    Raises
    ------
    simulacra.judges.samples.JudgeError, simulacra.events.EventsError
        if they cannot be judged, for example because a unit cannot be converted to the conventional one or that of the
        truth.
    """
    truth = in_convention(truth, "the truth")
    others = [("the generated events", generated), *((f"member {i}", one) for i, one in enumerate(members, 1))]
    if train is not None:
        others.append(("the training sample", train))
    every = [truth, *(alike(truth, in_convention(one, called), called) for called, one in others)]
    kind = KINDS[kind_of(truth)]
    widths = kind.widths(every)
    (truth, generated, *more), lacking = kind.made_alike(every)
    members, train = more[: len(members)], None if train is None else more[-1]
    warnings = check_comparable(truth, generated)
    warnings += response_warnings(truth, "the truth")
    warnings += scale_warnings(truth, generated, ("the truth", "the generated events"))
    warnings += lacking
    labels = _labels(truth, generated)
    rng = np.random.default_rng(seed)
    fit = events_that_fit(truth)
    if min(max_events, max(truth.sizes["event"], generated.sizes["event"])) > fit:
        max_events = fit
        warnings.append(
            f"Of each sample {fit:,} events are judged, chosen at random: more would not fit into the memory."
        )
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
            "The training events' conditions differ from the truth's: truth against truth does not use them."
        )
    pool = a if further is None else a.joined(further)
    warnings += far_outside(_columns(a, b), (a.index, b.index), labels, a.long_names)
    if empty := empty_events(a, b):
        warnings.append(empty)
    digests = digests_of(b)
    if repeated := repeated_events(digests):
        warnings.append(repeated)
    if GROUP in truth.data_vars and (groups := len(np.unique(truth[GROUP].values))) < truth.sizes["event"]:
        warnings.append(
            f"The truth's {truth.sizes['event']:,} events are of {groups} groups whose events are not independent: "
            "errors and p-values are too small, and truth against truth shows how much groups differ."
        )
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
        n_train=None if train is None else int(train.sizes["event"]),
        seed=seed,
        warnings=tuple(warnings),
        shared=shared_events(digests_of(a), digests).warning,
    )


def _columns(truth: Sample, generated: Sample) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the observables and conditions of both samples, by name."""
    columns = {name: (v, generated.observables[name]) for name, v in truth.observables.items()}
    return columns | {
        name: (v, generated.conditions[name]) for name, v in truth.conditions.items() if name in generated.conditions
    }


def _without_estimator(labels: Sequence[str]) -> str:
    """Return a sentence on the judges that do not accept negative weights."""
    return (
        f"Some weights of {listed(labels)} are negative. Distances of observables and of their projections, "
        "histograms, means, widths and AUCs use them unchanged, and perceptrons can be trained with them. Others "
        f"have no estimator for them and were left out: {listed(NO_ESTIMATOR)}."
    )


def _labels(truth: xr.Dataset, generated: xr.Dataset) -> tuple[str, str]:
    """Return the names of the samples: their simulators, made different if they are the same."""
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
