"""The chapter on memorisation: distances to the nearest training event, and the pictures of the closest pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.memorisation import Memorisation
from simulacra.judges.samples import Sample
from simulacra.pages import Chapter, Picture, picture
from simulacra.pages.style import GENERATED, TRUTH, new_figure, points, svg_of, title
from simulacra.reports import shower_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

JUDGES: Final = ("memorisation", "copies_of_training", "far_from_training")
BINS: Final = 36
MOST_COLUMNS: Final = 8
TITLE: Final = "Memorised training events?"
NOT_JUDGED: Final = "Not judged: this needs the training events of the generator (option --train)."
TEXT: Final = (
    "The nearest training event with nearly equal conditions is found for each generated event, and for each truth "
    "event that was not used in training. Below: the distances, and the closest pairs for their conditions."
)


def memorisation_chapter(
    found: Memorisation | None, findings: Sequence[Finding], truth_label: str, generated_label: str
) -> Chapter:
    """Return the chapter; without training events it says that memorisation was not judged.

    Parameters
    ----------
    found, findings:
        output of :func:`~simulacra.judges.generalisation.memorisation.judge_memorisation`; findings of other judges are
        ignored.
    truth_label, generated_label:
        names of the samples.
    """
    if found is None:
        return Chapter("memorisation", TITLE, (NOT_JUDGED,))
    distances = (
        (found.truth, found.truth_weights, f"unseen {truth_label}"),
        (found.generated, found.generated_weights, generated_label),
    )
    svg = distances_figure(distances, f"Nearest training event: {found.metric}", "events")
    pictures, large = [picture(svg, "Distances to the nearest training event")], []
    pairs, sample = range(len(found.closest_distances)), found.closest_generated
    if sample.geometry is not None:
        large = [_showers(found, k, sample.geometry) for k in pairs]
    elif sample.cloud is not None or sample.shapes:
        pictures += [_picture(found, k) for k in pairs]
    columns, rows = _table(found)
    sentences = tuple(finding.sentence for finding in findings if finding.judge in JUDGES)
    return Chapter("memorisation", TITLE, (*sentences, TEXT), tuple(pictures), tuple(large), columns=columns, rows=rows)


def distances_figure(samples: Sequence[tuple[np.ndarray, np.ndarray, str]], what: str, noun: str) -> bytes:
    """Draw the distribution of distances to the nearest reference.

    Parameters
    ----------
    samples:
        distances and weights, (N,) each, and the label, of the truth and of the generated events.
    what:
        label of the axis.
    noun:
        name of the events, such as "showers".
    """
    high = float(max(np.quantile(values, 0.99) for values, _, _ in samples))
    edges = np.linspace(0, high if high > 0 else 1.0, BINS)
    with new_figure(4.6, 3.0) as figure:
        axes = figure.subplots()
        for (values, weights, label), colour in zip(samples, (TRUTH, GENERATED), strict=True):
            share = np.histogram(values, edges, weights=weights)[0] / weights.sum()
            error = np.sqrt(np.histogram(values, edges, weights=weights**2)[0]) / weights.sum()
            filled = colour == TRUTH
            axes.stairs(share, edges, color=colour, linewidth=1.2, label=label, fill=filled, alpha=0.3 if filled else 1)
            points(axes, (edges[1:] + edges[:-1]) / 2, share, error, colour, marker="none")
        axes.set(xlabel=what, ylabel=f"Share of {noun} per bin", xlim=(0, edges[-1]))
        axes.legend()
        return svg_of(figure)


def _showers(found: Memorisation, k: int, geometry: CalorimeterGeometry) -> Picture:
    rows, titles = [], []
    for sample, name in ((found.closest_generated, "Generated"), (found.closest_training, "Training")):
        rows.append(np.asarray(sample.cells)[k])
        energy = sample.conditions.get("incident_energy")
        titles.append(name if energy is None else f"{name}\n{energy[k]:.3g} GeV")
    image = shower_images.shower_rows(geometry, rows, titles, shower_images.shown_sections(geometry))
    caption = _caption(found, k)
    return picture(image, caption, caption, kind="png")


def _picture(found: Memorisation, k: int) -> Picture:
    with new_figure(4.2, 2.4) as figure:
        both = ((found.closest_generated, "generated"), (found.closest_training, "training"))
        if found.closest_generated.cloud is not None:
            axes = figure.subplots()
            for (sample, name), colour, face in zip(both, (GENERATED, TRUTH), (GENERATED, "none"), strict=True):
                _particles(axes, sample, k, name, colour, face)
            axes.legend()
        elif len(_shape(found.closest_generated)) > 1:
            for axes, (sample, name) in zip(figure.subplots(1, 2), both, strict=True):
                image = _values(sample, k)
                # Several channels or layers are summed.
                axes.imshow(image.reshape(-1, *image.shape[-2:]).sum(axis=0), cmap="viridis", aspect="auto")
                axes.set_axis_off()
                title(axes, name)
        else:
            axes = figure.subplots()
            for (sample, name), colour in zip(both, (GENERATED, TRUTH), strict=True):
                axes.plot(_series(sample, k), color=colour, linewidth=1.0, label=name)
            axes.set_xlabel(next(iter(found.closest_generated.shapes), "value").replace("_", " "))
            axes.legend()
        svg = svg_of(figure)
    return picture(svg, _caption(found, k), _caption(found, k))


def _particles(axes: Axes, sample: Sample, k: int, name: str, colour: str, face: str) -> None:
    cloud = sample.cloud
    if cloud is None:
        raise ValueError("a picture of particles needs a cloud")
    there = cloud.features[k][cloud.present[k]]
    second = min(1, there.shape[1] - 1)
    axes.scatter(there[:, 0], there[:, second], s=14, color=colour, facecolors=face, linewidths=0.8, label=name)
    axes.set_xlabel(cloud.names[0].replace("_", " "))
    axes.set_ylabel(cloud.names[second].replace("_", " "))


def _shape(sample: Sample) -> tuple[int, ...]:
    """Return the shape of the first array."""
    shape = next(iter(sample.shapes.values()))
    return tuple(n for n in shape if n > 1)


def _values(sample: Sample, k: int) -> np.ndarray:
    shape = _shape(sample)
    return np.asarray(np.asarray(sample.cells)[k, : int(np.prod(shape, dtype=np.int64))].reshape(shape))


def _series(sample: Sample, k: int) -> np.ndarray:
    """Return the values of a series that are present."""
    values = _values(sample, k).ravel()
    if sample.mask not in sample.shapes:
        return values
    place = list(sample.shapes).index(sample.mask)
    start = sum(int(np.prod(shape)) for shape in list(sample.shapes.values())[:place])
    return values[np.asarray(sample.cells)[k, start : start + len(values)] > 0]


def _number(value: float) -> str:
    """Return four digits, without an exponent if possible."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"


def _caption(found: Memorisation, k: int) -> str:
    return f"Pair {k + 1}: {found.metric} {found.closest_distances[k]:.3g}"


def _table(found: Memorisation) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the values of the pairs side by side."""
    sample = found.closest_generated
    names = [*sample.conditions, *sample.observables][:MOST_COLUMNS]
    rows = []
    for k, distance in enumerate(found.closest_distances):
        for side, name in ((sample, "generated"), (found.closest_training, "training")):
            values = [{**side.conditions, **side.observables}[one][k] for one in names]
            rows.append((f"{k + 1}, {name}", f"{distance:.3g}", *(_number(value) for value in values)))
    return ("pair", "distance", *(name.replace("_", " ") for name in names)), tuple(rows)
