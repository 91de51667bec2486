"""The time of a generator from conditions and noise to MeV in cells, on one CPU thread, in several runtimes.

The runtimes are torch as trained, torch folded, ONNX Runtime in single precision and with large layers in 8-bit
integers, and optionally ``torch.compile`` (which compiles for a minute per batch size). They take turns, so other
programs slow all of them equally. The table gives the best and the median wall time of the calls. The file also gives
the median processor time, which excludes other programs. Also timed are the calls of a user: ``sample`` from Python,
including its dataset, and ``sample(exact=True)``, which computes whole blocks of 64. Run:
``python -m benchmarks.inference NAME``; without Geant4 and its data there are no ratios to it.

``--judge N`` also trains classifiers to tell showers in 8-bit integers from those in single precision, N of each at
conditions from the whole trained range: an AUC of 0.5 means that they cannot.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import benchmarks.one_thread  # noqa: F401 - before numpy and torch
import numpy as np
import torch
from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.timing import ENERGY, Call, geant4_milliseconds, torch_call
from rich.console import Console
from rich.table import Table

import simulacra
from simulacra.deploy.onnx import export, open_session
from simulacra.statistics.classifiers.classifier import Method, cell_features, classify
from simulacra.systems import system
from simulacra.trained import TrainedGenerator
from simulacra.training.checkpoint import fill, read_model
from simulacra.workflows.export import description, drawn_conditions

BATCHES: Final = (1, 100, 1024)
PREFERRED: Final = "calo-eplus"
#: approximate number of showers of each runtime per round
SHOWERS_A_ROUND: Final = {1: 20, 100: 300, 1024: 1024}
JUDGED_BY: Final[tuple[Method, ...]] = ("trees", "perceptron")


def main() -> None:
    """Time a generator in each runtime and write the results."""
    default = PREFERRED if PREFERRED in simulacra.trained.shipped() else "calogan-eplus"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", nargs="?", default=default, help="shipped name, run folder or model file")
    parser.add_argument("--rounds", type=int, default=15, help="rounds in which the runtimes take turns")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too (minutes)")
    parser.add_argument("--showers", type=int, default=60, help="Geant4 showers to time; 0: none")
    parser.add_argument("--judge", type=int, default=0, metavar="N", help="judge whole numbers by N showers of each")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/inference.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = simulacra.load(arguments.generator)
    with tempfile.TemporaryDirectory() as folder:
        calls, files = runtimes(trained, Path(folder), arguments.compile)
        geant4 = geant4_milliseconds(arguments.showers, seed=1) if arguments.showers else None
        times = {str(batch): taking_turns(calls, trained, batch, arguments.rounds) for batch in BATCHES}
        judged = {}
        if arguments.judge and "int8" in files:
            judged = told_apart(files["float32"], files["int8"], drawn_conditions(trained, 2 * arguments.judge))
    record = {
        "generator": trained.name,
        "weights_sha256": trained.weights_sha256,
        "milliseconds": times,
        "geant4": geant4,
        "energy": ENERGY,
        "whole_numbers": judged,
        "threads": 1,
        "processor": processor(),
        "torch": torch.__version__,
    }
    write_record(arguments.output, record)
    show(record)
    print(f"written to {arguments.output}")


def runtimes(trained: TrainedGenerator, folder: Path, compiled: bool) -> tuple[dict[str, Call], dict[str, Path]]:
    """Return every way to run a generator, and the files that were exported for it."""
    calls = {"torch": torch_call(unfolded(trained), largest=max(BATCHES))}
    calls["torch, folded"] = torch_call(trained.module)
    if compiled:
        # One compilation per batch size: torch.compile is fastest with a known size.
        calls["torch.compile"] = torch_call(torch.compile(trained.module, dynamic=False), largest=max(BATCHES))  # type: ignore[arg-type]
    conditions, files = drawn_conditions(trained), {}
    for precision in ("float32", "int8"):
        path = folder / f"{precision}.onnx"
        try:
            export(
                trained.module,
                conditions.shape[1],
                path,
                description(trained),
                conditions=conditions,
                precision=precision,  # type: ignore[arg-type]
            )
        except ValueError as error:
            print(f"{precision}: {error}")
            continue
        files[precision] = path
        calls[f"ONNX Runtime, {precision}"] = open_session(path)
    calls["sample()"] = sample_call(trained, exact=False)
    calls["sample(exact=True)"] = sample_call(trained, exact=True)
    return calls, files


def sample_call(trained: TrainedGenerator, *, exact: bool) -> Call:
    """Return a generator's ``sample`` as a function of conditions, with a different seed in each call."""

    def call(conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = len(conditions)
        asked: dict[str, Any] = dict(zip(trained.trained_range, conditions.T, strict=True))
        if n == 1:
            asked = {name: float(column[0]) for name, column in asked.items()}
        events = trained.sample(n, seed=int(rng.integers(2**31)), exact=exact, **asked)
        showers: np.ndarray = events["shower"].values
        return showers

    return call


def unfolded(trained: TrainedGenerator) -> torch.nn.Module:
    """Return a generator's module as it was trained."""
    metadata, weights = read_model(trained.path)
    module = system(metadata["experiment"]["system"]["kind"])
    settings = module.Settings.model_validate(metadata["experiment"]["system"])
    network = module.build(settings, trained.description)
    fill(network, {name: weights[name] for name in network.state_dict()}, str(trained.path))
    return network.eval().requires_grad_(False)  # type: ignore[no-any-return]


def taking_turns(
    calls: Mapping[str, Call], trained: TrainedGenerator, batch: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the time per shower of each call, with the noise drawn, over rounds in which they take turns, [ms]."""
    rng = np.random.default_rng(1)
    conditions = drawn_conditions(trained, batch)
    repeats = max(1, SHOWERS_A_ROUND[batch] // batch)
    times: dict[str, list[float]] = {name: [] for name in calls}
    used: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            for _ in range(repeats):
                start, before = time.perf_counter(), time.process_time()
                cells = call(conditions, rng)
                elapsed, busy = time.perf_counter() - start, time.process_time() - before
                if len(cells) != batch or not np.isfinite(cells).all():
                    raise RuntimeError(f"{name} did not return {batch} finite showers")
                if turn:  # the first one warms up
                    times[name].append(1000.0 * elapsed / batch)
                    used[name].append(1000.0 * busy / batch)
    found = {}
    for name, one in times.items():
        low, median, high = np.quantile(one, [0.16, 0.5, 0.84])
        found[name] = {
            "best": min(one),
            "median": float(median),
            "low": float(low),
            "high": float(high),
            "processor_median": float(np.median(used[name])),
            "calls": len(one),
        }
    return found


def told_apart(single: Path, whole: Path, conditions: np.ndarray) -> dict[str, Any]:
    """Return how well classifiers tell the showers of two files apart, with different conditions and noise."""
    half = len(conditions) // 2
    parts = np.random.default_rng(3).permutation(len(conditions))
    features = []
    for k, path in enumerate((single, whole)):
        rows = conditions[parts[k * half : (k + 1) * half]]
        features.append(cell_features(open_session(path)(rows, np.random.default_rng([4, k])), rows[:, 0]))
    found: dict[str, Any] = {"showers_of_each": half}
    for kind in JUDGED_BY:
        told = classify(features[0], features[1], kind, folds=5, repetitions=1)
        found[kind] = {"auc": told.auc, "error": told.uncertainty, "p_value": told.p_value}
    return found


def show(record: Mapping[str, Any]) -> None:
    """Print the table."""
    geant4 = record["geant4"]
    title = f"{record['generator']}: ms per shower on one thread of {record['processor']}, best / median of turns"
    table = Table(title=title)
    for heading in ("", *(f"batch {batch}" for batch in BATCHES)):
        table.add_column(heading, justify="right" if heading else "left")
    for name in record["milliseconds"][str(BATCHES[0])]:
        cells = []
        for batch in BATCHES:
            one = record["milliseconds"][str(batch)][name]
            ratio = f" ({geant4['milliseconds'] / one['median']:,.0f})" if geant4 else ""
            cells.append(f"{one['best']:.3f} / {one['median']:.3f}{ratio}")
        table.add_row(name, *cells)
    console = Console(width=140)
    console.print(table)
    if geant4:
        console.print(
            f"Geant4 {geant4['version']}: {geant4['milliseconds']:.0f} +- {geant4['error']:.0f} ms per shower of "
            f"{record['energy']} GeV; in brackets, how many times as long that is as the median"
        )
    for kind in JUDGED_BY if record["whole_numbers"] else ():
        one = record["whole_numbers"][kind]
        console.print(
            f"int8 against float32, {kind}: AUC {one['auc']:.4f} +- {one['error']:.4f} (p = {one['p_value']:.2g})"
        )


if __name__ == "__main__":
    main()
