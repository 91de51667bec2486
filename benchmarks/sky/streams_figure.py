"""The figure of streams: GD-1's candidates on the sky, its chance by region, false alarms, and planted streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw four panels."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    sky, regions, alarms, planted = figure.subplots(2, 2).ravel()
    gd1 = found["gd1"]
    one = gd1["photometry, flows"]
    place, likely = np.array(one["positions"]).reshape(-1, 2), np.array(one["is_member"], dtype=bool)
    sky.plot(*place[likely].T, ".", color="C0", label=f"likely members of 2018 ({likely.sum()})")
    sky.plot(*place[~likely].T, "x", color="C3", label=f"others ({(~likely).sum()})")
    sky.set(
        xlabel="φ₁ [deg]", ylabel="φ₂ [deg]", title="candidates of a scan by colour and magnitude", ylim=(-5.5, 5.5)
    )
    sky.legend(frameon=False, fontsize="small")
    for k, (name, search) in enumerate(gd1.items()):
        if not name.startswith("kinematics"):
            continue
        for motion, marker in (("proper_motion_phi1", "o"), ("proper_motion_phi2", "s")):
            rows = [(low + high) / 2 for which, low, high, _ in search["p_values"] if which == motion]
            chance = [p for which, _, _, p in search["p_values"] if which == motion]
            label = f"{name.split(', ')[1]}, {motion[-4:]}"
            regions.plot(rows, np.maximum(chance, 1e-8), marker, color=f"C{k}", markersize=4, label=label)
    number = gd1["kinematics, cwola"]["regions"]
    regions.axhline(0.05 / number, color="k", linestyle=":", label=f"5 % in {number} regions")
    regions.set(yscale="log", xlabel="middle of the signal region [mas/yr]", ylabel="chance of its line")
    regions.set_title("all proper motions, no colours")
    regions.legend(frameon=False, fontsize="small")
    for k, (kind, mocks) in enumerate(found["false_alarms"].items()):
        values = np.sort(mocks["p_values"])
        alarms.step(
            values, (1 + np.arange(len(values))) / len(values), color=f"C{k}", label=f"{kind}, {len(values)} fields"
        )
    alarms.plot([0, 1], [0, 1], color="k", linestyle=":", label="exact")
    alarms.axvline(0.05, color="0.7")
    alarms.set(
        xlabel="chance that a search states", ylabel="share of fields without a stream", xlim=(0, 1), ylim=(0, 1)
    )
    alarms.legend(frameon=False, fontsize="small")
    sizes = [int(size) for size in found["planted"]["efficiency"]]
    share, error = np.array(list(found["planted"]["efficiency"].values())).T
    planted.errorbar(sizes, share, error, fmt="o-", color="C0", capsize=2)
    planted.set(xscale="log", xlabel="stars of a planted stream", ylabel="found [%]", ylim=(-3, 103))
    planted.set_xticks(sizes, [str(size) for size in sizes])
    planted.minorticks_off()
    figure.savefig(path, metadata={"Date": None})
