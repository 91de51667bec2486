"""The talk's figure: chi2/ndf of each observable against alphaS from 0.10 to 0.20, before and after weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.reweighting.samples import SCAN, events

from simulacra.observables.clouds import VARIABLES, cloud_observables
from simulacra.pages.fit_figures import Curve, scan_figure
from simulacra.reweighting.closure import Observable, judge_closure
from simulacra.reweighting.represented import blocks_of
from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter
from simulacra.reweighting.weights_summary import summarise_weights

SOURCE_EVENTS = 40_000


def closure_against_alpha_s(folder: Path, model: str, scale: float) -> dict[str, Any]:
    """Weight default Pythia to each alphaS and compare with a simulation at this value."""
    reweighter = Reweighter.load(model)
    low, high = reweighter.bounds["alphaS"]
    source = events(folder, "default")
    most = round(SOURCE_EVENTS * scale)
    embedded = reweighter.embed(source, part="test", most=most)
    ours = _observables(source, "test", most)
    points: dict[str, Any] = {}
    for value in SCAN:
        theirs = _observables(events(folder, f"scan-{value:.2f}"), None, None)
        with warnings.catch_warnings():
            # Extrapolated values are marked in the figure.
            warnings.simplefilter("ignore", OutsideBoxWarning)
            weights = reweighter.weights_of(embedded, {"alphaS": value})
        rows = [
            Observable(name, units, values, theirs[name][1], edges) for name, (units, values, edges) in ours.items()
        ]
        closures = judge_closure(rows, weights, seed=round(1000 * value))
        points[f"{value:.2f}"] = {
            "effective_share": summarise_weights(weights).effective_share,
            "inside": low <= value <= high,
            **{
                c.observable: {
                    "before": c.before.reduced,
                    "after": c.after.reduced,
                    "error": float(np.sqrt(2 / c.after.degrees_of_freedom)),
                    "p_value": c.after.p_value,
                    "truth": c.truth,
                }
                for c in closures
            },
        }
    _draw(folder, points, list(ours), (low, high))
    return {"points": points, "box": [low, high]}


def _draw(folder: Path, points: dict[str, Any], names: list[str], box: tuple[float, float]) -> None:
    (folder / "figures").mkdir(exist_ok=True)
    at = np.array([float(value) for value in points])
    unseen = [value for value in at if not box[0] <= value <= box[1]]
    for name in names:
        before, after, error = (
            np.array([p[name][key] for p in points.values()]) for key in ("before", "after", "error")
        )
        image = scan_figure(
            at,
            [Curve("default Pythia", before, error), Curve("reweighted", after, error)],
            name="alphaS of the target",
            marked={"source": 0.1365},
            unseen=unseen,
            title=name.replace("_", " "),
        )
        (folder / "figures" / f"scan-{name}.svg").write_bytes(image)


def _observables(sample: Any, part: Any, most: int | None) -> dict[str, tuple[str, np.ndarray, np.ndarray | None]]:
    pieces = [cloud_observables(block) for block in blocks_of(sample, VARIABLES, part, most=most)]
    found = {}
    for name, first in pieces[0].data_vars.items():
        edges = np.asarray(first.attrs["edges"]) if "edges" in first.attrs else None
        values = np.concatenate([piece[name].values for piece in pieces])
        found[str(name)] = (str(first.attrs["units"]), values, edges)
    return found
