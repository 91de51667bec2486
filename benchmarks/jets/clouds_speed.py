"""The time of a generator of jets on one thread, per jet, and how it grows with the places for particles."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from benchmarks.timing import torch_call

from simulacra.deploy.onnx import Session, export
from simulacra.systems import system
from simulacra.trained import TrainedGenerator
from simulacra.training.settings import SettingsError, check
from simulacra.workflows.export import drawn_conditions

BATCH: Final = 1024
SECONDS: Final = 5.0
FEWEST: Final = 5
PLACES: Final = (10, 30, 100, 300, 1000)
#: particles in a batch of jets with other numbers of places
PARTICLES_A_BATCH: Final = 30_000
#: pairs of particles in a batch, of which networks that see all pairs hold numbers in memory
PAIRS_A_BATCH: Final = 1_000_000


def microseconds(model: TrainedGenerator, scale: float = 1.0) -> dict[str, Any]:
    """Return the time per jet of the call of a user, of torch and of ONNX Runtime, in batches of 1,024, [µs]."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    conditions, rng = drawn_conditions(model, BATCH), np.random.default_rng(1)
    try:
        by_torch = torch_call(model.module, largest=BATCH)
        calls: dict[str, Callable[[], Any]] = {
            "sample": lambda: model.sample(BATCH, seed=1),
            "torch": lambda: by_torch(conditions, rng),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "jets.onnx"
            export(model.module, conditions.shape[1], path, {"name": model.name}, conditions=conditions)
            session = Session(path)
            calls["onnx"] = lambda: session(conditions, rng)
            found = {name: timed(call, BATCH, scale * SECONDS) for name, call in calls.items()}
    finally:
        torch.set_num_threads(threads)
    return {**found, "batch": BATCH}


def against_multiplicity(model: TrainedGenerator, scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the time per jet [µs] by torch of untrained networks of a model's sizes, for numbers of places."""
    trained = model.metadata["experiment"]["system"]
    kind = system(trained["kind"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = []
    try:
        for places in PLACES:
            batch = max(1, min(BATCH, PARTICLES_A_BATCH // places, PAIRS_A_BATCH // places**2))
            # A teacher is needed for a training only.
            changed = (
                trained | {"particles": places, "teacher": None}
                if "teacher" in trained
                else trained | {"particles": places}
            )
            try:
                settings = check(kind.Settings, changed, str(model.path))
            except SettingsError:
                # A system whose cost grows with the square takes no jets of so many particles.
                break
            network = kind.fold(kind.build(settings, model.description))
            call, rng = torch_call(network, largest=batch), np.random.default_rng(1)
            conditions = drawn_conditions(model, batch)
            one = timed(lambda: call(conditions, rng), batch, scale * SECONDS)  # noqa: B023
            found.append({"places": places, "batch": batch} | one)
    finally:
        torch.set_num_threads(threads)
    return found


def timed(call: Callable[[], Any], batch: int, seconds: float) -> dict[str, float]:
    """Return the median time per event over repetitions and the error of the median, [µs], and the share of a core.

    The share is below 1 if other programs used the core too, and the times are then too long; ``used`` is the time of
    the processor alone.
    """
    call()
    times: list[float] = []
    began, used = time.perf_counter(), time.process_time()
    while len(times) < FEWEST or time.perf_counter() < began + seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    used, wall = time.process_time() - used, time.perf_counter() - began
    each = 1e6 * np.array(times) / batch
    low, median, high = np.quantile(each, [0.16, 0.5, 0.84])
    return {
        "median": float(median),
        "error": float(1.25 * (high - low) / 2 / np.sqrt(len(times))),
        "best": float(each.min()),
        "used": 1e6 * used / (batch * len(times)),
        "core": used / max(wall, 1e-9),
    }
