"""The figure of fields: exact and learned likelihoods, fits of parameters, and N-body patches with their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw three panels of random fields, and five of N-body planes if they were measured."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    nbody = found.get("nbody")
    figure = Figure(figsize=(13, 6.4 if nbody else 3.4), layout="constrained")
    rows = 2 if nbody else 1
    grid = figure.add_gridspec(rows, 4)
    axes = figure.add_subplot(grid[0, 0])
    for name, colour in (("gaussian", "C0"), ("lognormal", "C1")):
        both = found[name]["likelihoods"]
        exact, flow = np.array(both["exact"]), np.array(both["flow"])
        axes.plot(exact, 1e3 * (flow - exact), ".", color=colour, markersize=3, label=name)
    axes.axhline(0, color="k", linewidth=0.6)
    axes.set(xlabel="exact log-likelihood a pixel", ylabel="learned minus exact [1e-3]", title="random fields")
    axes.legend(frameon=False, fontsize="small")
    for column, name in ((1, "gaussian"), (2, "lognormal")):
        axes = figure.add_subplot(grid[0, column])
        for k, (which, fits) in enumerate(found[name]["fits"].items()):
            off = np.array(fits["off"])
            axes.plot(*off.T, ".", markersize=3, alpha=0.6, color=f"C{(0, 7, 3)[k]}", label=which, zorder=-k)
        axes.set(xlabel="ln A, fitted minus true", ylabel="s, fitted minus true", title=f"fits of {name} fields")
        axes.legend(frameon=False, fontsize="small")
    if nbody is None:
        figure.savefig(path, metadata={"Date": None})
        return
    drawn = nbody["drawn"]
    for row, (which, title) in enumerate((("truth", "N-body, never seen"), ("model", "generated"))):
        axes = figure.add_subplot(grid[row, 3])
        axes.imshow(np.arcsinh(np.array(drawn[which])), cmap="magma", vmin=-0.8, vmax=2.2)
        axes.set(xticks=[], yticks=[], title=title)
    styles = (("truth", "k-", "N-body"), ("model", "C0-", "generated"), ("other", "k:", "N-body, other places"))
    histogram, axes = drawn["histogram"], figure.add_subplot(grid[1, 0])
    middle = (np.array(histogram["edges"])[1:] + np.array(histogram["edges"])[:-1]) / 2
    for which, style, label in styles:
        axes.plot(middle, np.maximum(histogram[which], 1e-5), style, label=label)
    axes.set(yscale="log", xlabel="density contrast [σ]", ylabel="pixels")
    axes.legend(frameon=False, fontsize="small")
    for column, (name, label) in enumerate((("power spectrum", "P / P of N-body"), ("peaks", "peaks a patch")), 1):
        axes = figure.add_subplot(grid[1, column])
        means = nbody["statistics"][name]["mean"]
        for which, style, text in styles:
            values = np.array(means[which])
            ratio = values / np.array(means["truth"]) if name == "power spectrum" else values
            axes.plot(np.arange(len(values)), ratio, style, marker=".", label=text)
        axes.set(xlabel="bin of k" if column == 1 else "bin of height", ylabel=label)
        if name == "peaks":
            axes.set_yscale("log")
    figure.savefig(path, metadata={"Date": None})
