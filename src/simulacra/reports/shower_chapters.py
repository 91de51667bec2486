"""The chapters for showers only: images, response, nearest neighbours, scans, extrapolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.judges.calorimeter.images_and_response import ShowerEvidence
from simulacra.judges.calorimeter.neighbours import Neighbours
from simulacra.judges.calorimeter.scans import Scanned
from simulacra.pages import Chapter, picture
from simulacra.pages.style import axis_label
from simulacra.reports.memorisation_chapter import distances_figure
from simulacra.reports.shower_figures import extrapolation_figure, profile_figure, scan_figure
from simulacra.reports.shower_images import mean_image_figures, section_title, shower_rows, shown_sections

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

IMAGES_TEXT: Final = (
    "The mean energy in each cell of each section, on one logarithmic colour scale per section, and the ratio of the "
    "means. In the ratio, cells are grey if the truth's mean is not known to better than 50 %."
)
NOT_JUDGED: Final = "Not judged: this needs the generator itself (option --generator)."


def images_chapter(showers: ShowerEvidence, verdict: Verdict) -> Chapter:
    """Return the chapter on mean images."""
    truth, generated = verdict.labels
    pictures = []
    for section in shown_sections(showers.geometry):
        figures = mean_image_figures(showers.geometry, showers.images, section, verdict.labels)
        what = (f"mean of {truth}", f"mean of {generated}", f"{generated} over {truth}")
        pictures += [
            picture(image, f"{section_title(showers.geometry, section)}: {one}", kind="png")
            for image, one in zip(figures, what, strict=True)
        ]
    text = (IMAGES_TEXT, *verdict.said_by("misplaced_energy"))
    return Chapter("images", "Mean images", text, tuple(pictures))


def response_chapter(showers: ShowerEvidence, verdict: Verdict) -> Chapter | None:
    """Return the chapter on response, resolution and fractions against the incident energy, if that varies."""
    if not showers.profiles:
        return None
    pictures = [
        picture(profile_figure(found, *verdict.labels), f"Mean of {found.long_name} against incident energy")
        for found in showers.profiles
    ]
    resolution = profile_figure(showers.profiles[0], *verdict.labels, width=True)
    pictures.insert(1, picture(resolution, "Energy resolution against incident energy"))
    text = (
        *verdict.said_by("response_linearity", "energy_resolution"),
        "Each point is a bin of incident energies. The width is half the central interval with 68 % of showers.",
    )
    return Chapter("response", "Against the incident energy", text, tuple(pictures))


def neighbours_chapter(found: Neighbours, verdict: Verdict) -> Chapter:
    """Return the chapter on the showers nearest to a few generated ones."""
    geometry = verdict.evidence["showers"].geometry
    truth, generated = verdict.labels
    distances = distances_figure(
        (
            (found.truth, np.ones(len(found.truth)), f"unseen {truth}"),
            (found.generated, np.ones(len(found.generated)), generated),
        ),
        f"Hellinger distance to the nearest {found.reference} shower",
        "showers",
    )
    title = "Distances to the nearest shower"
    pictures = [picture(distances, title, title)]
    for near in found.shown:
        titles = [f"Generated\n{near.incident_energy:.3g} GeV"]
        titles += [
            f"Neighbour {k + 1}\n{energy:.3g} GeV, d = {distance:.3f}"
            for k, (energy, distance) in enumerate(zip(near.neighbour_energies, near.distances, strict=True))
        ]
        image = shower_rows(geometry, [near.cells, *near.neighbour_cells], titles, shown_sections(geometry))
        caption = (
            f"A generated shower of {near.incident_energy:.3g} GeV and the {found.reference} showers nearest to it"
        )
        pictures.append(picture(image, caption, caption, kind="png"))
    text = verdict.said_by("nearest_neighbour_distance")
    return Chapter("neighbours", "Nearest neighbours", text, large_pictures=tuple(pictures))


def scans_chapter(showers: ShowerEvidence, verdict: Verdict) -> Chapter:
    """Return the chapter on scans at fixed noise."""
    title = "Scans at fixed noise"
    scanned: Scanned | None = verdict.evidence.get("scanned")
    if scanned is None or not scanned.scans:
        return Chapter("scans", title, (NOT_JUDGED,))
    profiles = {found.quantity: found for found in showers.profiles}
    pictures, large = [], []
    for scan in scanned.scans:
        energy = scan.condition == "incident_energy"
        if energy:
            shown = [name for name in ("energy_response", *scan.observables) if name in profiles]
        else:
            direction = "eta" if scan.condition == "impact_x" else "phi"
            shown = [name for name in scan.observables if name.startswith(f"{direction}_centre_")]
        for name in dict.fromkeys(shown):
            label = _label(verdict, name)
            svg = scan_figure(scan, name, label, profiles.get(name) if energy else None, verdict.truth_label)
            pictures.append(picture(svg, f"{label} against {scan.condition} at fixed noise"))
        titles = [f"{value:.3g} {'GeV' if energy else 'mm'}" for value in scan.image_values]
        image = shower_rows(showers.geometry, list(scan.images), titles, shown_sections(showers.geometry))
        caption = f"Noise fixed, {scan.condition.replace('_', ' ')} varied"
        large.append(picture(image, caption, caption, kind="png"))
    text = (
        "All showers of a line have the same random numbers; only the condition changes. The truth is not at fixed "
        "noise."
    )
    return Chapter(
        "scans", title, (text, *verdict.said_by("energy_scan", "position_scan")), tuple(pictures), tuple(large)
    )


def extrapolation_chapter(showers: ShowerEvidence, verdict: Verdict) -> Chapter:
    """Return the chapter on showers beyond the trained range."""
    title, mark = "Beyond the trained range", "extrapolation"
    scanned: Scanned | None = verdict.evidence.get("scanned")
    if scanned is None or (found := scanned.extrapolation) is None:
        return Chapter("extrapolation", title, (NOT_JUDGED,), mark=mark)
    profiles = {one.quantity: one for one in showers.profiles}
    pictures = []
    for name in found.profiles:
        label = _label(verdict, name)
        svg = extrapolation_figure(found, name, label, profiles.get(name), verdict.truth_label)
        pictures.append(picture(svg, f"{label} inside and beyond the trained range"))
    text = (
        f"The generator was trained from {found.trained[0]:.3g} to {found.trained[1]:.3g} GeV. Hollow points on grey "
        "background are extrapolation: the verdict above does not cover them."
    )
    return Chapter("extrapolation", title, (text, *verdict.said_by("extrapolation")), tuple(pictures), mark=mark)


def _label(verdict: Verdict, observable: str) -> str:
    for comparison in verdict.evidence["histograms"]:
        if comparison.observable == observable:
            return axis_label(comparison.long_name, comparison.units)
    return observable.replace("_", " ")
