"""The time per shower on one CPU thread, from conditions to MeV in cells, including the time to draw the noise."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from benchmarks.showers import refined
from benchmarks.showers.drawing import Job, load_entry
from benchmarks.timing import Call, torch_call

from simulacra.deploy.onnx import Session, export
from simulacra.trained import TrainedGenerator

BATCHES: Final = (1, 100, 1024)
FEWEST_REPETITIONS: Final = 5
SPREAD: Final = (0.16, 0.5, 0.84)


def speed(_folder: Path, job: Job, seconds: float) -> dict[str, Any]:
    """Return the milliseconds per shower at each batch: by torch, by ONNX Runtime, and the smaller of the two.

    Parameters
    ----------
    seconds:
        for each number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        generator = load_entry(job.entry)
        truth = job.sources.events()
        conditions = np.stack([truth[name].values for name in generator.trained_range], axis=1).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            runtimes, fault = _runtimes(generator, conditions, Path(folder) / "generator.onnx")
            if job.entry.refiner is not None:
                refiner, names = refined.load_refiner(job.entry.refiner, generator), list(generator.trained_range)
                runtimes = {name: refined.weighing(call, refiner, names) for name, call in runtimes.items()}
            found: dict[str, Any] = {
                name: {str(batch): measured(call, conditions, batch, seconds) for batch in BATCHES}
                for name, call in runtimes.items()
            }
    finally:
        torch.set_num_threads(threads)
    fastest = {}
    for batch in map(str, BATCHES):
        runtime = min(found, key=lambda name: found[name][batch]["median"])
        fastest[batch] = {"runtime": runtime, **found[runtime][batch]}
    return {**found, "onnx_fault": fault, "fastest": fastest, "threads": 1}


def measured(call: Call, conditions: np.ndarray, batch: int, seconds: float) -> dict[str, float]:
    """Return the median time per shower over repetitions, and the central interval of 68 % of them, [ms].

    ``cores`` is the processor's time over the wall time: below 1 if other programs used the core too, and the
    times are too long.

    Raises
    ------
    RuntimeError
        if the showers are not finite, or not as many as asked for.
    """
    rng = np.random.default_rng(1)

    def once() -> float:
        # Other conditions each time, drawn before the clock runs; the noise is drawn while it does.
        rows = conditions[rng.integers(len(conditions), size=batch)]
        start = time.perf_counter()
        cells = call(rows, rng)
        elapsed = time.perf_counter() - start
        if len(cells) != batch or not np.isfinite(cells).all():
            raise RuntimeError(f"the generator did not return {batch} finite showers")
        return elapsed

    for _ in range(2):
        once()
    times: list[float] = []
    began, used = time.perf_counter(), time.process_time()
    while len(times) < FEWEST_REPETITIONS or time.perf_counter() < began + seconds:
        times.append(once())
    cores = (time.process_time() - used) / max(time.perf_counter() - began, 1e-9)
    low, median, high = np.quantile(1000.0 * np.array(times) / batch, SPREAD)
    return {"median": float(median), "low": float(low), "high": float(high), "repetitions": len(times), "cores": cores}


def _runtimes(
    generator: TrainedGenerator, conditions: np.ndarray, path: Path
) -> tuple[dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]], str | None]:
    """Return the generator in torch and, if it can be exported, in ONNX Runtime; otherwise the reason."""
    runtimes: dict[str, Call] = {"torch": torch_call(generator.module)}
    try:
        export(generator.module, conditions.shape[1], path, {"name": generator.name}, conditions=conditions[:256])
        runtimes["onnx"] = Session(path)
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        return runtimes, f"{type(error).__name__}: {error}"
    return runtimes, None
