"""The two samples of a row of the table: Geant4's showers, and a generator's at the same conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from benchmarks.showers import refined
from benchmarks.showers.models import Entry, located
from benchmarks.showers.truth import Sources, pair

from simulacra.judges.samples import Sample, compare_conditions
from simulacra.judges.unpacking import sample_of
from simulacra.trained import TrainedGenerator, load


@dataclass(frozen=True)
class Job:
    """The input of a stage: a model, the truth, and settings of the comparison.

    Attributes
    ----------
    seed:
        of the noise, the folds and the classifiers: the same for all models.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    """

    entry: Entry
    sources: Sources
    seed: int
    cell_threshold: float


@dataclass(frozen=True)
class Samples:
    """Truth and generated showers, and warnings about their comparison."""

    truth: Sample
    generated: Sample
    warnings: tuple[str, ...]


def drawn(job: Job) -> Samples:
    """Return the samples of a row, of equal sizes.

    Raises
    ------
    ValueError
        if the truth lacks a condition of the generator.
    """
    if job.entry.weights is None:
        truth, generated, _ = pair(job.sources)
        n = min(truth.sizes["event"], generated.sizes["event"])
        truth, generated = truth.isel(event=slice(n)), generated.isel(event=slice(n))
    else:
        truth = job.sources.events()
        generated = generate(job.entry, truth, job.seed)
    rng = np.random.default_rng(job.seed)
    a, b = (
        sample_of(events, label, most_events=events.sizes["event"], rng=rng)
        for events, label in ((truth, "Geant4"), (generated, job.entry.label))
    )
    return Samples(a, b, tuple(compare_conditions(a, b)))


def generate(entry: Entry, truth: xr.Dataset, seed: int) -> xr.Dataset:
    """Return a generator's showers at the truth's conditions, with weights if it is refined."""
    generator = load_entry(entry)
    lacking = [name for name in generator.trained_range if name not in truth]
    if lacking:
        raise ValueError(f"'{entry.name}' takes the conditions {lacking}, which the truth does not hold")
    conditions = {name: truth[name].values for name in generator.trained_range}
    events = generator.sample(truth.sizes["event"], seed=seed, exact=True, **conditions)
    if entry.refiner is None:
        return events
    return refined.with_weights(events, refined.load_refiner(entry.refiner, generator))


def load_entry(entry: Entry) -> TrainedGenerator:
    """Return the generator of an entry with an existing file."""
    path = located(entry.weights or "")
    if path is None:
        raise ValueError(f"there is no model '{entry.weights}' for '{entry.name}'")
    return load(path)
