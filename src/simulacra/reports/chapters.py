"""The chapters of a report in their order, and those for events of every kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from simulacra.judges.classifiers.separability import Roc
from simulacra.judges.finding import Finding
from simulacra.pages import Chapter, picture
from simulacra.pages.figures import Binned, histograms_figure
from simulacra.reports.bands_chapter import band_chapter
from simulacra.reports.conditional_chapter import conditional_chapter
from simulacra.reports.corrected_chapter import corrected_chapter
from simulacra.reports.ensembles_chapter import ensembles_chapter
from simulacra.reports.failures_chapter import failures_chapter
from simulacra.reports.finding_rows import decimal_probability, truth_beside, value_of
from simulacra.reports.learning_chapter import learning_chapter
from simulacra.reports.memorisation_chapter import memorisation_chapter
from simulacra.reports.modes_chapter import modes_chapter
from simulacra.reports.multivariate_chapter import multivariate_chapter
from simulacra.reports.roc_curves import roc_figure
from simulacra.reports.shower_chapters import (
    extrapolation_chapter,
    images_chapter,
    neighbours_chapter,
    response_chapter,
    scans_chapter,
)
from simulacra.reports.statistical_power_chapter import statistical_power_chapter
from simulacra.statistics.distances.divisions import REPLICATES
from simulacra.statistics.distances.histograms import HistogramPair
from simulacra.wording import with_error

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

MOST_HISTOGRAMS: Final = 48

HISTOGRAMS_TEXT: Final = (
    "The worst observable first. Error bars and bands are statistical (one standard deviation); arrows in the ratio "
    "panels point to ratios outside the panel. A hollow point at an end contains all events beyond it."
)
DISTANCES_TEXT: Final = (
    "The 1-Wasserstein distance W₁ in standard deviations of the truth and in the observable's unit, the "
    "Kolmogorov-Smirnov distance KS (the largest difference of the cumulative distributions), and the separation "
    "power ½ Σ (t − g)² / (t + g) of the histograms above (0 equal, 1 disjoint; bins with fewer than ten truth "
    "events are joined), with bootstrap errors. Truth against truth: mean and standard deviation over random halves "
    "of {n:,} truth events, scaled to the sizes of the samples. p: share of random divisions of all events into two "
    "such samples with at least this W₁; smaller values than {least:.3f} are not resolved."
)
CLASSIFIERS_TEXT: Final = (
    "Classifiers are trained to tell generated events from truth, with the conditions (and, with the cells, the sums "
    "of the sections) among their features, and tested on other events (5 folds, repeated with other folds and "
    "seeds). An AUC of 0.5 means that they cannot separate the two, 1 that they always can. The information is the "
    "part of one bit (generated or not) that the calibrated classifier knows about an event: a lower bound on the "
    "Jensen-Shannon divergence. p: probability that two samples of one distribution are separated as well. A small p "
    "proves a difference. A large p does not prove equality: a better classifier may find a difference."
)


def chapters_of(verdict: Verdict) -> list[Chapter]:
    """Return the chapters for the verdict's evidence."""
    drawn = (draw(found, verdict) for name, draw in CHAPTERS if (found := verdict.evidence.get(name)) is not None)
    return [chapter for chapter in drawn if chapter is not None]


def _histograms(pairs: Sequence[HistogramPair], verdict: Verdict) -> Chapter:
    distance, separation = (_by_observable(verdict, judge) for judge in ("wasserstein_distance", "separation_power"))
    pictures = []
    for one in pairs[:MOST_HISTOGRAMS]:
        generated = one.generated
        beyond = generated.below > 0, generated.above > 0
        svg = histograms_figure(
            one.binning.edges,
            Binned(verdict.truth_label, one.truth.share, one.truth.error),
            [Binned(verdict.generated_label, generated.share, generated.error, beyond=beyond)],
            name=one.long_name,
            units=one.units,
            logarithmic=one.binning.logarithmic,
        )
        w, s = distance[one.observable], separation[one.observable]
        caption = (
            f"W₁ = {value_of(w)} σ (truth against truth {truth_beside(w)}), "
            f"separation power {value_of(s)} ({truth_beside(s)})"
        )
        pictures.append(picture(svg, f"Histogram: {one.long_name}", caption))
    left_out = len(pairs) - len(pictures)
    more = (f"The {left_out} observables closest to the truth are only in the table.",) if left_out else ()
    return Chapter("histograms", "Observables", (HISTOGRAMS_TEXT, *more), tuple(pictures))


def _distances(_pairs: Sequence[HistogramPair], verdict: Verdict) -> Chapter:
    separation, ks = (_by_observable(verdict, judge) for judge in ("separation_power", "kolmogorov_smirnov"))
    rows = []
    for name, w in _by_observable(verdict, "wasserstein_distance").items():
        in_units = with_error(
            _number(w, "in_units"), _number(w, "uncertainty_in_units"), str(w.details["observable_units"])
        )
        others = [cell for one in (ks[name], separation[name]) for cell in (value_of(one), truth_beside(one))]
        own = (name.replace("_", " "), value_of(w), truth_beside(w), in_units)
        rows.append((*own, *others, decimal_probability(w.p_value)))
    beside = "truth–truth"
    return Chapter(
        "distances",
        "Distances, all observables",
        (DISTANCES_TEXT.format(n=verdict.n_pool, least=1 / (REPLICATES + 1)),),
        columns=("observable", "W₁ [σ]", beside, "W₁ [unit]", "KS", beside, "separation", beside, "p"),
        rows=tuple(rows),
    )


def _classifiers(rocs: Sequence[Roc], _verdict: Verdict) -> Chapter:
    rows = []
    for roc in rocs:
        both = (roc.judged, roc.truth)
        areas = (with_error(one.auc, one.uncertainty) for one in both)
        told = (with_error(one.information, one.information_uncertainty) for one in both)
        sizes = (f"{one.n_truth:,} + {one.n_generated:,}" for one in both)
        rows.append((roc.observable.replace("_", " "), *areas, *told, f"{roc.judged.p_value:.2g}", *sizes))
    beside = "truth–truth"
    return Chapter(
        "classifiers",
        "Can they be told apart?",
        (CLASSIFIERS_TEXT,),
        large_pictures=(picture(roc_figure(rocs), "ROC curves of the classifiers", "Bands: error over folds"),),
        columns=("classifier on", "AUC", beside, "information [bit]", beside, "p", "events", f"{beside} events"),
        rows=tuple(rows),
    )


def _memorisation(_pairs: Sequence[HistogramPair], verdict: Verdict) -> Chapter:
    return memorisation_chapter(verdict.evidence.get("memorisation"), verdict.findings, *verdict.labels)


#: name of the evidence for each chapter, and the function that draws it; every verdict has "histograms"
CHAPTERS: Final[tuple[tuple[str, Callable[[Any, Verdict], Chapter | None]], ...]] = (
    ("showers", images_chapter),
    ("failures", lambda found, verdict: failures_chapter(found, verdict.findings)),
    ("histograms", _histograms),
    ("histograms", _distances),
    ("multivariate", lambda found, verdict: multivariate_chapter(found, verdict.labels)),
    ("rocs", _classifiers),
    ("conditional", lambda found, verdict: conditional_chapter(found, verdict.labels)),
    ("band", lambda found, _verdict: band_chapter(found)),
    ("correction", lambda found, verdict: corrected_chapter(found, verdict.stated)),
    ("modes", lambda found, verdict: modes_chapter(found, *verdict.labels)),
    ("histograms", _memorisation),
    ("neighbours", neighbours_chapter),
    ("power", lambda found, verdict: statistical_power_chapter(found, *verdict.labels)),
    ("ensemble", lambda found, verdict: ensembles_chapter(found, verdict.findings, verdict.truth_label)),
    ("showers", response_chapter),
    ("showers", scans_chapter),
    ("showers", extrapolation_chapter),
    ("learning_curves", lambda found, _verdict: learning_chapter(found)),
)


def _by_observable(verdict: Verdict, judge: str) -> dict[str, Finding]:
    found = [finding for finding in verdict.plain_findings if finding.judge == judge]
    order = {comparison.observable: number for number, comparison in enumerate(verdict.evidence["histograms"])}
    return {finding.observable: finding for finding in sorted(found, key=lambda f: order[f.observable])}


def _number(finding: Finding, name: str) -> float:
    value = finding.details[name]
    if not isinstance(value, int | float):
        raise TypeError(f"the detail '{name}' of a finding is {value!r}, not a number")
    return float(value)
