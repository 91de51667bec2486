"""Generators of images of jets and muons: distances of observables, classifiers, and whether classes are told apart.

Images of a model are compared with Pythia's, and Pythia's with Pythia's, always as many with as many of each class.
There are twice as many of each. Distances are means over random divisions of these into halves; errors are the spread
of one comparison.

Trees are taught to tell signal from background on Pythia's images, and judged on other images of Pythia's and on
generated ones; and the other way round. A model whose classes are told apart more often than Pythia's exaggerates their
difference: LAGAN's own were recognised in 0.997 and 0.984 of the cases (arXiv:1701.05927).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import xarray as xr
from benchmarks.jets.images_figure import draw, histograms, mean_images
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.stages import run_stage
from scipy.stats import wasserstein_distance

import simulacra
from simulacra.observables.jet_images import IMAGE, PIXEL_SIZE, SIGNAL, image_observables
from simulacra.simulators.pythia import write_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.statistics.classifiers.classifier import Method, classify
from simulacra.statistics.classifiers.members import Member
from simulacra.statistics.classifiers.trees import tree_scores
from simulacra.store import open_events
from simulacra.trained import TrainedGenerator

__all__ = ["draw", "measure"]


@dataclass(frozen=True)
class Truth:
    """What images of a process are compared by: distances of observables, by their names in the table.

    ``per_class`` is the number of images of a class in each of two samples that are compared.
    """

    observables: Mapping[str, str]
    per_class: int


#: models, those that are shipped are judged; and the processes of their truths
MODELS: Final[Mapping[str, str]] = {
    "jet-images-lagan": "jet-images",
    "jet-images-sarm": "jet-images",
    "muon-images-lagan": "muon-images",
    "muon-images-sarm": "muon-images",
}
#: trainings used 5201 and 5301
SEED: Final = 5211
#: how often twice as many images as are compared are divided at random
DIVISIONS: Final = 4
#: by process
TRUTHS: Final[Mapping[str, Truth]] = {
    "jet-images": Truth(
        {
            "W1 of mass [GeV]": "image_mass",
            "W1 of pT [GeV]": "image_pt",
            "W1 of tau21 [1e-3]": "image_tau21",
            "W1 of pixels hit": "image_pixels",
        },
        per_class=5_000,
    ),
    "muon-images": Truth(
        {
            "W1 of mass [GeV]": "image_mass",
            "W1 of pT [GeV]": "image_pt",
            "W1 of pT less than 0.2 from the muon [GeV]": "image_cone_2",
            "W1 of pixels hit": "image_pixels",
        },
        per_class=5_000,
    ),
}
UNITS: Final = {"W1 of tau21 [1e-3]": 1e-3}
INTENSITIES: Final = "W1 of pixel intensities [GeV]"
CLASSIFIERS: Final[Mapping[str, tuple[Method, str]]] = {
    "AUC, trees on observables": ("trees", "observables"),
    "AUC, perceptron on pixels": ("perceptron", "pixels"),
}
TOLD_MADE, TOLD_REAL = "classes told, by trees of Pythia's images", "classes of Pythia's images told, by trees of it"
BATCH, SECONDS = 1024, 3.0


@dataclass(frozen=True)
class ImageSample:
    """Images (N, n, n) [GeV], their classes (N,), and their observables by name, (N,) each."""

    image: np.ndarray
    signal: np.ndarray
    observables: dict[str, np.ndarray]

    @classmethod
    def of(cls, events: xr.Dataset) -> Self:
        observables = {str(name): one.values for name, one in image_observables(events).data_vars.items()}
        return cls(events[IMAGE].values, events["signal"].values, observables)

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: np.ndarray) -> ImageSample:
        """Return some of the images."""
        kept = {name: column[rows] for name, column in self.observables.items()}
        return ImageSample(self.image[rows], self.signal[rows], kept)

    def of_class(self, place: int) -> ImageSample:
        """Return the images of a class."""
        return self.take(np.flatnonzero(self.signal == place))

    def table(self, which: str) -> np.ndarray:
        """Return the inputs of a classifier, (N, F): "observables", or roots of the "pixels"."""
        if which == "observables":
            return np.column_stack(list(self.observables.values()))
        return np.sqrt(self.image.reshape(len(self), -1))


Distance = Callable[[ImageSample, ImageSample], float]


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Judge and time each model that is shipped, next to truth against truth.

    Raises
    ------
    NothingShippedError
        if there is none.
    """
    judged = [simulacra.load(name) for name in MODELS if name in simulacra.shipped()]
    if not judged:
        raise NothingShippedError(f"none of the models {', '.join(MODELS)} is shipped: there is nothing to judge")
    found: dict[str, Any] = {"rows": [], "models": {}, "truth": {}}
    for process in dict.fromkeys(MODELS[model.name] for model in judged):
        events = simulated(folder, process, scale)
        truth, n = ImageSample.of(events), per_class(process, scale)
        distances, halves = distances_of(process), divided(truth.signal, n)
        chance = run_stage(
            folder,
            f"{process}-truth",
            lambda *_: _numbers(truth, truth, halves, 1.0, distances),  # noqa: B023
        )
        size = float(events.attrs[PIXEL_SIZE])
        found["truth"][process] = _drawn(truth, size, process) | {"seconds": float(events.attrs["seconds_per_event"])}
        for model in (one for one in judged if MODELS[one.name] == process):
            made = ImageSample.of(model.sample(len(truth), seed=1, signal=truth.signal))
            pairs = [(one[0], two[0]) for one, two in zip(halves, divided(made.signal, n, seed=2), strict=True)]
            # Halves of one sample overlap, which makes their spread too small by this factor.
            numbers = run_stage(
                folder,
                f"{process}-{model.name}-{model.weights_sha256[:8]}",
                lambda *_: _numbers(truth, made, pairs, math.sqrt(2), distances),  # noqa: B023
            )
            found["models"][model.name] = _drawn(made, size, process) | {"process": process}
            found["rows"].append(asdict(_row(model, numbers, chance, scale)))
    return found


def simulated(folder: Path, process: str, scale: float) -> xr.Dataset:
    """Return images of Pythia, background and signal in turn; a killed simulation continues."""
    path = folder / f"{process}.zarr"
    if not path.exists():
        settings = PythiaSettings.model_validate({"process": process})
        write_collisions(path, settings, seed=SEED, n_events=4 * per_class(process, scale), chunk_size=1000)
    return open_events(path).load()


def per_class(process: str, scale: float) -> int:
    """Return the number of images of a class in a sample."""
    return max(100, round(TRUTHS[process].per_class * scale))


def divided(signal: np.ndarray, n: int, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows of random divisions into two samples with ``n`` images of each class."""
    found, rng = [], np.random.default_rng(seed)
    for _ in range(DIVISIONS):
        drawn = [rng.permutation(np.flatnonzero(signal == place)[: 2 * n]) for place in range(len(SIGNAL.choices))]
        found.append((np.concatenate([rows[:n] for rows in drawn]), np.concatenate([rows[n:] for rows in drawn])))
    return found


def _numbers(
    truth: ImageSample,
    other: ImageSample,
    pairs: list[tuple[np.ndarray, np.ndarray]],
    factor: float,
    distances: Mapping[str, Distance],
) -> dict[str, Any]:
    """Return each number by name: value, error, number of images of each sample.

    Parameters
    ----------
    pairs:
        rows of the truth and of the others that are compared.
    factor:
        error of one comparison over the spread of these.
    distances:
        of observables, by name.
    """
    found: dict[str, tuple[float, float, int]] = {}
    taken = [(truth.take(one), other.take(two)) for one, two in pairs]
    for place, name in enumerate(SIGNAL.choices):
        classes = [tuple(sample.of_class(place) for sample in pair) for pair in taken]
        n = len(classes[0][0])
        for text, distance in distances.items():
            values = np.array([distance(*pair) for pair in classes])
            found[f"{name}: {text}"] = float(values.mean()), factor * float(values.std(ddof=1)), n
    first, second = taken[0]
    for text, (method, which) in CLASSIFIERS.items():
        # The class is an input: an image may be right for the other class only.
        tables = [np.column_stack([one.table(which), one.signal]) for one in (first, second)]
        told = classify(*tables, method, seed=1)
        found[text] = told.auc, told.uncertainty, len(first)
    rest = np.setdiff1d(np.arange(len(truth)), pairs[0][0])
    found[TOLD_MADE] = told_apart(truth.take(rest), second if other is not truth else first)
    found[TOLD_REAL] = told_apart(second, first)
    return {"numbers": found}


def distances_of(process: str) -> dict[str, Distance]:
    """Return the distances that images of a process are judged by."""

    def of(key: str, unit: float) -> Distance:
        return lambda one, two: float(wasserstein_distance(one.observables[key], two.observables[key])) / unit

    found = {text: of(key, UNITS.get(text, 1.0)) for text, key in TRUTHS[process].observables.items()}
    return found | {
        INTENSITIES: lambda one, two: float(wasserstein_distance(one.image[one.image > 0], two.image[two.image > 0]))
    }


def told_apart(taught: ImageSample, judged: ImageSample, seed: int = 1) -> tuple[float, float, int]:
    """Return how often trees taught on images of both classes tell those of others: accuracy, error, their number."""
    tables = [np.column_stack([one.table("observables"), one.table("pixels")]) for one in (taught, judged)]
    labels = np.concatenate([taught.signal, judged.signal])
    rows = np.arange(len(labels))
    member = Member(np.random.default_rng(seed).permutation(rows[: len(taught)]), rows[len(taught) :])
    scores = tree_scores(np.concatenate(tables).astype(np.float32), labels, np.ones(len(labels)), [member], seed)[0]
    accuracy = float(np.mean((scores > 0) == (judged.signal == 1)))
    return accuracy, math.sqrt(accuracy * (1 - accuracy) / len(judged)), len(judged)


def _drawn(sample: ImageSample, pixel_size: float, process: str) -> dict[str, Any]:
    by_class = {name: sample.of_class(place) for place, name in enumerate(SIGNAL.choices)}
    values = {name: one.observables | {"intensity": one.image[one.image > 0]} for name, one in by_class.items()}
    counts = {name: len(one) for name, one in by_class.items()}
    means = mean_images({name: one.image for name, one in by_class.items()})
    return {"histograms": histograms(values, counts, process), "means": means, "pixel_size": pixel_size}


def _row(model: TrainedGenerator, numbers: Mapping[str, Any], chance: Mapping[str, Any], scale: float) -> Row:
    training = model.metadata["training"]
    judged = []
    for name, (value, error, n) in numbers["numbers"].items():
        truth, truth_error, _ = chance["numbers"][name]
        goal = "as with Pythia's" if name in (TOLD_MADE, TOLD_REAL) else ""
        judged.append(Judged(name, value, error, truth, truth_error, n, goal))
    median, spread = microseconds(model, BATCH, scale * SECONDS)
    return Row(
        system=model.kind,
        model=model.name,
        trained_events=int(training["events"]),
        training_minutes=float(training["seconds"]) / 60,
        judged=tuple(judged),
        microseconds=median,
        microseconds_error=spread,
        weights_sha256=model.weights_sha256,
    )
