"""The timing table: Geant4 and CaloGAN on the same geometry, in milliseconds per shower, in one run, on one CPU thread.

End to end, from the conditions to the energy in MeV in each cell; energies uniform in 1 to 100 GeV, as in
arXiv:1712.10321, whose ratios to Geant4 on a CPU were 135 (batch 1) and 870 (batch 1024). Run: ``make bench-timing``;
without Geant4 and its data only the generator's times are printed.

The generator at the published widths (1024 numbers of noise; 36, 16 and 6 channels) has 29 million weights, too many
to ship. Its time does not depend on their values, so it runs here with initial weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import benchmarks.one_thread  # noqa: F401 - before numpy and torch
import numpy as np
import torch
from benchmarks.machine import processor
from benchmarks.records import write_record
from rich.console import Console
from rich.table import Table

import simulacra
from simulacra.deploy.onnx import Session, export
from simulacra.geometry import CalorimeterGeometry
from simulacra.models.folded_shower_generator import FoldedShowerGenerator
from simulacra.models.shower_gan import ShowerGenerator

BATCHES = (1, 10, 128, 1024)
PUBLISHED_RATIO = {1: 135.0, 1024: 870.0}
ENERGY, MEAN_ENERGY = "uniform:1:100", 50.5  # GeV
GEANT4_RUNS = 6
Call = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def geant4_milliseconds(n: int, seed: int) -> dict[str, float | int | str] | None:
    """Time Geant4, one process, one thread."""
    try:
        from simulacra.simulators.geant4 import Geant4Settings, simulate

        settings = Geant4Settings(geometry=CalorimeterGeometry.load("calogan"), particle="e+", energy=ENERGY)
        per_gev, version = [], ""
        for run in range(GEANT4_RUNS):
            events = simulate(settings, n_events=max(n // GEANT4_RUNS, 1), seed=seed + run)
            # The time is proportional to the energy; the mean energy is known, that of a few draws varies.
            energy = float(events["incident_energy"].mean())
            per_gev.append(1000.0 * float(events.attrs["seconds_per_event"]) / energy)
            version = str(events.attrs["simulator_version"])
    except (ImportError, RuntimeError, ValueError) as error:
        print(f"Geant4 does not run here, so there are no ratios: {error}", file=sys.stderr)
        return None
    return {
        "milliseconds": MEAN_ENERGY * float(np.mean(per_gev)),
        "error": MEAN_ENERGY * float(np.std(per_gev, ddof=1)) / np.sqrt(GEANT4_RUNS),
        "showers": GEANT4_RUNS * max(n // GEANT4_RUNS, 1),
        "version": version,
    }


def milliseconds(call: Call, batch: int, n_conditions: int, rounds: int, seconds: float) -> tuple[float, float, float]:
    """Return the median time per shower and its 16 and 84 % quantiles over rounds, [ms]."""
    rng = np.random.default_rng(1)

    def once() -> float:
        energies = rng.uniform(1.0, 100.0, (batch, n_conditions)).astype(np.float32)
        start = time.perf_counter()
        cells = call(energies, rng)
        elapsed = time.perf_counter() - start
        if cells.shape[0] != batch or not np.isfinite(cells).all():
            raise RuntimeError("the generator did not return finite showers")
        return elapsed

    once()
    repeats = max(1, int(seconds / rounds / max(once(), 1e-6)))
    times = [np.mean([once() for _ in range(repeats)]) * 1000.0 / batch for _ in range(rounds)]
    low, median, high = np.quantile(times, [0.16, 0.5, 0.84])
    return float(median), float(low), float(high)


def torch_call(module: torch.nn.Module, device: str = "cpu", autocast: bool = False, largest: int = 128) -> Call:
    """Return the module as a function of numpy arrays, drawing its own noise."""
    latent = int(module.latent)  # type: ignore[arg-type]
    module = module.to(device)

    def call(conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        pieces = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            for k in range(0, len(conditions), largest):
                rows = torch.from_numpy(conditions[k : k + largest]).to(device)
                noise = torch.from_numpy(rng.standard_normal((len(rows), latent), np.float32)).to(device)
                pieces.append(module(noise, rows).float().cpu().numpy())
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    return call


def published_width(geometry: CalorimeterGeometry) -> ShowerGenerator:
    """Return the generator at the widths of arXiv:1705.02355."""
    torch.manual_seed(1)
    return ShowerGenerator(geometry, {"incident_energy": (1.0, 100.0)}, 1024, (36, 16, 6), 3).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="calogan-eplus", help="shipped name, run folder or model file")
    parser.add_argument("--showers", type=int, default=60, help="Geant4 showers to time")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds for each entry of the table")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that the spread is taken over")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/timing.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    trained = simulacra.load(arguments.generator)
    geometry = CalorimeterGeometry.from_json(trained.description["geometry"])
    wide = published_width(geometry)
    columns = len(trained.trained_range)
    calls: dict[str, tuple[Call, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        export(trained.module, columns, path, {"name": trained.name})
        calls[f"{trained.name}, ONNX Runtime"] = (Session(path), _weights(trained.module))
        calls[f"{trained.name}, torch"] = (torch_call(trained.module), _weights(trained.module))
        calls[f"{trained.name}, torch, bf16"] = (torch_call(trained.module, autocast=True), _weights(trained.module))
        path_wide = Path(folder) / "wide.onnx"
        folded = FoldedShowerGenerator(wide).eval()
        export(folded, 1, path_wide, {"name": "published width"})
        calls["published width, folded, ONNX Runtime"] = (Session(path_wide), _weights(folded))
        calls["published width, folded, torch, bf16"] = (torch_call(folded, autocast=True), _weights(folded))
        calls["published width, torch"] = (torch_call(wide), _weights(wide))
        if torch.cuda.is_available():
            calls[f"{trained.name}, {torch.cuda.get_device_name()}"] = (
                torch_call(simulacra.load(arguments.generator).module, "cuda", largest=1024),
                _weights(trained.module),
            )
        geant4 = geant4_milliseconds(arguments.showers, seed=1)
        rows = []
        for name, (call, weights) in calls.items():
            row = {"name": name, "weights": weights, "milliseconds": {}, "ratio": {}}
            for batch in BATCHES:
                median, low, high = milliseconds(call, batch, columns, arguments.rounds, arguments.seconds)
                row["milliseconds"][batch] = {"median": median, "low": low, "high": high}
                if geant4:
                    row["ratio"][batch] = float(geant4["milliseconds"]) / median
            rows.append(row)
    result = {
        "geant4": geant4,
        "generators": rows,
        "energy": ENERGY,
        "threads": 1,
        "published_ratio": PUBLISHED_RATIO,
        "torch": torch.__version__,
        "processor": processor(),
    }
    write_record(arguments.output, result)
    _print(result)
    print(f"written to {arguments.output}")


def _weights(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values() if tensor.is_floating_point())


def _print(result: dict) -> None:
    table = Table(title="ms per shower, one CPU thread, energies uniform in 1-100 GeV (ratio to Geant4)")
    for heading in ("", "weights", *(f"batch {batch}" for batch in BATCHES)):
        table.add_column(heading, justify="right" if heading else "left")
    if result["geant4"]:
        ms, error = result["geant4"]["milliseconds"], result["geant4"]["error"]
        table.add_row(f"Geant4 {result['geant4']['version']}", "", f"{ms:.0f} +- {error:.0f}", "", "", "")
    for row in result["generators"]:
        cells = []
        for batch in BATCHES:
            ratio = row["ratio"].get(batch)
            cells.append(f"{row['milliseconds'][batch]['median']:.4f}" + (f" ({ratio:,.0f})" if ratio else ""))
        table.add_row(row["name"], f"{row['weights']:,}", *cells)
    published = ("CaloGAN as published (ratio alone)", "", "(135)", "", "", "(870)")
    table.add_row(*published)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
