"""The refiner: weights that turn one generator's showers into the truth's, in one file that names the generator."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes_of
from simulacra.reweighting.blocks import places_in_blocks
from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter
from simulacra.reweighting.settings import Sees
from simulacra.training.checkpoint import CheckpointError

if TYPE_CHECKING:
    import xarray as xr

#: rows of a matrix product, always: its last bits depend on their number, and a weight must not
BLOCK: Final = 64
DETAILS: Final = "refinement"


class Generator(Protocol):
    """What is needed of a generator of showers."""

    name: str
    weights_sha256: str
    trained_range: dict[str, tuple[float, float]]

    def sample(self, n: int, *, seed: int, first_event: int = 0, exact: bool = False, **conditions: Any) -> xr.Dataset:
        """Return showers; ``exact`` gives the same bits whatever ``n``."""


@dataclass(frozen=True)
class Refined:
    """Weights of generated showers.

    Attributes
    ----------
    weights:
        (N,), of mean about 1, none above the maximum.
    clipped_share:
        what cutting off at the maximum removed, over the sum of the weights before.
    """

    weights: np.ndarray
    clipped_share: float


class Refiner:
    """The weights of one generator's showers; made by :func:`fit_refiner`, read by :meth:`load`.

    Attributes
    ----------
    reweighter:
        the classifiers and their calibration.
    path:
        its file.
    generator, generator_sha256:
        name of the generator that it is for, and the hash of that one's weights.
    largest_ratio, maximum:
        the largest ratio of densities that is believed, and that over the normalisation: the largest weight.
    clipped_share:
        what cutting off there removed of the sum of the weights, of generated showers that calibrated it.
    condition_ranges:
        (low, high) of each incident condition that it was trained on, in its unit.
    """

    def __init__(self, reweighter: Reweighter, path: Path) -> None:
        self.reweighter, self.path = reweighter, path
        details = reweighter.description.get(DETAILS)
        if details is None:
            raise CheckpointError(
                f"{path} is a reweighter of two samples, not a refiner; simulacra refine makes refiners"
            )
        try:
            self.generator, self.generator_sha256 = str(details["generator"]), str(details["weights_sha256"])
            self.largest_ratio, self._normalisation = float(details["largest_ratio"]), float(details["normalisation"])
            self.clipped_share = float(details["clipped_share"])
            self._geometry = CalorimeterGeometry.from_json(details["geometry"])
            self.condition_ranges: dict[str, tuple[float, float]] = {
                name: (float(low), float(high)) for name, (low, high) in details["condition_ranges"].items()
            }
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} lacks the data of a refiner ({error}): it is damaged") from None
        if not (np.isfinite([self.largest_ratio, self._normalisation]).all() and self._normalisation > 0):
            raise CheckpointError(f"{path} holds a normalisation of {self._normalisation}: it is damaged")
        self.maximum = self.largest_ratio / self._normalisation

    def __repr__(self) -> str:
        return f"Refiner(of {self.generator}: {self.reweighter.size} members, weights up to {self.maximum:.3g})"

    @property
    def sha256(self) -> str:
        """What the weights of the classifiers are."""
        return self.reweighter.sha256

    @property
    def sees(self) -> Sees:
        """What the classifiers look at."""
        return "cells" if "shower" in self.reweighter.member(0).network.variables else "shapes"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Refiner:
        """Read a refiner: a file, or the folder of ``simulacra refine``.

        Raises
        ------
        simulacra.training.checkpoint.CheckpointError
            if the file is missing, damaged or holds something else.
        """
        place = Path(path) / "reweighter.safetensors" if Path(path).is_dir() else Path(path)
        if not place.is_file():
            raise CheckpointError(f"there is no refiner '{place}': simulacra refine makes one")
        return cls(Reweighter.load(place), place)

    def require(self, generator: Generator) -> None:
        """Refuse any other generator than the one that this was trained for.

        Raises
        ------
        ValueError
            with the names and hashes of both.
        """
        if generator.weights_sha256 != self.generator_sha256:
            raise ValueError(
                f"{self.path} refines '{self.generator}' (weights {self.generator_sha256[:12]}), not "
                f"'{generator.name}' (weights {generator.weights_sha256[:12]}): its weights are wrong for another "
                "generator; train one with simulacra refine"
            )

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        """Warn if ranges of conditions, (lowest, highest), reach beyond what the refiner was trained on."""
        for name, (low, high) in self.condition_ranges.items():
            lowest, highest = asked[name]
            slack = 1e-3 * (high - low)
            if lowest < low - slack or highest > high + slack:
                warnings.warn(
                    f"'{name}' from {lowest:g} to {highest:g} reaches outside the range of {low:g} to {high:g} that "
                    f"the refiner of '{self.generator}' was trained on: its weights extrapolate there",
                    OutsideBoxWarning,
                    stacklevel=3,
                )

    def weights(self, events: xr.Dataset) -> Refined:
        """Return the weights of generated showers, each a function of the shower and its index's place in a block.

        Raises
        ------
        ValueError
            if the showers are not of the generator's detector, or a value is not finite or negative.
        FloatingPointError
            if a weight is not finite.
        """
        conditions = {name: events[name].values for name in self.condition_ranges}
        return self.weights_of(events["shower"].values, conditions, events["event"].values)

    def weights_of(self, showers: np.ndarray, conditions: Mapping[str, np.ndarray], index: np.ndarray) -> Refined:
        """Return the weights of showers (N, cells) [MeV] at conditions, (N,) each, of events with these indices."""
        place = places_in_blocks(index, BLOCK)
        n_rows = BLOCK * (int(place.max()) // BLOCK + 1)
        cells = np.zeros((n_rows, showers.shape[1]), dtype=np.float32)
        cells[place] = showers
        columns = {name: np.full(n_rows, values[0], dtype=np.float32) for name, values in conditions.items()}
        for name, values in conditions.items():
            columns[name][place] = values
        log_ratio = np.empty(n_rows)
        for start in range(0, n_rows, BLOCK):
            rows = slice(start, start + BLOCK)
            log_ratio[rows] = self._log_ratio(cells[rows], {name: values[rows] for name, values in columns.items()})
        log_ratio = log_ratio[place]
        if self.reweighter.calibration is not None:
            log_ratio = self.reweighter.calibration(log_ratio)
        with np.errstate(over="ignore"):
            ratio = np.exp(log_ratio)
        if np.isnan(ratio).any():
            event = int(index[np.flatnonzero(np.isnan(ratio))[0]])
            raise FloatingPointError(
                f"the weight of event {event} is not a number: the refiner is damaged, train again"
            )
        clipped = np.minimum(ratio, self.largest_ratio)
        # Of an infinite ratio no share can be told; it counts as the largest that can be.
        before = np.minimum(ratio, 1e300 / len(ratio))
        share = 1.0 - float(clipped.sum() / before.sum()) if clipped.any() else 0.0
        return Refined(clipped / self._normalisation, share)

    def _log_ratio(self, cells: np.ndarray, conditions: Mapping[str, np.ndarray]) -> np.ndarray:
        incident = conditions["incident_energy"]
        arrays = {**shower_shapes_of(cells, incident, self._geometry), **conditions, "shower": cells}
        network = self.reweighter.member(0).network
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(arrays[name]) for name in {*network.variables, "incident_energy"}}
            represented = network.represent(inputs)
            members = (self.reweighter.member(k) for k in range(self.reweighter.size))
            log_ratios = [member(represented).double().numpy() for member in members]
        return np.asarray(np.mean(log_ratios, axis=0))
