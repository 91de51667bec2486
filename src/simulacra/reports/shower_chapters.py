"""The chapters of a report that only showers have: images, response, nearest neighbours, scans, extrapolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulacra.judges.calorimeter.showers import EnergyProfiles
from simulacra.pages import Chapter, Picture
from simulacra.pages.style import axis_label, image_uri
from simulacra.reports import plots, shower_images

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

IMAGES_TEXT: Final = (
    "The mean energy in each cell of each section, on one logarithmic colour scale a section, and the ratio of "
    "the means; cells whose mean is known to no better than 50 % in the truth are left grey in the ratio."
)


def images_chapter(verdict: Verdict) -> Chapter:
    """Return the chapter of mean images."""
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
    misplaced = [f.sentence for f in verdict.plain_findings if f.judge == "misplaced_energy"]
    return Chapter(
        "images",
        "Mean images",
        (
            IMAGES_TEXT,
            *misplaced,
        ),
        tuple(pictures),
    )


def response_chapter(verdict: Verdict) -> Chapter:
    """Return the chapter of response, resolution and fractions against the incident energy."""
    profiles = verdict.showers.profiles if verdict.showers is not None else ()
    labels = verdict.truth_label, verdict.generated_label
    pictures = []
    for found in profiles:
        svg = plots.profile_figure(found, *labels)
        pictures.append(Picture(image_uri(svg, "svg+xml"), f"Mean of {found.long_name} against incident energy"))
    resolution = image_uri(plots.profile_figure(profiles[0], *labels, width=True), "svg+xml")
    pictures.insert(1, Picture(resolution, "Energy resolution against incident energy"))
    sentences = [f.sentence for f in verdict.plain_findings if f.judge in ("response_linearity", "energy_resolution")]
    return Chapter(
        "response",
        "Against the incident energy",
        (
            *sentences,
            "Each point is a bin of incident energies. The width is half the central interval with 68 % of showers.",
        ),
        tuple(pictures),
    )


def neighbours_chapter(verdict: Verdict) -> Chapter:
    """Return the chapter of the showers nearest to a few generated ones."""
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
    sentences = [f.sentence for f in verdict.plain_findings if f.judge == "nearest_neighbour_distance"]
    return Chapter("neighbours", "Nearest neighbours", tuple(sentences), large_pictures=tuple(pictures))


def scans_chapter(verdict: Verdict) -> Chapter:
    """Return the chapter of scans at fixed noise."""
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
    sentences = [f.sentence for f in verdict.plain_findings if f.judge in ("energy_scan", "position_scan")]
    text = (
        "Every shower of a line has the same random numbers; only the condition moves. The truth is not at fixed noise."
    )
    return Chapter("scans", title, (text, *sentences), tuple(pictures), tuple(large))


def extrapolation_chapter(verdict: Verdict) -> Chapter:
    """Return the chapter of what lies beyond the trained range."""
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
    sentences = [f.sentence for f in verdict.plain_findings if f.judge == "extrapolation"]
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
