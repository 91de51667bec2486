"""A shower that is learned from final states: its splittings against the truth at energies that training never saw.

Of the toy, whose splittings are known, those of the generator are read from it and compared one by one: the softer
one's share z, the transverse momentum kT and the angle of all splittings, and their number. Of Pythia only final
states are compared: the primary splittings that reclustering by angle finds (the primary Lund plane), on both sides. A
model's numbers are those of as many events as the truth's, at the same energies, and beside each is truth against other
truth. Each is the mean over independent pairs of samples, with the error of the mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.jets.parton_shower_figure import EDGES, draw
from benchmarks.rows import Judged, NothingShippedError, Row
from scipy.stats import wasserstein_distance

import simulacra
from simulacra.models.parton_shower import PartonShower
from simulacra.observables.lund import Declusterings, clouds_of, decluster, light_cone
from simulacra.simulators.parton_shower import PartonShowerSettings, evolve
from simulacra.simulators.pythia_partons import PythiaPartonSettings, write_pythia_partons
from simulacra.statistics.classifiers.classifier import classify
from simulacra.store import open_events
from simulacra.trained import TrainedGenerator

__all__ = ["draw", "measure"]

TOY, PYTHIA = "parton-shower-dglap", "parton-shower-pythia"
#: energies that training never saw [GeV]: one in a band that was held out, and one above all
UNSEEN: Final[Mapping[str, tuple[float, float]]] = {TOY: (250.0, 2000.0), PYTHIA: (150.0, 800.0)}
#: of all truth here; no training had it
SEED: Final = 9401
EVENTS: Final = 5_000
PAIRS: Final = 5
BATCH: Final = 1024
REPETITIONS: Final = 5
NAMES: Final = ("log z", "log kT", "log angle")
Columns = dict[str, np.ndarray]


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure each model that is shipped.

    Raises
    ------
    NothingShippedError
        if there is none.
    """
    models = [simulacra.load(name) for name in (TOY, PYTHIA) if name in simulacra.shipped()]
    if not models:
        raise NothingShippedError(f"neither {TOY} nor {PYTHIA} is shipped: there is nothing to measure")
    n = max(200, int(scale * EVENTS))
    found: dict[str, Any] = {"rows": [], "models": {}, "events": n, "pairs": PAIRS}
    for model in models:
        one = _toy(model, n) if model.name == TOY else _pythia(model, n, folder)
        microseconds, error = _time(model)
        found["models"][model.name] = one
        found["rows"].append(
            asdict(
                Row(
                    system="parton_shower",
                    model=model.name,
                    trained_events=int(model.metadata["training"]["events"]),
                    training_minutes=float(model.metadata["training"]["seconds"]) / 60,
                    judged=tuple(Judged(**judged) for judged in one["judged"]),
                    microseconds=microseconds,
                    microseconds_error=error,
                    weights_sha256=model.weights_sha256,
                )
            )
        )
    return found


class Showers:
    """Final states of showers of one energy, and all or the primary of their splittings.

    Attributes
    ----------
    logs:
        logarithms of z, kT [GeV] and angle of splittings, by name.
    number:
        of splittings of each event.
    features:
        what trees see of final states, (N, features).
    """

    def __init__(self, cloud: tuple[np.ndarray, np.ndarray, np.ndarray], logs: Columns | None = None) -> None:
        found = decluster(*cloud)
        primary = found.primary
        self.logs = logs or dict(
            zip(NAMES, (np.log(x[primary]) for x in (found.z, found.kt, found.angle)), strict=True)
        )
        self.number = found.present.sum(axis=1).astype(float)
        self.features = _features(*cloud, found)


def _features(energy: np.ndarray, slope: np.ndarray, present: np.ndarray, found: Declusterings) -> np.ndarray:
    """Return observables of final states: numbers, shares of energy, spreads, and the widest and hardest splittings.

    The energy itself is not among them: it is given, and trees would tell samples by the last digits of its sum.
    """
    total = energy.sum(axis=1, keepdims=True)
    share = np.sort(energy / total, axis=1)[:, ::-1][:, :4]
    share = np.pad(share, ((0, 0), (0, 4 - share.shape[1])))
    width = np.hypot(*np.moveaxis(slope, 2, 0))
    kt = np.where(found.present, found.kt, 0)
    hardest = kt.argmax(axis=1)[:, None] if kt.shape[1] else np.zeros((len(kt), 0), int)
    columns = [
        present.sum(axis=1),
        *share.T,
        (energy * width / total).sum(axis=1),
        (energy * width**2 / total).sum(axis=1),
        ((energy / total) ** 2).sum(axis=1),
        *(np.take_along_axis(x, hardest, 1).sum(axis=1) for x in (found.z, found.angle, kt)),
        *(x[:, :2].sum(axis=1) for x in (found.z, found.angle)),
        found.primary.sum(axis=1),
        (kt > 5).sum(axis=1),
        np.log(np.where(found.present, found.kt, 1)).sum(axis=1),
        np.log(np.where(found.present, found.angle, 1)).sum(axis=1),
    ]
    return np.column_stack(columns).astype(np.float64)


def _toy(model: TrainedGenerator, n: int) -> dict[str, Any]:
    asked = {name: value for name, value in model.metadata["description"].items() if name == "simulator"}
    if asked.get("simulator") != "toy parton shower":
        raise SystemExit(f"{model.name} was trained on events of {asked}, not of the toy")
    network: Any = model.module
    samples: dict[str, list[list[Showers]]] = {"truth": [], "other": [], "model": []}
    energies = UNSEEN[TOY]
    outside = []
    for energy in energies:
        truths = [_true_showers(energy, n, SEED + i) for i in range(2 * PAIRS)]
        made = [_learned_showers(network, energy, n, SEED + i) for i in range(PAIRS)]
        samples["truth"].append(truths[:PAIRS])
        samples["other"].append(truths[PAIRS:])
        samples["model"].append([one for one, _ in made])
        outside.append([share for _, share in made])
    kernel = network.kernel
    wider = [
        _row(f"splittings wider than the one before, {energy:g} GeV", shares, [0.0] * PAIRS, n)
        for energy, shares in zip(energies, outside, strict=True)
    ]
    found = _compared(samples, energies, n, "splittings")
    found["judged"] += wider
    return found | {"exponent": float(kernel.exponent.detach()), "exponent_width": float(kernel.width().detach())}


def _true_showers(energy: float, n: int, seed: int) -> Showers:
    event, shares, slope, made = evolve(
        np.full(n, energy), PartonShowerSettings(parton_energy=str(energy)), np.random.default_rng([seed, int(energy)])
    )
    logs = (np.log(made.z), np.log(made.z * made.energy * made.angle), np.log(made.angle))
    return Showers(clouds_of(event, shares, slope, n), dict(zip(NAMES, logs, strict=True)))


def _learned_showers(network: PartonShower, energy: float, n: int, seed: int) -> tuple[Showers, float]:
    """Return showers of the model with its own splittings, and the share that are wider than the one before."""
    rng = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        partons, decided = network.grow(torch.full((n, 1), energy), rng)
    event, shares, slope = (column.double().numpy() for column in partons)
    z, kt, angle, before, made = (
        column[decided.split].double().numpy() for column in (*network.splittings(decided), decided.angle, decided.made)
    )
    logs = (z, kt + np.log(network.cutoff), angle)
    wider = float((angle[made > 0] > before[made > 0]).mean())
    return Showers(clouds_of(event.astype(int), shares, slope, n), dict(zip(NAMES, logs, strict=True))), wider


def _pythia(model: TrainedGenerator, n: int, folder: Path) -> dict[str, Any]:
    energies = UNSEEN[PYTHIA]
    samples: dict[str, list[list[Showers]]] = {"truth": [], "other": [], "model": []}
    for energy in energies:
        path = folder / f"hemispheres-{energy:g}.zarr"
        settings = PythiaPartonSettings(gluon_energy=str(energy), max_partons=96)
        write_pythia_partons(path, settings, seed=SEED, n_events=2 * PAIRS * n, progress=False)
        events = open_events(path)
        parts = [events.isel(event=slice(i * n, (i + 1) * n)).load() for i in range(2 * PAIRS)]
        samples["truth"].append([_seen(part) for part in parts[:PAIRS]])
        samples["other"].append([_seen(part) for part in parts[PAIRS:]])
        samples["model"].append(
            [
                _seen(model.sample(n, seed=SEED + i, parton_energy=part["parton_energy"].values))
                for i, part in enumerate(parts[PAIRS:])
            ]
        )
    found = _compared(samples, energies, n, "primary splittings")
    kernel: Any = model.module.kernel
    return found | {"exponent": float(kernel.exponent.detach()), "exponent_width": float(kernel.width().detach())}


def _seen(events: xr.Dataset) -> Showers:
    present = events["present"].values.astype(bool)
    return Showers((*light_cone(events["momentum"].values, events["energy"].values, present), present))


def _compared(
    samples: Mapping[str, Sequence[Sequence[Showers]]], energies: Sequence[float], n: int, what: str
) -> dict[str, Any]:
    """Return the judged numbers and the histograms of samples of each energy, of pairs of truth, truth and model."""
    judged, histograms = [], {}
    for place, energy in enumerate(energies):
        truth, other, model = (samples[key][place] for key in ("truth", "other", "model"))
        for name in NAMES:
            distances = [
                [wasserstein_distance(a.logs[name], b.logs[name]) for a, b in zip(truth, two, strict=True)]
                for two in (model, other)
            ]
            judged.append(_row(f"W1 of {name} of {what}, {energy:g} GeV", *distances, n))
        for label, of in (
            ("mean number of splittings", lambda one: one.number.mean()),
            ("mean log kT", lambda one: one.logs["log kT"].mean()),
        ):
            judged.append(_row(f"{label}, {energy:g} GeV", *([of(x) for x in two] for two in (model, other)), n))
        told = [classify(truth[0].features, two[0].features, "trees", seed=1) for two in (model, other)]
        judged.append(
            asdict(
                Judged(
                    f"AUC of trees, {energy:g} GeV",
                    *(told[0].auc, told[0].uncertainty),
                    *(told[1].auc, told[1].uncertainty),
                    n,
                )
            )
        )
        histograms[f"{energy:g}"] = {
            name: {key: _shares([x.logs[name] for x in samples[key][place]], EDGES[name]) for key in samples}
            for name in NAMES
        }
    logs: list[tuple[str, Callable[[Showers], float]]] = [
        ("slope of the mean log kT against log energy", lambda one: float(one.logs["log kT"].mean())),
        ("slope of the log of the mean number against log energy", lambda one: float(np.log(one.number.mean()))),
    ]
    step = np.log(energies[1] / energies[0])
    for label, value in logs:
        slopes = [
            [(value(high) - value(low)) / step for low, high in zip(*samples[key], strict=True)]
            for key in ("model", "other")
        ]
        judged.append(_row(label, *slopes, n))
    return {"judged": judged, "histograms": histograms, "energies": list(energies), "what": what}


def _row(name: str, model: Sequence[float], truth: Sequence[float], n: int) -> dict[str, Any]:
    """Return a number of the model and of truth as means over pairs with their errors."""
    return asdict(Judged(name, *(f for values in (model, truth) for f in (float(np.mean(values)), _error(values))), n))


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _shares(columns: Sequence[np.ndarray], edges: np.ndarray) -> dict[str, list[float]]:
    """Return the share in each bin over all samples, and its error: from the spread of the samples' shares."""
    each = np.array([np.histogram(column, edges)[0] / len(column) for column in columns])
    return {"share": each.mean(axis=0).tolist(), "error": (each.std(axis=0, ddof=1) / np.sqrt(len(each))).tolist()}


def _time(model: TrainedGenerator) -> tuple[float, float]:
    """Return the time per event of the call of a user, in batches of 1,024 on one thread, [µs], and its error."""
    torch.set_num_threads(1)
    model.sample(BATCH, seed=1)
    times = []
    for repetition in range(REPETITIONS):
        # The processor's time: that of the clock depends on other programs.
        start = time.process_time()
        model.sample(BATCH, seed=repetition)
        times.append(1e6 * (time.process_time() - start) / BATCH)
    return float(np.median(times)), _error(times)
