"""Pile-up: collisions and events of many, a jet's shift, disk, speed, and the library that would do as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.wasserstein import with_bootstrap_error
from scipy.stats import ks_2samp

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.observables.collisions import observables_of, pt_density
from simulacra.observables.jets import cluster_jets
from simulacra.observables.visible_particles import VARIABLES
from simulacra.simulators.pythia import simulate_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.trained import TrainedGenerator
from simulacra.workflows.pile_up import pile_up

MODEL: Final = "pile-up-minimum-bias"
#: of the collisions and of the hard events; no training used them
SEED, HARD_SEED = 5202, 5203
COLLISIONS: Final = 40_000
HARD_EVENTS: Final = 400
MEANS: Final = (20, 50, 140)
MAIN: Final = 50
RADIUS: Final = 0.4
HARD_PT: Final = 100.0
MATCHED: Final = 0.3
#: sizes of libraries, and how many of each
LIBRARIES: Final = (100, 300, 1_000, 3_000, 10_000)
TIMES: Final = 10
LEVEL: Final = 0.05
JUDGED: Final = {
    "multiplicity": "particles",
    "summed_pt": "summed pT [GeV]",
    "density": "rho [GeV]",
    "missing_pt": "missing pT [GeV]",
}


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything on collisions that no training used."""
    collisions = _simulated(folder / "pile-up.zarr", {"process": "pile-up"}, SEED, max(2000, round(COLLISIONS * scale)))
    half = collisions.sizes["event"] // 2
    first, second = (collisions.isel(event=slice(start, start + half)) for start in (0, half))
    if MODEL not in simulacra.shipped():
        raise NothingShippedError(f"the model {MODEL} is not shipped: there is nothing to measure")
    generator = simulacra.load(MODEL)
    made, microseconds = _generated(generator, half)
    single = {
        name: {"model": with_bootstrap_error(one, other), "truth": with_bootstrap_error(truth, other)}
        for name, one, other, truth in _in_common(made, second, first)
    }
    events = {}
    for mean in MEANS:
        n = max(20, half // mean)
        # Each true event has collisions of its own: without replacement, in their order.
        samples = [_overlaid(first, mean, n), _overlaid(second, mean, n)]
        samples.append(_observed(pile_up(generator, mean, len(samples[0]["multiplicity"]), seed=11)))
        events[str(mean)] = _compared(*samples)
    jets = _jets(folder, scale, generator, first, second)
    truth = _overlaid(second, MAIN, max(20, half // MAIN))
    libraries = _libraries(first, truth)
    training = generator.metadata["training"]
    main = events[str(MAIN)]
    judged = [
        Judged(f"W1 of {told}, mean {MAIN}", *main["w1"][name]["model"], *main["w1"][name]["truth"], main["n"])
        for name, told in JUDGED.items()
    ]
    judged.append(
        Judged("shift of a jet's pT [GeV]", *jets["model"]["shift"], *jets["truth"]["shift"], jets["model"]["jets"])
    )
    judged.append(
        Judged("its resolution [GeV]", *jets["model"]["width"], *jets["truth"]["width"], jets["model"]["jets"])
    )
    row = Row(
        "pile_up",
        MODEL,
        int(training["events"]),
        training["seconds"] / 60,
        tuple(judged),
        *microseconds,
        weights_sha256=generator.weights_sha256,
    )
    return {
        "rows": [row.as_record()],
        "collisions": half,
        "single": single,
        "events": events,
        "jets": jets,
        "libraries": libraries,
        "disk": _disk(folder / "pile-up.zarr", generator, collisions.sizes["event"]),
        "reading": _reading(folder / "pile-up.zarr"),
        "pythia_microseconds": 1e6 * float(collisions.attrs["seconds_per_event"]),
    }


def _simulated(path: Path, settings: Mapping[str, Any], seed: int, n: int) -> xr.Dataset:
    checked = PythiaSettings.model_validate(settings)
    return simulate_collisions(checked, seed=seed, n_events=n, path=path, progress=True).load()


def _generated(generator: TrainedGenerator, n: int) -> tuple[xr.Dataset, tuple[float, float]]:
    """Return collisions and the time of each [us of one core]."""
    times, pieces = [], []
    for start in range(0, n, 1000):
        size = min(1000, n - start)
        begin = time.process_time()
        pieces.append(generator.sample(size, seed=7, first_event=start))
        times.append(1e6 * (time.process_time() - begin) / size)
    return xr.concat(pieces, "event"), (float(np.median(times)), float(np.std(times)))


def _observed(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return observables of events, with the densities of the whole detector and of both halves."""
    pt, eta, phi = (events[name].values for name in VARIABLES)
    found = observables_of(pt, eta, phi, events["present"].values)
    for name, between in (("density", (-4, 4)), ("density_behind", (-4, 0)), ("density_ahead", (0, 4))):
        found[name] = pt_density(pt, eta, phi, between=between)
    return found


def _in_common(*samples: xr.Dataset) -> list[tuple[Any, ...]]:
    found = [observables_of(*(one[name].values for name in (*VARIABLES, "present"))) for one in samples]
    return [(name, *(one[name] for one in found)) for name in found[0]]


def _overlaid(collisions: xr.Dataset, mean: float, n: int) -> dict[str, np.ndarray]:
    """Return the observables of events of Poisson numbers of collisions, none of which is used twice."""
    return _observed(_without_replacement(collisions, mean, n))


def _without_replacement(collisions: xr.Dataset, mean: float, n: int) -> xr.Dataset:
    numbers = np.random.default_rng(3).poisson(mean, n)
    enough = int(np.searchsorted(np.cumsum(numbers), collisions.sizes["event"], side="right"))
    numbers = numbers[:enough]
    row = np.repeat(np.arange(enough), numbers)
    pt, eta, phi, there = (collisions[name].values[: len(row)] for name in (*VARIABLES, "present"))
    event = np.repeat(row, there.sum(axis=1))
    counts = np.bincount(event, minlength=enough)
    slot = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = {}
    for name, one in zip(VARIABLES, (pt, eta, phi), strict=True):
        column = np.zeros((enough, counts.max()), np.float32)
        column[event, slot] = one[there]
        columns[name] = (("event", "particle"), column)
    columns["present"] = (("event", "particle"), np.arange(counts.max()) < counts[:, None])
    return xr.Dataset(columns, coords={"event": np.arange(enough)})


def _compared(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], made: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return distances of observables, their means, and the correlations of the density."""
    pairs = (("density", "multiplicity"), ("density_behind", "density_ahead"))

    def correlations(one: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
        n = len(one["density"])
        values = {f"{a} and {b}": float(np.corrcoef(one[a], one[b])[0, 1]) for a, b in pairs}
        return {name: (value, (1 - value**2) / np.sqrt(n - 1)) for name, value in values.items()}

    return {
        "n": len(second["density"]),
        "w1": {
            name: {
                "model": with_bootstrap_error(made[name], second[name]),
                "truth": with_bootstrap_error(first[name], second[name]),
            }
            for name in JUDGED
        },
        "means": {
            name: {
                told: (float(one[name].mean()), float(one[name].std() / np.sqrt(len(one[name]))))
                for told, one in (("model", made), ("truth", second), ("other truth", first))
            }
            for name in JUDGED
        },
        "correlations": {
            told: correlations(one) for told, one in (("model", made), ("truth", second), ("other truth", first))
        },
    }


def _jets(
    folder: Path, scale: float, generator: TrainedGenerator, first: xr.Dataset, second: xr.Dataset
) -> dict[str, Any]:
    """Return shift and resolution of hard jets under pile-up, generated and of two samples of Pythia."""
    settings = {"process": "qcd-dijets", "visible": {"particles": 1000}}
    hard = _simulated(folder / "dijets.zarr", settings, HARD_SEED, max(60, round(HARD_EVENTS * scale)))
    n = hard.sizes["event"]
    sources: dict[str, Callable[[], xr.Dataset]] = {
        "model": lambda: pile_up(generator, MAIN, n, seed=13),
        "reference": lambda: _without_replacement(second, MAIN, n),
        "truth": lambda: _without_replacement(first, MAIN, n),
    }
    found = {}
    for name, source in sources.items():
        shifts, corrected = _shifts(hard, source())
        found[name] = {
            "jets": len(shifts),
            "shift": (float(shifts.mean()), float(shifts.std() / np.sqrt(len(shifts)))),
            "width": (float(shifts.std()), float(shifts.std() / np.sqrt(2 * len(shifts)))),
            "corrected_shift": (float(corrected.mean()), float(corrected.std() / np.sqrt(len(shifts)))),
            "corrected_width": (float(corrected.std()), float(corrected.std() / np.sqrt(2 * len(shifts)))),
        }
    return found


def _shifts(hard: xr.Dataset, soft: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much pile-up changes the pT of each hard jet, and that after subtracting rho times its area."""
    n = min(hard.sizes["event"], soft.sizes["event"])
    shifts, corrected = [], []
    for i in range(n):
        alone = [hard[name].values[i][hard["present"].values[i]] for name in VARIABLES]
        added = [soft[name].values[i][soft["present"].values[i]] for name in VARIABLES]
        both = [np.concatenate(pair) for pair in zip(alone, added, strict=True)]
        wanted, found = _clustered(alone), _clustered(both)
        density = pt_density(*(one[None] for one in both))[0]
        for pt, eta, phi in zip(*wanted, strict=True):
            if pt < HARD_PT or abs(eta) > 2.5:
                continue
            distance = np.hypot(found[1] - eta, (found[2] - phi + np.pi) % (2 * np.pi) - np.pi)
            nearest = int(distance.argmin())
            if distance[nearest] < MATCHED:
                shifts.append(found[0][nearest] - pt)
                corrected.append(shifts[-1] - density * np.pi * RADIUS**2)
    return np.array(shifts), np.array(corrected)


def _clustered(particles: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pT, eta and phi of the anti-kT jets of massless particles."""
    pt, eta, phi = (one.astype(np.float64) for one in particles)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)[None]
    jets = cluster_jets(momentum, (pt * np.cosh(eta))[None], np.ones((1, len(pt)), bool), radius=RADIUS, n_jets=40)
    kept = jets["jet_pt"].values[0] > 0
    pt, eta, phi = (jets[f"jet_{name}"].values[0][kept].astype(np.float64) for name in ("pt", "eta", "phi"))
    return pt, eta, phi


def _libraries(pool: xr.Dataset, truth: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return how often events from libraries of each size are told from fresh ones, by the smallest of the p values."""
    rows = []
    n = len(truth["density"])
    for size in (*(one for one in LIBRARIES if one < pool.sizes["event"]), pool.sizes["event"]):
        told = 0
        for number in range(TIMES):
            chosen = np.random.default_rng([size, number]).choice(pool.sizes["event"], size, replace=False)
            events = _observed(pile_up(pool.isel(event=np.sort(chosen)), MAIN, n, seed=100 + number))
            p = min(ks_2samp(events[name], truth[name]).pvalue for name in JUDGED)
            told += p < LEVEL / len(JUDGED)
        share = told / TIMES
        rows.append({"collisions": size, "told": share, "error": np.sqrt(max(share * (1 - share), 0.09) / TIMES)})
    return rows


def _disk(library: Path, generator: TrainedGenerator, collisions: int) -> dict[str, float]:
    """Return the bytes of the model and of its graph, and of a collision of the library."""
    files = [generator.path, graph_beside(generator.path)]
    held = sum(file.stat().st_size for file in library.rglob("*") if file.is_file())
    return {"model": sum(file.stat().st_size for file in files if file.exists()), "per_collision": held / collisions}


def _reading(library: Path) -> dict[str, float]:
    """Return the time of reading a collision of the library from disk, chunk by chunk [us of one core]."""
    events = simulacra.open_events(library)
    n = min(5000, events.sizes["event"])
    times = []
    for _ in range(3):
        begin = time.process_time()
        for name in (*VARIABLES, "present"):
            _ = events[name].isel(event=slice(n)).values
        times.append(1e6 * (time.process_time() - begin) / n)
    return {"microseconds": float(np.median(times)), "error": float(np.std(times))}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the distances over those of the truth, the jets' shift, and the libraries."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    ratios, jets, libraries = figure.subplots(1, 3)
    for mean, events in found["events"].items():
        values = [events["w1"][name]["model"][0] / events["w1"][name]["truth"][0] for name in JUDGED]
        ratios.plot(range(len(values)), values, "o-", label=f"mean {mean}, n = {events['n']}")
    ratios.axhline(1, color="k", linewidth=0.8)
    ratios.set_xticks(range(len(JUDGED)), [told.split(" [")[0] for told in JUDGED.values()])
    ratios.set(ylabel="W1 over Pythia against Pythia", yscale="log")
    ratios.legend(frameon=False)
    named = (("model", "generated", "C0"), ("reference", "Pythia", "k"), ("truth", "Pythia again", "C7"))
    for name, label, colour in named:
        for kind, marker in (("", "o"), ("corrected_", "s")):
            mean, width = found["jets"][name][f"{kind}shift"], found["jets"][name][f"{kind}width"]
            shown = None if kind else label
            jets.errorbar(mean[0], width[0], width[1], mean[1], fmt=marker, color=colour, label=shown)
    jets.set(xlabel="shift of a jet's pT [GeV]", ylabel="resolution [GeV]")
    jets.legend(frameon=False, title="circles as it is,\nsquares less rho times area")
    rows = found["libraries"]
    libraries.errorbar(
        [row["collisions"] for row in rows], [row["told"] for row in rows], [row["error"] for row in rows], fmt="o-"
    )
    libraries.axhline(LEVEL, color="k", linestyle=":", label="false alarms")
    libraries.set(xlabel="collisions in the library", ylabel="told from fresh events", xscale="log", ylim=(-0.05, 1.1))
    libraries.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
