"""The chapters of a report: what each shows, its figures and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulacra.judges.finding import Finding
from simulacra.pages import Chapter, Picture
from simulacra.pages.style import image_uri
from simulacra.reports import plots
from simulacra.reports.bands_chapter import band_chapter
from simulacra.reports.conditional_chapter import conditional_chapter
from simulacra.reports.corrected_chapter import corrected_chapter
from simulacra.reports.ensembles_chapter import ensembles_chapter
from simulacra.reports.failures_chapter import failures_chapter
from simulacra.reports.finding_rows import truth_beside
from simulacra.reports.learning_chapter import learning_chapter
from simulacra.reports.memorisation_chapter import memorisation_chapter
from simulacra.reports.modes_chapter import modes_chapter
from simulacra.reports.multivariate_chapter import multivariate_chapter
from simulacra.reports.shower_chapters import (
    extrapolation_chapter,
    images_chapter,
    neighbours_chapter,
    response_chapter,
    scans_chapter,
)
from simulacra.reports.statistical_power_chapter import statistical_power_chapter
from simulacra.statistics.distances.divisions import REPLICATES
from simulacra.wording import with_error

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

MOST_HISTOGRAMS: Final = 48

HISTOGRAMS_TEXT: Final = (
    "The worst observable first. Error bars and bands are statistical (one standard deviation); arrows in the "
    "ratio panels point to ratios beyond the panel. A hollow point at an end stands for all events beyond it."
)
DISTANCES_TEXT: Final = (
    "The 1-Wasserstein distance W₁ in standard deviations of the truth and in the observable's unit, the "
    "Kolmogorov-Smirnov distance KS (the largest difference of the cumulative distributions), and the separation power "
    "½ Σ (t − g)² / (t + g) of the histograms above (0 equal, 1 disjoint; bins with fewer than ten truth events are "
    "joined), with bootstrap errors. Truth against truth: mean and standard deviation over random halves of {n:,} "
    "truth events, scaled to the sizes in hand. p: share of random divisions of all events into two such samples that "
    "lie at least as far apart in W₁; below {least:.3f} cannot be told."
)
CLASSIFIERS_TEXT: Final = (
    "Classifiers are trained to tell generated events from truth, with the conditions (and, beside the cells, the "
    "sections' sums) among their features, and judged on events that they have not seen (5 folds, repeated with "
    "other folds and seeds). An AUC of 0.5 means that they cannot, 1 that they always can. The information is how "
    "much of the one bit, generated or not, the calibrated classifier knows of an event: a lower bound on the "
    "Jensen-Shannon divergence. p: how often two samples of one distribution are told apart as well. A small p proves "
    "a difference; the converse is not true, for a better classifier may find one."
)


def chapters_of(verdict: Verdict) -> list[Chapter]:
    """Return the chapters that the verdict has evidence for."""
    labels = verdict.truth_label, verdict.generated_label
    found, findings = verdict.evidence, verdict.findings
    geometry = None if verdict.showers is None else verdict.showers.geometry
    chapters = []
    if verdict.showers is not None:
        chapters.append(images_chapter(verdict))
    if found.failures is not None:
        chapters.append(failures_chapter(found.failures, findings))
    chapters += [_histograms(verdict), _distances(verdict)]
    if found.multivariate is not None:
        chapters.append(multivariate_chapter(found.multivariate, labels))
    chapters.append(_classifiers(verdict))
    if found.conditional is not None:
        chapters.append(conditional_chapter(found.conditional, labels))
    if any(finding.judge == "held_out_band" for finding in findings):
        chapters.append(band_chapter(findings))
    if found.correction is not None:
        chapters.append(corrected_chapter(found.correction, verdict.stated))
    if found.modes is not None:
        chapters.append(modes_chapter(found.modes, *labels))
    chapters.append(memorisation_chapter(found.memorisation, findings, *labels, geometry))
    if verdict.neighbours is not None:
        chapters.append(neighbours_chapter(verdict))
    if found.power is not None:
        chapters.append(statistical_power_chapter(found.power, *labels))
    if found.ensemble is not None:
        chapters.append(ensembles_chapter(found.ensemble, list(findings), labels[0]))
    if verdict.showers is not None and verdict.showers.profiles:
        chapters.append(response_chapter(verdict))
    if verdict.showers is not None:
        chapters += [scans_chapter(verdict), extrapolation_chapter(verdict)]
    if found.learning_curves is not None:
        chapters.append(learning_chapter(found.learning_curves))
    return chapters


def _histograms(verdict: Verdict) -> Chapter:
    distance = _by_observable(verdict, "wasserstein_distance")
    separation = _by_observable(verdict, "separation_power")
    pictures = []
    for comparison in verdict.comparisons[:MOST_HISTOGRAMS]:
        svg = plots.histogram_figure(comparison, verdict.truth_label, verdict.generated_label)
        w, s = distance[comparison.observable], separation[comparison.observable]
        caption = (
            f"W₁ = {with_error(w.value, w.uncertainty)} σ (truth against truth {truth_beside(w)}), "
            f"separation power {with_error(s.value, s.uncertainty)} ({truth_beside(s)})"
        )
        pictures.append(Picture(image_uri(svg, "svg+xml"), f"Histogram: {comparison.long_name}", caption))
    left_out = len(verdict.comparisons) - len(pictures)
    more = (f"The {left_out} observables nearest to the truth are in the table alone.",) if left_out else ()
    return Chapter(
        "histograms",
        "Observables",
        (
            HISTOGRAMS_TEXT,
            *more,
        ),
        tuple(pictures),
    )


def _distances(verdict: Verdict) -> Chapter:
    separation, ks = (_by_observable(verdict, judge) for judge in ("separation_power", "kolmogorov_smirnov"))
    rows = []
    for name, w in _by_observable(verdict, "wasserstein_distance").items():
        s, units = separation[name], str(w.details["observable_units"])
        in_units = with_error(_number(w, "in_units"), _number(w, "uncertainty_in_units"), units)
        rows.append(
            (
                name.replace("_", " "),
                with_error(w.value, w.uncertainty),
                truth_beside(w),
                in_units,
                with_error(ks[name].value, ks[name].uncertainty),
                truth_beside(ks[name]),
                with_error(s.value, s.uncertainty),
                truth_beside(s),
                _p_value(w),
            )
        )
    return Chapter(
        "distances",
        "Distances, all observables",
        (DISTANCES_TEXT.format(n=verdict.n_pool, least=1 / (REPLICATES + 1)),),
        columns=(
            "observable",
            "W₁ [σ]",
            "truth–truth",
            "W₁ [unit]",
            "KS",
            "truth–truth",
            "separation",
            "truth–truth",
            "p",
        ),
        rows=tuple(rows),
    )


def _classifiers(verdict: Verdict) -> Chapter:
    rows = []
    for roc in verdict.rocs:
        judged, chance = roc.judged, roc.truth
        rows.append(
            (
                roc.observable.replace("_", " "),
                with_error(judged.auc, judged.uncertainty),
                with_error(chance.auc, chance.uncertainty),
                with_error(judged.information, judged.information_uncertainty),
                with_error(chance.information, chance.information_uncertainty),
                f"{judged.p_value:.2g}",
                f"{judged.n_truth:,} + {judged.n_generated:,}",
                f"{chance.n_truth:,} + {chance.n_generated:,}",
            )
        )
    picture = Picture(
        image_uri(plots.roc_figure(verdict.rocs), "svg+xml"), "ROC curves of the classifiers", "Bands: error over folds"
    )
    return Chapter(
        "classifiers",
        "Can they be told apart?",
        (CLASSIFIERS_TEXT,),
        large_pictures=(picture,),
        columns=(
            "classifier on",
            "AUC",
            "truth–truth",
            "information [bit]",
            "truth–truth",
            "p",
            "events",
            "truth–truth events",
        ),
        rows=tuple(rows),
    )


def _by_observable(verdict: Verdict, judge: str) -> dict[str, Finding]:
    found = [finding for finding in verdict.plain_findings if finding.judge == judge]
    order = {comparison.observable: number for number, comparison in enumerate(verdict.comparisons)}
    return {finding.observable: finding for finding in sorted(found, key=lambda f: order[f.observable])}


def _number(finding: Finding, name: str) -> float:
    value = finding.details[name]
    if not isinstance(value, int | float):
        raise TypeError(f"the detail '{name}' of a finding is {value!r}, not a number")
    return float(value)


def _p_value(finding: Finding) -> str:
    if finding.p_value is None:
        return "–"
    return f"{finding.p_value:.2f}" if finding.p_value >= 0.01 else f"{finding.p_value:.3f}"
