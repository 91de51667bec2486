"""The figure of dust: patches, samples, their spectra and pixels, and a map with a hole beside what is drawn for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: names of the samples in the figure, and how they are drawn
STYLES = (("truth", "k-", "Planck, regions never seen"), ("other", "k:", "Planck, other regions"))


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw patches beside samples, a map with a hole, and statistics of standardised patches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    figure = Figure(figsize=(13, 10.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.1, 1))
    samples, maps = above.subfigures(1, 2, wspace=0.04)
    rows = (("Planck", found["dust-vae"]["shown"]["truth"]), ("dust-vae", found["dust-vae"]["shown"]["model"]))
    rows += (("dust-flow", found["dust-flow"]["shown"]["model"]),)
    for places, (name, patches) in zip(samples.subplots(3, 3), rows, strict=True):
        for column, (axes, patch) in enumerate(zip(places, patches[:3], strict=True)):
            axes.imshow(np.array(patch), cmap="inferno", origin="lower", rasterized=True)
            axes.set(xticks=[], yticks=[])
            if column == 0:
                axes.set_ylabel(name)
    _maps(maps.subplots(3, 3).ravel(), found["maps"]["shown"])
    statistics = below.subplots(1, 3)
    names = (("power spectrum", "P / P of Planck"), ("Minkowski functionals", "Euler characteristic"))
    for column, (name, label) in enumerate(names):
        axes = statistics[column]
        for key, style, text, of in _curves():
            values = np.array(found[of]["means"][name][key])
            if name == "power spectrum":
                values = values / np.array(found[of]["means"][name]["truth"])
                axes.plot(np.arange(len(values)), values, style, marker=".", label=text)
            else:
                axes.plot(np.linspace(-2, 3, len(values) // 3), values[2::3], style, marker=".", label=text)
        axes.set(xlabel="bin of the wave number" if column == 0 else "threshold [σ]", ylabel=label)
        if column == 0:
            axes.legend(frameon=False, fontsize="small")
    axes = statistics[2]
    edges = np.linspace(-6, 9, 301)
    for key, style, text, of in _curves():
        values = np.array(found[of]["means"]["pixels"][key])
        axes.plot((edges[1:] + edges[:-1]) / 2, np.maximum(values, 1e-6), style, label=text, linewidth=1)
    axes.set(yscale="log", xlim=(-4, 6), ylim=(1e-5, 0.1), xlabel="ln E(B-V) of a standardised patch", ylabel="pixels")
    figure.savefig(path, metadata={"Date": None}, dpi=100)


def _curves() -> list[tuple[str, str, str, str]]:
    """Return key, style, label and model of the curves."""
    truths = [(key, style, label, "dust-vae") for key, style, label in STYLES]
    return [*truths, ("model", "C0-", "dust-vae", "dust-vae"), ("model", "C1-", "dust-flow", "dust-flow")]


def _maps(places: Any, shown: Mapping[str, Any]) -> None:
    """Draw a patch that is seen with a hole, two draws and their mean and width, and the Wiener filter's mean."""
    truth = np.array(shown["truth"])
    seen = np.array(shown["seen"])
    panels = (
        ("a patch", truth),
        ("seen with noise", np.where(seen < -90, np.nan, seen)),
        ("a draw", np.array(shown["draws"][0])),
        ("another draw", np.array(shown["draws"][1])),
        ("mean of draws", np.array(shown["mean"])),
        ("Wiener filter", np.array(shown["Wiener filter"])),
        ("deviation of draws", np.array(shown["width"])),
        ("draw minus patch", np.array(shown["draws"][0]) - truth),
    )
    places[-1].set_visible(False)
    for place, (axes, (title, values)) in enumerate(zip(places, panels, strict=False)):
        limits = {} if place > 5 else {"vmin": truth.min(), "vmax": truth.max()}
        axes.imshow(values, cmap="inferno", origin="lower", rasterized=True, **limits)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize="small")
