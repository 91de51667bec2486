"""How narrow may CaloGAN's generator be with no worse showers? Train and judge each width in the same way.

Every width trains on the same showers for the same number of steps with the same critic and seed, and is judged on the
same Geant4 showers: those of the validation part, because this is a choice; the test part stays unseen. The figures are
the mean 1-Wasserstein distance of the shower shapes (in four bins of energy, in units of each shape's width) and the
AUC of boosted trees on the shapes, with those of Geant4 against Geant4 at the same numbers. The published width
takes half an hour on one core; a stopped run continues where it stopped.

    python -m benchmarks.width data/calogan-eplus.h5 --steps 4000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from benchmarks.records import write_record
from rich.console import Console
from rich.table import Table
from safetensors import safe_open
from scipy.stats import wasserstein_distance

from simulacra import load, read, take_part
from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes_of
from simulacra.statistics.classifiers.classifier import classify
from simulacra.training.checkpoint import read_metadata
from simulacra.training.settings import read_experiment
from simulacra.workflows.train import run_experiment

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "calogan-eplus.toml"
WIDTHS = {
    "published": (1024, (36, 16, 6)),
    "shipped": (64, (8, 8, 4)),
    "narrow": (32, (4, 4, 2)),
    "narrowest": (16, (2, 2, 1)),
}
BINS = 4
HALVES = 8


def shapes_of(events: xr.Dataset, geometry: CalorimeterGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Return the shower shapes (N, shapes) and the incident energies (N,)."""
    energy = events["incident_energy"].values
    shapes = shower_shapes_of(events["shower"].values, energy, geometry)
    return np.stack(list(shapes.values()), axis=1), energy


def distance(truth: np.ndarray, energy: np.ndarray, other: np.ndarray, other_energy: np.ndarray) -> float:
    """Return the mean 1-Wasserstein distance of the shapes over bins of energy, in widths of each."""
    edges = np.quantile(energy, np.arange(1, BINS) / BINS)
    bins, other_bins = np.searchsorted(edges, energy), np.searchsorted(edges, other_energy)
    distances = [
        wasserstein_distance(truth[bins == b, i], other[other_bins == b, i]) / width
        for i in range(truth.shape[1])
        for b in range(BINS)
        if (width := float(truth[bins == b, i].std())) > 0
    ]
    return float(np.mean(distances))


def weights(path: Path) -> int:
    """Return the number of values in a model file."""
    with safe_open(str(path), framework="np") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118


def judged(truth: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Return distance and AUC with their errors (bootstrap over the showers, and over the folds)."""
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(HALVES):
        rows, others = rng.integers(len(truth[1]), size=len(truth[1])), rng.integers(len(other[1]), size=len(other[1]))
        draws.append(distance(truth[0][rows], truth[1][rows], other[0][others], other[1][others]))
    columns = [np.column_stack([shapes, np.log(energy)]) for shapes, energy in (truth, other)]
    found = classify(*columns, "trees", seed=1)
    return {
        "distance": distance(*truth, *other),
        "distance_error": float(np.std(draws, ddof=1)),
        "auc": found.auc,
        "auc_error": found.uncertainty,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="e+ showers in the CaloGAN detector, a file or a store")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--widths", nargs="+", choices=WIDTHS, default=list(WIDTHS))
    parser.add_argument("--runs", type=Path, default=Path("runs/width"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/width.json"))
    arguments = parser.parse_args()

    for name in arguments.widths:
        latent, channels = WIDTHS[name]
        settings = (
            f"name=calogan-{name}",
            f"data.path={arguments.data}",
            f"system.latent={latent}",
            f"system.channels={list(channels)}",
            f"training.steps={arguments.steps}",
        )
        run_experiment(read_experiment(EXPERIMENT, settings), arguments.runs / name, EXPERIMENT.read_text())

    events = read(arguments.data)
    geometry = CalorimeterGeometry.from_events(events)
    truth = shapes_of(take_part(events, "validation").load(), geometry)
    training = take_part(events, "train").load()
    again = training.isel(event=np.random.default_rng(1).choice(training.sizes["event"], len(truth[1]), replace=False))
    rows = [{"name": "Geant4 against Geant4", **judged(truth, shapes_of(again, geometry))}]
    for name in arguments.widths:
        generator = load(arguments.runs / name)
        made = generator.sample(len(truth[1]), incident_energy=truth[1], seed=1)
        record = read_metadata(arguments.runs / name / "model.safetensors")["training"]
        rows.append(
            {
                "name": name,
                "latent": WIDTHS[name][0],
                "channels": WIDTHS[name][1],
                "weights": weights(arguments.runs / name / "model.safetensors"),
                "minutes": record["seconds"] / 60,
                **judged(truth, shapes_of(made, geometry)),
            }
        )
    write_record(arguments.output, {"steps": arguments.steps, "showers": len(truth[1]), "rows": rows})
    table = Table("width", "latent; channels", "weights", "W1 of shapes", "AUC of shapes", "minutes")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['latent']}; {row['channels']}" if "latent" in row else "",
            f"{row['weights']:,}" if "weights" in row else "",
            f"{row['distance']:.4f} +- {row['distance_error']:.4f}",
            f"{row['auc']:.3f} +- {row['auc_error']:.3f}",
            f"{row['minutes']:.0f}" if "minutes" in row else "",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
