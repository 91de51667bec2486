"""Judge a reweighter on events that were used neither in its training nor in its calibration."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from simulacra.event_weights import weights_of
from simulacra.events import Part
from simulacra.models.event_classifier import EventClassifier
from simulacra.observables.clouds import cloud_observables
from simulacra.pages import Page
from simulacra.progress import Progress, silent
from simulacra.reweighting.calibration import Reliability, judge_reliability
from simulacra.reweighting.clipping import ClippedWeights, ClippingPolicy, NoClipping, clip_weights
from simulacra.reweighting.closure import Closure, Observable, judge_closure
from simulacra.reweighting.exact import ExactCheck, check_exact
from simulacra.reweighting.page import SecondClassifier, reweighting_page
from simulacra.reweighting.represented import Represented, SampleError, blocks_of, represent
from simulacra.reweighting.reweighter import Embedded, Reweighter, build
from simulacra.reweighting.second_classifier import area_between, reweighted, separate, taken
from simulacra.reweighting.support import Support, find_empty_regions
from simulacra.reweighting.trees import TreeReweighter
from simulacra.reweighting.weights_summary import WeightsSummary, summarise_weights
from simulacra.variations import variation_ratios
from simulacra.wording import listed

MOST: Final = 40_000
TREE_EVENTS: Final = 40_000


@dataclass(frozen=True)
class Judgement:
    """The result of a reweighter on events that it was not trained on.

    Attributes
    ----------
    source, target:
        what the samples are called.
    embedded, weights:
        the judged source events, and the ratio p_target / p_source of each, (N,).
    summary, closures, support, clipping, reliability, second, exact:
        see the functions that return them.
    trees:
        closures of the baseline, boosted trees on the observables; empty if they were not trained.
    warnings:
        of the reweighter.
    provenance:
        rows of the last table of the page.
    """

    source: str
    target: str
    embedded: Embedded
    weights: np.ndarray
    summary: WeightsSummary
    closures: tuple[Closure, ...]
    support: Support
    clipping: ClippedWeights
    reliability: Mapping[str, Reliability]
    second: tuple[SecondClassifier, ...]
    exact: ExactCheck | None
    trees: tuple[Closure, ...]
    warnings: tuple[str, ...]
    provenance: tuple[tuple[str, ...], ...]

    def page(self) -> Page:
        """Return the page for :func:`simulacra.pages.write_page`."""
        return reweighting_page(
            self.source,
            self.target,
            self.summary,
            self.closures,
            weights={"reweighter": self.weights},
            second=self.second,
            reliability=self.reliability,
            support=self.support,
            clipping=self.clipping,
            exact=self.exact,
            baseline={"boosted trees": self.trees} if self.trees else {},
            provenance=self.provenance,
            provenance_columns=("source", "target"),
            warnings=self.warnings,
        )


def judge_reweighter(
    reweighter: Reweighter,
    source: xr.Dataset,
    target: xr.Dataset,
    *,
    parameters: Mapping[str, float] | None = None,
    labels: tuple[str, str] = ("source", "target"),
    part: Part | None = "test",
    most: int = MOST,
    clipping: ClippingPolicy | None = None,
    trees: bool = True,
    second: bool = True,
    leave_out: bool = False,
    exact: str | None = None,
    run: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Judgement:
    """Compare the reweighted source with the target on events not used in training.

    Parameters
    ----------
    reweighter:
        the reweighter.
    source, target:
        events; only ``part`` is judged, at most ``most`` of each.
    parameters:
        of the target, if the reweighter is continuous in them.
    labels:
        what the samples are called.
    clipping:
        policy; none by default.
    trees:
        train boosted trees on observables of the source's and target's training part, as a baseline.
    second:
        train a second classifier.
    leave_out:
        omit observables that cannot be compared, with a warning; by default they are an error.
    exact:
        name of the source's variable with the exact weights of the target, such as ``variation_up``: weights that
        replace the events' own, or ratios to these (:mod:`simulacra.variations` decides which).
    run:
        folder for the second classifier's trainings; temporary by default.
    seed:
        of all random draws.
    progress:
        called with each step.

    Raises
    ------
    SampleError, WeightError, simulacra.events.EventsError
        if a sample is empty or cannot be judged.
    """
    if exact is not None and exact not in source.data_vars:
        weights_there = [str(name) for name, array in source.data_vars.items() if array.attrs.get("role") == "weight"]
        raise SampleError(f"the {labels[0]} has no exact weights '{exact}'; its weights are {weights_there}")
    outside = reweighter.outside_box(parameters)
    first = reweighter.member(0)
    progress("reading", 0.0)
    samples = [
        represent(events, first.network, part=part, most=most, label=f"the {label}")
        for events, label in ((source, labels[0]), (target, labels[1]))
    ]
    embedded = [reweighter.embed_represented(sample) for sample in samples]
    progress("observables", 0.1)
    tables, constants = _without_constants([_table(events, part, most, reweighter) for events in (source, target)])
    observables = [
        Observable(name, units, ours, tables[1][name][1], edges) for name, (units, ours, edges) in tables[0].items()
    ]
    raw = reweighter.weights_of(embedded[0], parameters)
    clipped = clip_weights(raw, clipping or NoClipping(), source_weights=embedded[0].weights)
    weights = clipped.weights
    progress("closure", 0.35)
    incomparable: list[str] = []
    closures = _closures(observables, weights, embedded, seed, incomparable if leave_out else None)
    baseline: tuple[Closure, ...] = ()
    tree_weights = None
    if trees and (embedded[0].weights >= 0).all() and (embedded[1].weights >= 0).all():
        progress("boosted trees", 0.45)
        tree_weights = _tree_weights(source, target, tables[0], reweighter, seed)
        baseline = _closures(observables, tree_weights, embedded, seed, incomparable if leave_out else None)
        both = {one.observable for one in closures} & {one.observable for one in baseline}
        closures, baseline = (tuple(c for c in found if c.observable in both) for found in (closures, baseline))
    log_odds = [reweighter.log_ratios(e, parameters).mean(axis=0) for e in embedded]
    support = find_empty_regions(
        {name: table for name, (_, table, _) in tables[0].items() if table.ndim == 1},
        {name: table for name, (_, table, _) in tables[1].items() if table.ndim == 1},
        source_weights=embedded[0].weights,
        target_weights=embedded[1].weights,
        units={name: units for name, (units, _, _) in tables[0].items()},
        source_log_odds=log_odds[0],
        target_log_odds=log_odds[1],
    )
    again: tuple[SecondClassifier, ...] = ()
    if second:
        progress("second classifiers", 0.6)
        others = {"all particles, reweighted by boosted trees": tree_weights} if tree_weights is not None else {}
        again = _second(reweighter, samples, weights, others, log_odds, run, seed, progress)
    checked = None
    if exact is not None:
        values = np.concatenate([variation_ratios(b, exact) for b in blocks_of(source, (exact,), part, most=most)])
        own = embedded[0].weights
        checked = check_exact(weights, values / np.average(values, weights=own), source_weights=own)
    progress("done", 1.0)
    return Judgement(
        *labels,
        embedded[0],
        weights,
        summarise_weights(weights, source_weights=embedded[0].weights),
        closures,
        support,
        clipped,
        _reliabilities(reweighter, log_odds, embedded, seed),
        again,
        checked,
        baseline,
        (*reweighter.description.get("warnings", ()), *outside, *constants, *dict.fromkeys(incomparable)),
        _provenance(source, target, embedded),
    )


Column = tuple[str, np.ndarray, np.ndarray | None]


def _table(events: xr.Dataset, part: Part | None, most: int, reweighter: Reweighter) -> dict[str, Column]:
    """Return units, values and edges of each observable of the judged events."""
    names = [str(name) for name in events.data_vars]
    pieces: list[dict[str, Column]] = []
    for block in blocks_of(events, names, part, most=most):
        if {"momentum", "present"} <= set(names):
            observed = cloud_observables(block)
        else:
            observed = reweighter.settings.network.compared(block)
        pieces.append(
            {
                str(name): (
                    str(array.attrs.get("units", "1")),
                    array.values.astype(np.float64),
                    np.asarray(array.attrs["edges"]) if "edges" in array.attrs else None,
                )
                for name, array in observed.data_vars.items()
            }
        )
    return {
        name: (units, np.concatenate([piece[name][1] for piece in pieces]), edges)
        for name, (units, _, edges) in pieces[0].items()
    }


def _without_constants(tables: list[dict[str, Column]]) -> tuple[list[dict[str, Column]], list[str]]:
    """Return tables without columns that are the same number in all events of both samples, and a note on these.

    Raises
    ------
    SampleError
        if there are no other columns.
    """
    same = [
        name
        for name, (_, values, _) in tables[0].items()
        if np.ptp(values, axis=0).max() == 0 and (values[:1] == tables[1][name][1]).all()
    ]
    if not same:
        return tables, []
    spoken = listed([name.replace("_", " ") for name in same])
    if len(same) == len(tables[0]):
        raise SampleError(f"{spoken} are constant and the same in both samples: there is nothing to reweight")
    note = f"not compared, because it is the same in all events of both samples: {spoken}"
    return [{name: column for name, column in table.items() if name not in same} for table in tables], [note]


def _closures(
    observables: list[Observable],
    weights: np.ndarray,
    embedded: list[Embedded],
    seed: int,
    left_out: list[str] | None = None,
) -> tuple[Closure, ...]:
    return judge_closure(
        [replace(observable, name=observable.name.replace("_", " ")) for observable in observables],
        weights,
        source_weights=embedded[0].weights,
        target_weights=embedded[1].weights,
        seed=seed,
        left_out=left_out,
    )


def _matrix(table: Mapping[str, Column]) -> np.ndarray:
    return np.concatenate([values.reshape(len(values), -1) for _, values, _ in table.values()], axis=1)


def _tree_weights(
    source: xr.Dataset, target: xr.Dataset, judged: Mapping[str, Column], reweighter: Reweighter, seed: int
) -> np.ndarray:
    """Return normalised weights of the judged source events from trees trained on the training parts."""
    tables = [_table(events, "train", TREE_EVENTS, reweighter) for events in (source, target)]
    training = [{name: table[name] for name in judged} for table in tables]
    own = [
        np.concatenate([weights_of(block) for block in blocks_of(events, (), "train", most=TREE_EVENTS)])
        for events in (source, target)
    ]
    fitted = TreeReweighter().fit(
        _matrix(training[0]), _matrix(training[1]), source_weights=own[0], target_weights=own[1], seed=seed
    )
    weights = fitted.weights(_matrix(judged))
    return np.asarray(weights / weights.mean())


def _second(
    reweighter: Reweighter,
    samples: list[Represented],
    weights: np.ndarray,
    others: Mapping[str, np.ndarray],
    log_odds: list[np.ndarray],
    run: Path | None,
    seed: int,
    progress: Progress,
) -> tuple[SecondClassifier, ...]:
    description = dict(reweighter.description) | {"bounds": {}, "reference": {}}
    settings = reweighter.settings.model_copy(update={"parameters": (), "reference": {}, "calibration": "none"})

    def fresh() -> EventClassifier:
        return build(settings, description)

    before = area_between(log_odds, [sample.weights for sample in samples])
    with tempfile.TemporaryDirectory(prefix="simulacra-") as temporary:
        folder = Path(temporary) if run is None else run
        half = len(samples[1]) // 2
        order = np.random.default_rng(seed).permutation(len(samples[1]))
        halves = (taken(samples[1], order[:half]), taken(samples[1], order[half:]))
        factors: dict[str, np.ndarray | None] = {"truth": None, "all particles": weights, **others}
        found = {}
        for number, (name, factor) in enumerate(factors.items()):
            progress(f"second classifier: {name}", 0.6 + 0.35 * number / len(factors))
            ours, theirs = halves if factor is None else (reweighted(samples[0], factor), samples[1])
            found[name] = separate(
                ours,
                theirs,
                fresh,
                reweighter.member(0),
                settings.network,
                folder / f"second-{number}",
                seed=seed + number,
            )
    truth = found.pop("truth")
    return tuple(
        SecondClassifier(
            name, one.auc, one.uncertainty, truth.auc, truth.uncertainty, before.auc, baseline=name in others
        )
        for name, one in found.items()
    )


def _reliabilities(
    reweighter: Reweighter, log_odds: list[np.ndarray], embedded: list[Embedded], seed: int
) -> dict[str, Reliability]:
    x = np.concatenate(log_odds)
    labels = np.repeat([0, 1], [len(log_odds[0]), len(log_odds[1])])
    own = np.concatenate([e.weights for e in embedded])
    if reweighter.calibration is None:
        return {"as trained": judge_reliability(x, labels, own, seed=seed)}
    return {
        "as trained": judge_reliability(x, labels, own, seed=seed),
        "calibrated": judge_reliability(reweighter.calibration(x), labels, own, seed=seed),
    }


def _provenance(source: xr.Dataset, target: xr.Dataset, embedded: list[Embedded]) -> tuple[tuple[str, ...], ...]:
    rows = [("events judged", *(f"{len(e):,}" for e in embedded))]
    for name in ("simulator", "simulator_version", "process", "shower", "seed", "settings"):
        values = [str(events.attrs.get(name, "–")) for events in (source, target)]
        rows.append((name.replace("_", " "), *values))
    return tuple(rows)
