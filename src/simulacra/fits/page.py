"""The page of a fit: the parameters with their intervals, the sources of the uncertainty, and the coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from simulacra.fits.calibration_curve import CalibrationCurve
from simulacra.fits.coverage import Coverage, ParameterCoverage
from simulacra.fits.result import Fit
from simulacra.pages.fit_figures import Curve, ellipses_figure, intervals_figure, pull_figure, scan_figure
from simulacra.pages.page import Card, Chapter, Outcome, Page, Picture
from simulacra.pages.write import picture
from simulacra.wording import with_error

METHODS: Final = {
    "likelihood_ratio": "learned likelihood ratio",
    "classifier_loss": "classifier loss",
    "nested_detector_level": "nested classifier behind the detector",
}
DASH: Final = "–"
ERROR_PARTS: Final = ("events", "networks", "calibration", "bias seen in validation")
_SHARES: Final = (
    "The events' share of an uncertainty includes the finite numbers of data and reference events. The networks' "
    "share is the spread of the ensemble's members, for the fit of their mean. The likelihood's curvature alone "
    "assumes an infinite reference."
)


@dataclass(frozen=True)
class Limits:
    """Requirements on a fit, tested with pseudo-experiments.

    Attributes
    ----------
    bias_percent:
        largest bias, in % of the parameter.
    coverage:
        lowest and highest share of 68.3 % intervals that contain the truth.
    """

    bias_percent: float = 1.0
    coverage: tuple[float, float] = (0.60, 0.76)


@dataclass(frozen=True)
class Naming:
    """Names in words and units of parameters, by name; by default the plain name, without unit."""

    labels: Mapping[str, str]
    units: Mapping[str, str]

    def label(self, name: str) -> str:
        """Return the parameter's name in words."""
        return self.labels.get(name, name)

    def unit(self, name: str) -> str:
        """Return the parameter's unit, "1" for none."""
        return self.units.get(name, "1")

    def value(self, name: str, value: float, error: float) -> str:
        """Return "0.1365 ± 0.0004 GeV"."""
        return with_error(value, error, self.unit(name))


def fit_page(
    fits: Mapping[str, Fit],
    *,
    title: str,
    truth: Mapping[str, float] | None = None,
    coverage: Mapping[str, Coverage] | None = None,
    curve: CalibrationCurve | None = None,
    limits: Limits | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    provenance: Sequence[tuple[str, str]] = (),
) -> Page:
    """Return the page of one or several fits to the same data.

    Parameters
    ----------
    fits:
        by their labels; the first is the result.
    title:
        the title of the page.
    truth:
        the true parameters of the data, if known.
    coverage:
        pseudo-experiments, by their labels; the first decides the page's outcome.
    curve:
        the applied calibration.
    limits:
        the requirements on pseudo-experiments.
    labels, units:
        names in words and units of parameters.
    provenance:
        rows of (name, value).

    Raises
    ------
    ValueError
        if there is no fit.
    """
    if not fits:
        raise ValueError("there is no fit to show")
    naming = Naming(labels or {}, units or {})
    limits = limits or Limits()
    covered = dict(coverage or {})
    main = next(iter(fits.values()))
    summaries = [first.of(name) for first in list(covered.values())[:1] for name in first.parameters]
    outcome = _worst([outcome_of(summary, limits) for summary in summaries])
    chapters = [_estimates(fits, truth or {}, naming), *_shape(fits, truth or {}, naming), *_members(main, naming)]
    chapters += [_coverage(name, number, found, limits, naming) for number, (name, found) in enumerate(covered.items())]
    if curve is not None:
        chapters.append(_calibration(curve, naming))
    return Page(
        title=title,
        overline="Fit",
        headline=", ".join(_sentence(main, name, naming) for name in main.parameters),
        outcome=outcome,
        summary=_summary(main, summaries),
        warnings=tuple(f"{label}: {said}" for label, fit in fits.items() for said in fit.warnings),
        cards=(*_value_cards(main, truth or {}, naming), *_coverage_cards(summaries, limits, naming)),
        chapters=tuple(chapters),
        provenance=tuple(provenance),
        provenance_columns=("value",),
        record={
            "format": "simulacra-fit-1",
            "fits": {label: fit.to_json() for label, fit in fits.items()},
            "truth": dict(truth or {}),
            "coverage": {label: found.to_json() for label, found in covered.items()},
            "calibration": None if curve is None else curve.to_json(),
            "provenance": dict(provenance),
        },
        footnote="Correct intervals contain the truth in 68.3 % of repetitions.",
    )


def outcome_of(summary: ParameterCoverage, limits: Limits) -> Outcome:
    """Return "pass" within all limits, "fail" beyond one by more than two standard errors, "undecided" between."""
    outcomes: list[Outcome] = []
    if not math.isnan(summary.bias_percent):
        outcomes.append(_judge(abs(summary.bias_percent) - limits.bias_percent, summary.bias_percent_error))
    least, most = limits.coverage
    outcomes.append(_judge(least - summary.coverage, summary.coverage_high - summary.coverage))
    outcomes.append(_judge(summary.coverage - most, summary.coverage - summary.coverage_low))
    return _worst(outcomes)


def _judge(beyond: float, error: float) -> Outcome:
    if beyond <= 0:
        return "pass"
    return "fail" if beyond > 2 * error else "undecided"


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    order: tuple[Outcome, ...] = ("fail", "undecided", "pass")
    return next((outcome for outcome in order if outcome in outcomes), "")


def _sentence(fit: Fit, name: str, naming: Naming) -> str:
    return f"{naming.label(name)} = {naming.value(name, fit.values[name], fit.errors[name])}"


def _summary(fit: Fit, summaries: Sequence[ParameterCoverage]) -> str:
    fixed = ", ".join(f"{name} = {value:g}" for name, value in fit.fixed.items())
    text = (
        f"From {fit.n_data:,} events of data and {fit.n_reference:,} of the reference simulation, by the "
        f"{METHODS.get(fit.method, fit.method)} of {len(fit.members)} network{'s' if len(fit.members) > 1 else ''}"
        f"{f', with {fixed} fixed' if fixed else ''}, "
        f"{f'calibrated {fit.calibrated}' if fit.calibrated else 'not calibrated'}."
    )
    if summaries:
        text += f" {summaries[0].experiments + summaries[0].failed} pseudo-experiments test it."
    return text


def _value_cards(fit: Fit, truth: Mapping[str, float], naming: Naming) -> list[Card]:
    cards = []
    for name in fit.parameters:
        parts = [f"{part} ± {error:.2g}" for part, error in fit.error_parts(name).items() if error > 0]
        beside = [", ".join(parts)] if parts else []
        if name in truth:
            beside.append(f"truth {truth[name]:g}, pull {(fit.values[name] - truth[name]) / fit.errors[name]:+.1f}")
        cards.append(Card(naming.label(name), naming.value(name, fit.values[name], fit.errors[name]), tuple(beside)))
    return cards


def _coverage_cards(summaries: Sequence[ParameterCoverage], limits: Limits, naming: Naming) -> list[Card]:
    return [
        Card(
            f"coverage of {naming.label(summary.name)}",
            f"{100 * summary.coverage:.0f} %",
            (f"bias {_percent(summary)}", f"pulls {with_error(summary.pull_width, summary.pull_width_error)} wide"),
            outcome_of(summary, limits),
        )
        for summary in summaries
    ]


def _percent(summary: ParameterCoverage) -> str:
    if math.isnan(summary.bias_percent):
        return with_error(summary.bias, summary.bias_error)
    return f"{with_error(summary.bias_percent, summary.bias_percent_error)} %"


def _estimates(fits: Mapping[str, Fit], truth: Mapping[str, float], naming: Naming) -> Chapter:
    rows = []
    for label, fit in fits.items():
        for p, name in enumerate(fit.parameters):
            parts = fit.error_parts(name)
            likelihood = fit.likelihood_covariance
            profile = fit.profile_intervals.get(name)
            rows.append(
                (
                    f"{label}: {naming.label(name)}",
                    naming.value(name, fit.values[name], fit.errors[name]),
                    *(f"{parts[part]:.2g}" if parts.get(part, 0) > 0 else DASH for part in ERROR_PARTS),
                    DASH if likelihood is None else f"{math.sqrt(likelihood[p, p]):.2g}",
                    DASH if profile is None else f"{profile[0]:.5g} to {profile[1]:.5g}",
                    f"{truth[name]:g}" if name in truth else DASH,
                )
            )
    return Chapter(
        "estimates",
        "Parameters",
        (_SHARES,),
        columns=("fit", "value", *ERROR_PARTS, "curvature alone", "profile", "truth"),
        rows=tuple(rows),
    )


def _shape(fits: Mapping[str, Fit], truth: Mapping[str, float], naming: Naming) -> list[Chapter]:
    """Return scans of the first fit and ellipses of all that share its parameters."""
    main = next(iter(fits.values()))
    pictures = []
    for name, scan in main.scans.items():
        likelihood = main.method == "likelihood_ratio"
        drawn = scan_figure(
            scan.values,
            [Curve("profile" if scan.profiled else "others held", scan.rise)],
            name=naming.label(name),
            units=naming.unit(name),
            value_label="2 Δ(−log L)" if likelihood else "Rise of the objective",
            marked={"truth": truth[name]} if name in truth else None,
            expected=1.0 if likelihood else None,
            logarithmic=False,
        )
        pictures.append(picture(drawn, f"the objective against {naming.label(name)}"))
    alike = [(label, fit) for label, fit in fits.items() if fit.parameters == main.parameters][:5]
    for i, j in combinations(range(len(main.parameters)), 2):
        names = (main.parameters[i], main.parameters[j])
        drawn = ellipses_figure(
            [(label, fit.estimates[[i, j]], fit.covariance[np.ix_([i, j], [i, j])]) for label, fit in alike],
            names=(naming.label(names[0]), naming.label(names[1])),
            units=(naming.unit(names[0]), naming.unit(names[1])),
            truth=(truth[names[0]], truth[names[1]]) if names[0] in truth and names[1] in truth else None,
        )
        pictures.append(picture(drawn, f"ellipses of {naming.label(names[0])} and {naming.label(names[1])}"))
    return [Chapter("shape", "Around the estimate", (), tuple(pictures))] if pictures else []


def _members(fit: Fit, naming: Naming) -> list[Chapter]:
    if len(fit.members) == 1:
        return []
    rows = [
        (f"member {number}", *(f"{value:.6g}" for value in values))
        for number, values in enumerate(fit.members, start=1)
    ]
    spread = fit.members.std(axis=0, ddof=1)
    rows.append(("spread", *(f"{value:.2g}" for value in spread)))
    text = "The fit of each network of the ensemble; the result is the fit of their mean log ratio."
    columns = ("network", *(naming.label(name) for name in fit.parameters))
    return [Chapter("members", "The ensemble", (text,), columns=columns, rows=tuple(rows))]


def _coverage(label: str, number: int, found: Coverage, limits: Limits, naming: Naming) -> Chapter:
    rows, pictures = [], []
    for p, name in enumerate(found.parameters):
        told = found.of(name)
        rows.append(
            (
                naming.label(name),
                str(told.experiments + told.failed),
                _percent(told),
                with_error(told.pull_mean, told.pull_mean_error),
                with_error(told.pull_width, told.pull_width_error),
                f"{100 * told.coverage:.0f} % ({100 * told.coverage_low:.0f} to {100 * told.coverage_high:.0f} %)",
                outcome_of(told, limits),
            )
        )
        pictures.append(picture(pull_figure(found.pulls[:, p], name=naming.label(name)), f"pulls of {name}"))
        truth = found.truths[:, p]
        if np.ptp(truth) == 0:
            ends = found.intervals[:, p]
            drawn = intervals_figure(
                found.estimates[:, p],
                ends[:, 0],
                ends[:, 1],
                float(truth[0]),
                name=naming.label(name),
                units=naming.unit(name),
            )
            pictures.append(picture(drawn, f"intervals of {name}"))
    failed = len(found.failures)
    text = (
        f"Required: a bias below {limits.bias_percent:g} % of the parameter, and 68.3 % intervals that contain the "
        f"truth in {100 * limits.coverage[0]:.0f} to {100 * limits.coverage[1]:.0f} % of pseudo-experiments."
    )
    more = f"{failed} fits failed and count as intervals that miss." if failed else ""
    columns = ("parameter", "experiments", "bias", "mean pull", "pulls' width", "coverage", "outcome")
    return Chapter(
        f"coverage-{number + 1}",
        f"Pseudo-experiments: {label}",
        (text, more) if more else (text,),
        tuple(pictures),
        columns=columns,
        rows=tuple(rows),
    )


def _calibration(curve: CalibrationCurve, naming: Naming) -> Chapter:
    errors = curve.slope_errors()
    rows, pictures = [], list[Picture]()
    for p, name in enumerate(curve.parameters):
        slopes = tuple(with_error(curve.slope[p, q], errors[p, q]) for q in range(len(curve.parameters)))
        rows.append((naming.label(name), *slopes, f"{curve.intercept[p]:.4g}"))
        order = np.argsort(curve.truths[:, p], kind="stable")
        drawn = scan_figure(
            curve.truths[order, p],
            [Curve("estimate − truth", curve.biases[order, p])],
            name=f"true {naming.label(name)}",
            units=naming.unit(name),
            value_label="Estimate − truth",
            expected=0.0,
            logarithmic=False,
        )
        pictures.append(picture(drawn, f"bias of {name} against its true value, before calibration"))
    return Chapter(
        "calibration",
        "Calibration",
        (f"From {len(curve.truths)} pseudo-experiments at parameters drawn from the prior: estimate = A truth + b.",),
        tuple(pictures),
        columns=("estimate of", *(f"slope in {naming.label(name)}" for name in curve.parameters), "intercept"),
        rows=tuple(rows),
    )
