"""QCD templates of the jet mass: closure against Pythia, beside histograms, coverage of the band, extrapolation."""

from __future__ import annotations

import itertools
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.rows import Judged, Row
from benchmarks.wasserstein import with_bootstrap_error
from scipy.stats import wasserstein_distance

import simulacra
from simulacra.observables.multi_jets import single_jets, with_jets
from simulacra.simulators.pythia import simulate_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.trained import ExtrapolationWarning, TrainedGenerator
from simulacra.trained.find import load_members
from simulacra.workflows.jet_mass import summed_jet_mass

MODEL: Final = "qcd-jet-mass"
#: of the truth, which no training used, and of the sample of the shipped model, from which others learn here
SEED, POOL_SEED = 5102, 5101
EVENTS, POOL = 15_000, 20_000
#: jets of a pseudo-experiment's training part, how many such experiments, and steps of training
SIZES: Final = ((300, 8, 200), (1_000, 8, 400), (10_000, 2, 2_000))
MEMBERS: Final = 4
EDGES: Final = np.array([0, 120, 160, 200, 240, 280, 320, 380, 460, 600], dtype=float)
MASS_EDGES: Final = np.array([0, 60, 100, 140, 180, 220, 260, 320, 400], dtype=float)
PT_EDGES: Final = np.array([100, 150, 200, 250, 300, 350, 400, 500, 600, 800, np.inf])
ETA_EDGES: Final = np.array([0, 0.5, 1.0, 1.5, 2.0])
#: the template for the extrapolation learns below this transverse momentum [GeV]
BELOW: Final = 400.0
BEYOND_EDGES: Final = np.array([200, 250, 300, 350, 400, 450, 500, 600, 800], dtype=float)
DRAWS: Final = 20
#: shares of the split, by which a sample is made large enough for its training part
TRAIN_SHARE: Final = 0.7


class HistogramTemplate:
    """Standard practice: the masses of the training jets in bins of pT and |eta|, one of which is drawn for a jet.

    An empty bin takes the masses of the nearest bin in pT at the same |eta|.
    """

    def __init__(self, jets: xr.Dataset) -> None:
        mass, pt, eta = (jets[name].values.astype(np.float64) for name in ("jet_mass", "jet_pt", "jet_eta"))
        row, column = _bins(pt, eta)
        held = [[mass[(row == i) & (column == j)] for j in range(len(ETA_EDGES) - 1)] for i in range(len(PT_EDGES) - 1)]
        filled = [[i for i in range(len(held)) if len(held[i][j])] for j in range(len(ETA_EDGES) - 1)]
        self.masses = [
            [held[min(filled[j], key=lambda k, i=i: abs(k - i))][j] for j in range(len(ETA_EDGES) - 1)]
            for i in range(len(held))
        ]

    def draw(self, pt: np.ndarray, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a mass for each jet, (N,) [GeV]."""
        found = np.empty(len(pt))
        row, column = _bins(pt, eta)
        for i, of_pt in enumerate(self.masses):
            for j, masses in enumerate(of_pt):
                inside = (row == i) & (column == j)
                found[inside] = rng.choice(masses, int(inside.sum()))
        return found


def _bins(pt: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    row = np.clip(np.searchsorted(PT_EDGES, pt, side="right") - 1, 0, len(PT_EDGES) - 2)
    column = np.clip(np.searchsorted(ETA_EDGES, np.abs(eta), side="right") - 1, 0, len(ETA_EDGES) - 2)
    return row, column


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything on jets that the shipped model did not learn from."""
    truth = _simulated(folder / "multi-jets.zarr", SEED, max(1000, round(EVENTS * scale)))
    pool = single_jets(_simulated(folder / "pool.zarr", POOL_SEED, POOL), 1, 2)
    control, signal = single_jets(truth, 1, 2), with_jets(truth, 3)
    generator = simulacra.load(MODEL)
    in_control, microseconds = _of_jets(generator, control)
    closure = _closure([generator], signal)
    studies = [
        _of_size(folder / f"jets-{size}", pool, control, truth, size, times, steps)
        for size, times, steps in SIZES
        if scale >= 0.3 or size == SIZES[0][0]
    ]
    extrapolation = _extrapolation(folder / "below", pool, control)
    training = generator.metadata["training"]
    summed = _summed(signal)
    half = len(summed) // 2
    judged = (
        Judged("W1 of the jet mass, two-jet events [GeV]", *in_control["model"], *in_control["truth"], in_control["n"]),
        Judged(
            "W1 of the summed mass, 3 jets or more [GeV]",
            *closure["distance"],
            *with_bootstrap_error(summed[:half], summed[half:]),
            len(summed),
        ),
        Judged("chi2 per bin of the summed mass", closure["chi2"], closure["chi2_error"], 1.0, 0.0, len(summed)),
    )
    row = Row(
        "jet_mass_template",
        MODEL,
        int(training["events"]),
        training["seconds"] / 60,
        judged,
        *microseconds,
        weights_sha256=generator.weights_sha256,
    )
    return {
        "rows": [row.as_record()],
        "closure": closure,
        "studies": studies,
        "extrapolation": extrapolation,
        "truth_of_masses": in_control["truth"],
        "events": truth.sizes["event"],
        "control_jets": control.sizes["event"],
        "signal_events": signal.sizes["event"],
    }


def _simulated(path: Path, seed: int, n: int) -> xr.Dataset:
    settings = PythiaSettings.model_validate({"process": "multi-jets"})
    return simulate_collisions(settings, seed=seed, n_events=n, path=path, progress=True).load()


def _of_jets(generator: TrainedGenerator, control: xr.Dataset) -> tuple[dict[str, Any], tuple[float, float]]:
    """Return distances of the masses of single jets of half of the control region, and the time of a jet [us]."""
    mass = control["jet_mass"].values.astype(np.float64)
    half = len(mass) // 2
    asked = {name: control[name].values[:half] for name in ("jet_pt", "jet_eta")}
    times = []
    for _ in range(5):
        begin = time.process_time()
        made = _sampled(generator, asked, half)
        times.append(1e6 * (time.process_time() - begin) / half)
    return {
        "n": half,
        "model": with_bootstrap_error(made, mass[half:]),
        "truth": with_bootstrap_error(mass[:half], mass[half:]),
    }, (float(np.median(times)), float(np.std(times)))


def _sampled(generator: TrainedGenerator, asked: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    with warnings.catch_warnings():
        # The hardest jets of a larger sample are a little beyond those of training.
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return generator.sample(n, seed=3, **asked)["jet_mass"].values.astype(np.float64)


def _of_all(members: Sequence[TrainedGenerator], asked: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    """Return a mass for each of n jets [GeV], from each member in turn: all see other jets of one sample."""
    masses = np.stack([_sampled(member, asked, n) for member in members])
    return masses[np.arange(n) % len(members), np.arange(n)]


def _summed(events: xr.Dataset) -> np.ndarray:
    return np.where(events["present"].values, events["jet_mass"].values, 0).sum(axis=1, dtype=np.float64)


def _predicted(members: Sequence[TrainedGenerator], events: xr.Dataset, edges: np.ndarray) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return summed_jet_mass(members, events, edges, draws=DRAWS, seed=5)


def _closure(members: Sequence[TrainedGenerator], signal: xr.Dataset) -> dict[str, Any]:
    """Return the predicted and the simulated summed mass of the signal region, and how far they are apart."""
    found, summed = _predicted(members, signal, EDGES), _summed(signal)
    seen = np.histogram(summed, EDGES)[0]
    error = found["error"].values
    used = found["predicted"].values > 5
    pulls = ((seen - found["predicted"].values) / np.maximum(error, 1e-9))[used]
    row, place = np.nonzero(signal["present"].values)
    asked = {name: signal[name].values[row, place] for name in ("jet_pt", "jet_eta")}
    made = np.bincount(row, weights=_sampled(members[0], asked, len(row)), minlength=len(summed))
    return {
        "edges": EDGES,
        "seen": seen,
        "predicted": found["predicted"].values,
        "template_error": found["template_error"].values,
        "error": error,
        "outside": found.attrs["outside"],
        "chi2": float((pulls**2).mean()),
        "chi2_error": float(np.sqrt(2 / len(pulls))),
        "distance": with_bootstrap_error(made, summed),
        "ratio_of_means": float(made.mean() / summed.mean()),
    }


def _trained(folder: Path, jets: xr.Dataset, steps: int, *overrides: str, members: int = MEMBERS) -> Path:
    """Train an ensemble on jets, all of whose settings are those of the shipped model except the steps."""
    run = folder / "run"
    if not (run / f"member-{members - 1}" / "record.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        simulacra.write_events(jets, folder / "jets.zarr", overwrite=True)
        options = [
            f"data.path={folder / 'jets.zarr'}",
            "system.bootstrap=true",
            f"training.steps={steps}",
            f"training.validate_every={max(1, steps // 5)}",
            *overrides,
        ]
        simulacra.train(f"experiments/{MODEL}.toml", run, overrides=options, members=members, progress=False)
    return run


def _of_size(
    folder: Path, pool: xr.Dataset, control: xr.Dataset, truth: xr.Dataset, size: int, times: int, steps: int
) -> dict[str, Any]:
    """Return distances and coverage for ensembles and histograms of ``size`` training jets, over pseudo-experiments."""
    n = round(size / TRAIN_SHARE)
    mass = control["jet_mass"].values.astype(np.float64)
    asked = {name: control[name].values for name in ("jet_pt", "jet_eta")}
    rng = np.random.default_rng(2)
    pairs, signal = with_jets(truth, 2, 2), with_jets(truth, 3)
    distances: dict[str, list[float]] = {"model": [], "histogram": []}
    sums: dict[str, list[float]] = {"model": [], "histogram": []}
    covered: dict[str, list[np.ndarray]] = {"two jets": [], "three jets or more": []}
    for number in range(times):
        jets = pool.isel(event=slice(number * n, (number + 1) * n))
        members = load_members(_trained(folder / f"{number}", jets, steps))
        # Of training and validation part: both methods see all jets that an ensemble sees.
        used = xr.concat([simulacra.take_part(jets, part) for part in ("train", "validation")], "event")
        histogram = HistogramTemplate(used)
        distances["model"].append(wasserstein_distance(_of_all(members, asked, len(mass)), mass))
        distances["histogram"].append(
            wasserstein_distance(histogram.draw(*(asked[name] for name in ("jet_pt", "jet_eta")), rng), mass)
        )
        for region, name, edges in ((pairs, "two jets", MASS_EDGES), (signal, "three jets or more", EDGES)):
            # Each pseudo-experiment has events of its own.
            own = region.isel(event=slice(number, None, times))
            found = _predicted(members, own, edges)
            seen = np.histogram(_summed(own), edges)[0]
            inside = np.abs(seen - found["predicted"].values) <= found["error"].values
            covered[name].append(inside[found["predicted"].values > 5])
        row, place = np.nonzero(signal["present"].values)
        of_signal = [signal[name].values[row, place] for name in ("jet_pt", "jet_eta")]
        made = {
            "model": _of_all(members, dict(zip(("jet_pt", "jet_eta"), of_signal, strict=True)), len(row)),
            "histogram": histogram.draw(*of_signal, rng),
        }
        for name, one in made.items():
            total = np.bincount(row, weights=one, minlength=signal.sizes["event"])
            sums[name].append(wasserstein_distance(total, _summed(signal)))
        shutil.rmtree(folder / f"{number}" / "jets.zarr", ignore_errors=True)
    return {
        "jets": size,
        "experiments": times,
        "members": MEMBERS,
        "distances": {name: _mean(values) for name, values in distances.items()},
        "summed_distances": {name: _mean(values) for name, values in sums.items()},
        "coverage": {name: _share(bins) for name, bins in covered.items()},
    }


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over pseudo-experiments, and its error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _share(bins: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the share of bins that hold, and its error: by the experiments, but at least that of independent bins."""
    mean, error = _mean([float(one.mean()) for one in bins])
    return mean, max(error, float(np.sqrt(mean * (1 - mean) / sum(map(len, bins)))))


def _extrapolation(folder: Path, pool: xr.Dataset, control: xr.Dataset) -> dict[str, Any]:
    """Return predicted over true mean masses against pT for a template and a histogram that saw only softer jets."""
    below = pool.isel(event=np.flatnonzero(pool["jet_pt"].values < BELOW))
    (member,) = load_members(_trained(folder, below, 600, members=2))[:1]
    rng = np.random.default_rng(4)
    mass, pt, eta = (control[name].values.astype(np.float64) for name in ("jet_mass", "jet_pt", "jet_eta"))
    made = {
        "model": _sampled(member, {"jet_pt": pt, "jet_eta": eta}, len(pt)),
        "histogram": HistogramTemplate(below).draw(pt, eta, rng),
    }
    rows = []
    for low, high in itertools.pairwise(BEYOND_EDGES):
        inside = (pt >= low) & (pt < high)
        n = int(inside.sum())
        if n < 20:
            continue
        entry: dict[str, Any] = {"low": low, "high": high, "jets": n}
        for name, one in made.items():
            ratio = one[inside].mean() / mass[inside].mean()
            error = (
                ratio
                * np.hypot(one[inside].std() / one[inside].mean(), mass[inside].std() / mass[inside].mean())
                / np.sqrt(n)
            )
            entry[name] = (float(ratio), float(error))
        rows.append(entry)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        member.sample(10, seed=1, jet_pt=2 * BELOW, jet_eta=0.0)
    told = [str(one.message) for one in caught if issubclass(one.category, ExtrapolationWarning)]
    return {"below": BELOW, "rows": rows, "warning": told}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the summed mass, the distances against the training sample's size, and the extrapolation."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "simulacra"
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    summed, sizes, beyond = figure.subplots(1, 3)
    closure = found["closure"]
    edges, seen = np.array(closure["edges"]), np.array(closure["seen"], dtype=float)
    predicted, error = np.array(closure["predicted"]), np.array(closure["error"])
    width = np.diff(edges)
    summed.stairs(predicted / width, edges, color="C0", label="predicted")
    summed.stairs(
        (predicted + error) / width, edges, baseline=(predicted - error) / width, fill=True, alpha=0.3, color="C0"
    )
    middle = (edges[1:] + edges[:-1]) / 2
    summed.errorbar(middle, seen / width, np.sqrt(seen) / width, fmt="k.", label="Pythia")
    summed.set(xlabel="summed mass of 3 jets or more [GeV]", ylabel="events per GeV", yscale="log")
    summed.legend(frameon=False)
    for name, label, colour in (("model", "flow", "C0"), ("histogram", "histogram", "C1")):
        studies = found["studies"]
        if studies:
            values = np.array([study["distances"][name] for study in studies])
            sizes.errorbar(
                [study["jets"] for study in studies], values[:, 0], values[:, 1], fmt="o-", color=colour, label=label
            )
        rows = found["extrapolation"]["rows"]
        centre = [(row["low"] + row["high"]) / 2 for row in rows]
        ratio = np.array([row[name] for row in rows])
        beyond.errorbar(centre, ratio[:, 0], ratio[:, 1], fmt="o-", color=colour, label=label)
    sizes.axhline(found["truth_of_masses"][0], color="k", linestyle=":", label="Pythia against Pythia")
    sizes.set(xlabel="training jets", ylabel="W1 of the jet mass [GeV]", xscale="log", ylim=(0, None))
    sizes.legend(frameon=False)
    beyond.axhline(1, color="k", linewidth=0.8)
    beyond.axvline(found["extrapolation"]["below"], color="k", linestyle=":", label="end of training")
    beyond.set(xlabel="jet pT [GeV]", ylabel="mean mass over Pythia's")
    beyond.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
