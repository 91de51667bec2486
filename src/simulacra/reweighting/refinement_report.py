"""Judge a refiner on events that were used neither in its training nor in its calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import take_part
from simulacra.judges.classifiers.separability import table_of
from simulacra.judges.samples import Sample
from simulacra.judges.unpacking import sample_of
from simulacra.pages import Card, Chapter, Page
from simulacra.progress import Progress, silent
from simulacra.reweighting.clipping import MaximumClipping
from simulacra.reweighting.judgement import Judgement, judge_reweighter
from simulacra.reweighting.page import SecondClassifier
from simulacra.reweighting.prior_weights import effective_events
from simulacra.reweighting.refined import DrawsCandidates, RefinedGenerator
from simulacra.reweighting.refinement import of_both
from simulacra.reweighting.refinement_cost import Cost, measure_cost
from simulacra.reweighting.refiner import Refiner
from simulacra.statistics.classifiers.classification import Method
from simulacra.statistics.classifiers.classifier import CELL_THRESHOLD, Classification, classify
from simulacra.statistics.classifiers.deep_sets import classify_clouds
from simulacra.wording import with_error

#: number of generated events per true one in the classifiers' training
TIMES: Final = 2
CONDITION_BINS: Final = 5
BATCH: Final = 1024
#: input of each classifier; "all" means the arrays of the events, such as cells, in addition to observables
JUDGES: Final[tuple[tuple[str, Method], ...]] = (
    ("observables", "trees"),
    ("observables", "perceptron"),
    ("all", "perceptron"),
    ("all", "trees"),
)
COST_TEXT: Final = (
    "An effective event has the statistical power of an unweighted one. Its time is that of an event and its weight "
    "over the effective share of the sample."
)
CONDITIONS_TEXT: Final = (
    "Weights are ratios at the same conditions, so their mean is 1 at all conditions. ± is the "
    "statistical error of the mean."
)


@dataclass(frozen=True)
class MeanWeight:
    """Weights of the events in a range of a condition: their mean, its error, and the effective share."""

    condition: str
    low: float
    high: float
    mean: float
    uncertainty: float
    effective_share: float


@dataclass(frozen=True)
class RefinementReport:
    """The result of a refiner on events that it was not trained on.

    Attributes
    ----------
    judgement:
        closures, calibration, effective sample size, support, and in ``second`` the new classifiers.
    cost:
        milliseconds per effective event.
    mean_weights:
        in ranges of the conditions.
    """

    judgement: Judgement
    cost: Cost
    mean_weights: tuple[MeanWeight, ...]

    def page(self) -> Page:
        """Return the page for :func:`simulacra.pages.write_page`."""
        page = self.judgement.page()
        cost = self.cost
        card = Card(
            "Milliseconds per effective event",
            with_error(cost.effective.value, cost.effective.uncertainty),
            (f"{with_error(cost.generation.value, cost.generation.uncertainty)} without weights",),
        )
        rows = tuple(
            (
                f"{one.condition.replace('_', ' ')} {one.low:.3g} to {one.high:.3g}",
                with_error(one.mean, one.uncertainty),
                f"{100 * one.effective_share:.0f} %",
            )
            for one in self.mean_weights
        )
        chapters = [*page.chapters, Chapter("cost", "Time of an effective event", (COST_TEXT, cost.sentence))]
        if rows:
            columns = ("where", "mean weight", "effective")
            chapters.append(
                Chapter("conditions", "Weights at the conditions", (CONDITIONS_TEXT,), columns=columns, rows=rows)
            )
        return replace(
            page,
            overline="refinement",
            cards=(*page.cards, card),
            chapters=tuple(chapters),
            record={**page.record, "cost": cost, "mean_weights": list(self.mean_weights)},
        )


def judge_refiner(
    generator: DrawsCandidates,
    refiner: Refiner,
    truth: xr.Dataset,
    generated: xr.Dataset,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> RefinementReport:
    """Compare refined events with the truth's test part, with and without weights.

    Boosted trees and perceptrons, different from the refiner's networks, are trained by cross-validation on shapes and
    on cells. If the refiner only sees shapes, classifiers on cells do not count for the verdict.

    Parameters
    ----------
    generator, refiner:
        the two.
    truth, generated:
        events that the refiner was made from, all parts of the split. From the training and validation parts only the
        truth is used, for truth against truth.
    seed:
        of all random draws.

    Raises
    ------
    ValueError
        if the refiner is for another generator, or a sample cannot be judged.
    """
    refined = RefinedGenerator(generator, refiner)
    truth, generated = of_both(generator, truth, generated)
    progress("weights", 0.0)
    embedded = refiner.reweighter.embed(generated, part="test", label="the generated events")
    ratio = refiner.reweighter.weights_of(embedded, normalise=False)
    bound = MaximumClipping(maximum=refiner.largest_ratio / float(ratio.mean()))
    judgement = judge_reweighter(
        refiner.reweighter,
        generated,
        truth,
        labels=(generator.name, "truth"),
        most=len(embedded),
        clipping=bound,
        trees=False,
        second=False,
        leave_out=True,
        seed=seed,
        progress=lambda step, share: progress(step, 0.3 * share),
    )
    rng = np.random.default_rng(seed)
    every = generated.sizes["event"] + truth.sizes["event"]
    parts = [take_part(events, "test") for events in (truth, generated)] + [take_part(truth, "train")]
    samples = [
        sample_of(events, label, most_events=every, rng=rng)
        for events, label in zip(parts, ("truth", "generated", "further truth"), strict=True)
    ]
    samples[1] = replace(samples[1], weights=judgement.weights / judgement.weights.mean())
    second = _judged_again(samples[0], samples[1], samples[2], refiner, rng, progress)
    progress("times", 0.95)
    rows = np.resize(rng.permutation(len(samples[1])), BATCH)
    columns = {name: samples[1].conditions[name][rows] for name in refiner.condition_ranges}
    cost = measure_cost(refined, BATCH, columns, judgement.weights, judgement.clipping.removed_share, seed=seed)
    progress("done", 1.0)
    return RefinementReport(replace(judgement, second=second), cost, _mean_weights(samples[1], refiner))


def _judged_again(
    truth: Sample,
    generated: Sample,
    further: Sample,
    refiner: Refiner,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[SecondClassifier, ...]:
    some = generated.take(rng.permutation(len(generated))[: TIMES * len(truth)])
    # The same events: a classifier trained on more of them sees more.
    plain = replace(some, weights=np.ones(len(some)))
    # Truth against truth has as many events as the effective size of the weighted ones.
    worth = max(200, round(effective_events(some.weights)))
    chance = further.take(rng.permutation(len(further))[:worth])
    found = []
    judges = _judges(truth, some, further)
    for number, (what, kind) in enumerate(judges):
        progress(f"{kind} on {what}", 0.3 + 0.65 * number / len(judges))
        seeds = [int(s) for s in rng.integers(2**31, size=3)]

        before, after, same = (
            _told(truth, other, what, kind, one) for other, one in zip((plain, some, chance), seeds, strict=True)
        )
        sees = "shapes" if what == "observables" and truth.kind == "showers" else what
        unseen = refiner.sees in ("shapes", "observables") and what != "observables"
        found.append(
            SecondClassifier(
                f"{kind} on {sees}{', which the weights do not see' if unseen else ''}",
                after.auc,
                after.uncertainty,
                same.auc,
                same.uncertainty,
                before.auc,
                baseline=unseen,
                uncertainty_before=before.uncertainty,
            )
        )
    return tuple(found)


def _judges(*samples: Sample) -> list[tuple[str, Method]]:
    """Return the classifiers and their inputs for samples of one kind; trees need positive weights."""
    signed = any(sample.signed for sample in samples)
    chosen: list[tuple[str, Method]] = []
    for what, kind in JUDGES:
        if kind == "trees" and signed:
            continue
        if what == "observables":
            chosen.append((what, kind))
        elif samples[0].cells is not None:
            chosen.append(("cells" if samples[0].kind == "showers" else "values", kind))
        elif samples[0].cloud is not None and ("particles", "deep_sets") not in chosen:
            chosen.append(("particles", "deep_sets"))
    return chosen


def _told(truth: Sample, other: Sample, what: str, kind: Method, seed: int) -> Classification:
    if truth.cloud is None or other.cloud is None or kind != "deep_sets":
        tables = table_of(truth, other, what, CELL_THRESHOLD)
        return classify(*tables, kind, truth_weights=truth.weights, generated_weights=other.weights, seed=seed)
    conditions = [
        np.column_stack([np.empty((len(sample), 0)), *(sample.conditions[name] for name in truth.conditions)])
        for sample in (truth, other)
    ]
    return classify_clouds(
        (truth.cloud.features, truth.cloud.present),
        (other.cloud.features, other.cloud.present),
        truth_conditions=conditions[0],
        generated_conditions=conditions[1],
        truth_weights=truth.weights,
        generated_weights=other.weights,
        seed=seed,
    )


def _mean_weights(generated: Sample, refiner: Refiner) -> tuple[MeanWeight, ...]:
    found = []
    for name in refiner.condition_ranges:
        values, weights = generated.conditions[name], generated.weights
        edges = np.unique(np.quantile(values, np.linspace(0, 1, CONDITION_BINS + 1)))
        place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
        for k in range(len(edges) - 1):
            inside = weights[place == k]
            if len(inside) > 1:
                error = float(inside.std(ddof=1) / len(inside) ** 0.5)
                share = effective_events(inside) / len(inside)
                found.append(MeanWeight(name, float(edges[k]), float(edges[k + 1]), float(inside.mean()), error, share))
    return tuple(found)
