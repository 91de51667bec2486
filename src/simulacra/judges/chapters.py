"""The chapters of a report: what each shows, its figures and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulacra.judges import plots
from simulacra.judges.calorimeter import shower_images
from simulacra.judges.calorimeter.showers import EnergyProfiles
from simulacra.judges.distances.divisions import REPLICATES
from simulacra.judges.finding import Finding
from simulacra.judges.wording import with_error
from simulacra.pages import Chapter, Picture
from simulacra.pages.style import axis_label, image_uri

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

MOST_HISTOGRAMS: Final = 48

IMAGES_TEXT: Final = (
    "The mean energy in each cell of each section, on one logarithmic colour scale a section, and the ratio of "
    "the means; cells whose mean is known to no better than 50 % in the truth are left grey in the ratio."
)
HISTOGRAMS_TEXT: Final = (
    "The worst observable first. Error bars and bands are statistical (one standard deviation); arrows in the "
    "ratio panels point to ratios beyond the panel. A hollow point at an end stands for all showers beyond it."
)
DISTANCES_TEXT: Final = (
    "The 1-Wasserstein distance W₁ in standard deviations of the truth and in the observable's unit, and the "
    "separation power ½ Σ (t − g)² / (t + g) of the histograms above (0 equal, 1 disjoint; bins with fewer than ten "
    "truth events are joined), with bootstrap errors. Truth against truth: mean and standard deviation over pairs of "
    "samples of the same sizes, drawn from {n:,} truth events. p: share of random divisions of all events into two "
    "such samples that lie at least as far apart in W₁; below {least:.3f} cannot be told."
)
CLASSIFIERS_TEXT: Final = (
    "Classifiers are trained to tell generated events from truth, with the conditions (and, beside the cells, the "
    "sections' sums) among their features, and judged on events that they have not seen (5 folds, repeated with "
    "other folds and seeds). An AUC of 0.5 means that they cannot, 1 that they always can. An AUC clearly above that "
    "of truth against truth proves a difference; the converse is not true, for a better classifier may find one."
)


def chapters_of(verdict: Verdict) -> list[Chapter]:
    """Return the chapters that the verdict has evidence for."""
    chapters = []
    if verdict.showers is not None:
        chapters.append(_images(verdict))
    chapters += [_histograms(verdict), _distances(verdict), _classifiers(verdict)]
    if verdict.showers is not None and verdict.showers.profiles:
        chapters.append(_response(verdict))
    if verdict.neighbours is not None:
        chapters.append(_neighbours(verdict))
    if verdict.showers is not None:
        chapters += [_scans(verdict), _extrapolation(verdict)]
    return chapters


def _images(verdict: Verdict) -> Chapter:
    if verdict.showers is None:
        raise ValueError("mean images need showers")
    geometry, images = verdict.showers.geometry, verdict.showers.images
    labels = verdict.truth_label, verdict.generated_label
    pictures = []
    for section in shower_images.shown_sections(geometry):
        title = shower_images.section_title(geometry, section)
        kinds = (f"mean of {labels[0]}", f"mean of {labels[1]}", f"{labels[1]} over {labels[0]}")
        for image, kind in zip(shower_images.mean_image_figures(geometry, images, section, labels), kinds, strict=True):
            pictures.append(Picture(image_uri(image, "png"), f"{title}: {kind}"))
    misplaced = [f.sentence for f in verdict.findings if f.judge == "misplaced_energy"]
    return Chapter(
        "images",
        "Mean images",
        (
            IMAGES_TEXT,
            *misplaced,
        ),
        tuple(pictures),
    )


def _histograms(verdict: Verdict) -> Chapter:
    distance = _by_observable(verdict, "wasserstein_distance")
    separation = _by_observable(verdict, "separation_power")
    pictures = []
    for comparison in verdict.comparisons[:MOST_HISTOGRAMS]:
        svg = plots.histogram_figure(comparison, verdict.truth_label, verdict.generated_label)
        w, s = distance[comparison.observable], separation[comparison.observable]
        caption = (
            f"W₁ = {with_error(w.value, w.uncertainty)} σ (truth against truth {_truth(w)}), "
            f"separation power {with_error(s.value, s.uncertainty)} ({_truth(s)})"
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
    separation = _by_observable(verdict, "separation_power")
    rows = []
    for name, w in _by_observable(verdict, "wasserstein_distance").items():
        s, units = separation[name], str(w.details["observable_units"])
        in_units = with_error(_number(w, "in_units"), _number(w, "uncertainty_in_units"), units)
        rows.append(
            (
                name.replace("_", " "),
                with_error(w.value, w.uncertainty),
                _truth(w),
                in_units,
                with_error(s.value, s.uncertainty),
                _truth(s),
                _p_value(w),
            )
        )
    return Chapter(
        "distances",
        "Distances, all observables",
        (DISTANCES_TEXT.format(n=verdict.n_pool, least=1 / (REPLICATES + 1)),),
        columns=("observable", "W₁ [σ]", "truth–truth", "W₁ [unit]", "separation", "truth–truth", "p"),
        rows=tuple(rows),
    )


def _classifiers(verdict: Verdict) -> Chapter:
    rows = []
    for roc in verdict.rocs:
        judged, chance = roc.judged, roc.truth
        rows.append(
            (
                roc.observable,
                with_error(judged.auc, judged.uncertainty),
                with_error(chance.auc, chance.uncertainty),
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
        columns=("classifier on", "AUC", "truth–truth", "events", "truth–truth events"),
        rows=tuple(rows),
    )


def _response(verdict: Verdict) -> Chapter:
    profiles = verdict.showers.profiles if verdict.showers is not None else ()
    labels = verdict.truth_label, verdict.generated_label
    pictures = []
    for found in profiles:
        svg = plots.profile_figure(found, *labels)
        pictures.append(Picture(image_uri(svg, "svg+xml"), f"Mean of {found.long_name} against incident energy"))
    resolution = image_uri(plots.profile_figure(profiles[0], *labels, width=True), "svg+xml")
    pictures.insert(1, Picture(resolution, "Energy resolution against incident energy"))
    sentences = [f.sentence for f in verdict.findings if f.judge in ("response_linearity", "energy_resolution")]
    return Chapter(
        "response",
        "Against the incident energy",
        (
            *sentences,
            "Each point is a bin of incident energies. The width is half the central interval with 68 % of showers.",
        ),
        tuple(pictures),
    )


def _neighbours(verdict: Verdict) -> Chapter:
    found, showers = verdict.neighbours, verdict.showers
    if found is None or showers is None:
        raise ValueError("nearest neighbours need showers")
    labels = verdict.truth_label, verdict.generated_label
    distances = plots.distance_figure(found.generated, found.truth, found.reference, labels)
    pictures = [
        Picture(image_uri(distances, "svg+xml"), "Distances to the nearest shower", "Distances to the nearest shower")
    ]
    sections = shower_images.shown_sections(showers.geometry)
    for near in found.shown:
        titles = [f"Generated\n{near.incident_energy:.3g} GeV"]
        titles += [
            f"Neighbour {k + 1}\n{energy:.3g} GeV, d = {distance:.3f}"
            for k, (energy, distance) in enumerate(zip(near.neighbour_energies, near.distances, strict=True))
        ]
        image = shower_images.shower_rows(showers.geometry, [near.cells, *near.neighbour_cells], titles, sections)
        caption = (
            f"A generated shower of {near.incident_energy:.3g} GeV and the {found.reference} showers nearest to it"
        )
        pictures.append(Picture(image_uri(image, "png"), caption, caption))
    sentences = [f.sentence for f in verdict.findings if f.judge == "nearest_neighbour_distance"]
    return Chapter("neighbours", "Nearest neighbours", tuple(sentences), large_pictures=tuple(pictures))


def _scans(verdict: Verdict) -> Chapter:
    title = "Scans at fixed noise"
    if not verdict.scans or verdict.showers is None:
        return Chapter("scans", title, ("Not judged: this needs the generator itself (option --generator).",))
    profiles = {found.quantity: found for found in verdict.showers.profiles}
    pictures = []
    for scan in verdict.scans:
        if scan.condition == "incident_energy":
            shown = [name for name in ("energy_response", *scan.observables) if name in profiles]
        else:
            direction = "eta" if scan.condition == "impact_x" else "phi"
            shown = [name for name in scan.observables if name.startswith(f"{direction}_centre_")]
        for name in dict.fromkeys(shown):
            label = _label(verdict, name)
            svg = plots.scan_figure(
                scan, name, label, _if_energy(scan.condition, profiles.get(name)), verdict.truth_label
            )
            pictures.append(Picture(image_uri(svg, "svg+xml"), f"{label} against {scan.condition} at fixed noise"))
    large = []
    sections = shower_images.shown_sections(verdict.showers.geometry)
    for scan in verdict.scans:
        unit = "GeV" if scan.condition == "incident_energy" else "mm"
        titles = [f"{value:.3g} {unit}" for value in scan.image_values]
        image = shower_images.shower_rows(verdict.showers.geometry, list(scan.images), titles, sections)
        caption = f"One noise, {scan.condition.replace('_', ' ')} moved"
        large.append(Picture(image_uri(image, "png"), caption, caption))
    sentences = [f.sentence for f in verdict.findings if f.judge in ("energy_scan", "position_scan")]
    text = (
        "Every shower of a line has the same random numbers; only the condition moves. The truth is not at fixed noise."
    )
    return Chapter("scans", title, (text, *sentences), tuple(pictures), tuple(large))


def _extrapolation(verdict: Verdict) -> Chapter:
    title = "Beyond the trained range"
    found = verdict.extrapolation
    if found is None or verdict.showers is None:
        text = "Not judged: this needs the generator itself (option --generator)."
        return Chapter("extrapolation", title, (text,), mark="extrapolation")
    profiles = {one.quantity: one for one in verdict.showers.profiles}
    pictures = []
    for name in found.profiles:
        label = _label(verdict, name)
        svg = plots.extrapolation_figure(found, name, label, profiles.get(name), verdict.truth_label)
        pictures.append(Picture(image_uri(svg, "svg+xml"), f"{label} inside and beyond the trained range"))
    sentences = [f.sentence for f in verdict.findings if f.judge == "extrapolation"]
    text = (
        f"The generator was trained from {found.trained[0]:.3g} to {found.trained[1]:.3g} GeV. Hollow points on shaded "
        "ground are extrapolation: nothing in the verdict above covers them."
    )
    return Chapter("extrapolation", title, (text, *sentences), tuple(pictures), mark="extrapolation")


def _if_energy(condition: str, profiles: EnergyProfiles | None) -> EnergyProfiles | None:
    return profiles if condition == "incident_energy" else None


def _label(verdict: Verdict, observable: str) -> str:
    for comparison in verdict.comparisons:
        if comparison.observable == observable:
            return axis_label(comparison.long_name, comparison.units)
    return observable.replace("_", " ")


def _by_observable(verdict: Verdict, judge: str) -> dict[str, Finding]:
    found = [finding for finding in verdict.findings if finding.judge == judge]
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


def _truth(finding: Finding) -> str:
    if finding.truth_value is None:
        return "–"
    return with_error(finding.truth_value, finding.truth_uncertainty or 0.0)
