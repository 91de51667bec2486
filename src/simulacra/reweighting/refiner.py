"""The refiner: weights that turn one generator's events into the truth, in one file that names the generator."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
import xarray as xr

from simulacra.geometry import CalorimeterGeometry
from simulacra.reweighting.blocks import places_in_blocks
from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter
from simulacra.training.checkpoint import CheckpointError

#: rows of a matrix product, always: its last bits depend on their number, and a weight must not
BLOCK: Final = 64
DETAILS: Final = "refinement"
#: attributes of events that observables need
CARRIED: Final = ("geometry",)
#: how far outside the trained range a condition may be, in widths: the extremes of the true events that the range was
#: taken from are a little inside the range from which they were drawn
SLACK: Final = 1e-2


class Refinable(Protocol):
    """The interface of a generator of events."""

    name: str
    weights_sha256: str
    trained_range: dict[str, tuple[float, float]]

    def sample(self, n: int, *, seed: int, first_event: int = 0, exact: bool = False, **conditions: Any) -> xr.Dataset:
        """Return events; with ``exact`` the same bits for every ``n``."""


@dataclass(frozen=True)
class Refined:
    """Weights of generated events.

    Attributes
    ----------
    weights:
        (N,), with mean about 1, at most the maximum.
    clipped_share:
        share of the sum of the weights that clipping at the maximum removed.
    """

    weights: np.ndarray
    clipped_share: float


class Refiner:
    """Weights for one generator's events; made by :func:`fit_refiner`, read by :meth:`load`.

    Attributes
    ----------
    reweighter:
        the classifiers and their calibration.
    path:
        its file.
    generator, generator_sha256:
        name of its generator, and the hash of the generator's weights.
    largest_ratio, maximum:
        the largest accepted ratio of densities, and the largest weight: this ratio over the normalisation.
    clipped_share:
        share of the sum of weights that clipping removed, of the generated events of the calibration.
    condition_ranges:
        (low, high) of each condition that it was trained on, in its unit.
    variables:
        names of the generator's output variables and conditions; the classifiers see some of these, or observables.
    sees:
        the classifiers' input, such as "cells" or "shapes" of showers.
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
            self._carried = {name: str(details[name]) for name in CARRIED if name in details}
            if "geometry" in details:
                CalorimeterGeometry.from_json(details["geometry"])
            self.condition_ranges: dict[str, tuple[float, float]] = {
                name: (float(low), float(high)) for name, (low, high) in details["condition_ranges"].items()
            }
            # Older files are for showers.
            self.variables = tuple(map(str, details.get("variables", ("shower", *self.condition_ranges))))
            seen = reweighter.member(0).network.variables
            self.sees = str(details.get("sees", "cells" if "shower" in seen else "shapes"))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} lacks the data of a refiner ({error}): it is damaged") from None
        if not (np.isfinite([self.largest_ratio, self._normalisation]).all() and self._normalisation > 0):
            raise CheckpointError(f"{path} holds a normalisation of {self._normalisation}: it is damaged")
        self.maximum = self.largest_ratio / self._normalisation
        for k in range(reweighter.size):
            reweighter.member(k).network.packed = False

    def __repr__(self) -> str:
        return f"Refiner(of {self.generator}: {self.reweighter.size} members, weights up to {self.maximum:.3g})"

    @property
    def sha256(self) -> str:
        """The hash of the classifiers' weights."""
        return self.reweighter.sha256

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Refiner:
        """Read a refiner from a file, or from the folder of ``simulacra refine``.

        Raises
        ------
        simulacra.training.checkpoint.CheckpointError
            if the file is missing, damaged or holds something else.
        """
        place = Path(path) / "reweighter.safetensors" if Path(path).is_dir() else Path(path)
        if not place.is_file():
            raise CheckpointError(f"there is no refiner '{place}': simulacra refine makes one")
        return cls(Reweighter.load(place), place)

    def require(self, generator: Refinable) -> None:
        """Refuse every generator except the one that this refiner was trained for.

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
        """Warn if ranges of conditions, (lowest, highest), reach outside the trained ones."""
        for name, (low, high) in self.condition_ranges.items():
            lowest, highest = asked[name]
            slack = SLACK * (high - low)
            if lowest < low - slack or highest > high + slack:
                warnings.warn(
                    f"'{name}' from {lowest:g} to {highest:g} reaches outside the range of {low:g} to {high:g} that "
                    f"the refiner of '{self.generator}' was trained on: its weights extrapolate there",
                    OutsideBoxWarning,
                    stacklevel=3,
                )

    def weights(self, events: xr.Dataset) -> Refined:
        """Return the weights of generated events; each depends only on the event and its index's position in a block.

        Raises
        ------
        ValueError
            if the events are not like the generator's, or a value is not finite or impossible.
        FloatingPointError
            if a weight is not finite.
        """
        index = events["event"].values
        place = places_in_blocks(index, BLOCK)
        # Rows without an event repeat the first one.
        rows = np.zeros(BLOCK * (int(place.max()) // BLOCK + 1), dtype=np.int64)
        rows[place] = np.arange(len(index))
        like = events[list(self.variables)].isel(event=slice(0, 1)).assign_attrs(self._carried)
        arrays = {name: _single(events[name].values) for name in self.variables}
        log_ratio = np.concatenate(
            [
                self._log_ratio({name: values[block] for name, values in arrays.items()}, like)
                for block in rows.reshape(-1, BLOCK)
            ]
        )[place]
        if self.reweighter.calibration is not None:
            log_ratio = self.reweighter.calibration(log_ratio)
        with np.errstate(over="ignore"):
            ratio = np.exp(log_ratio)
        if np.isnan(ratio).any():
            event = int(index[np.flatnonzero(np.isnan(ratio))[0]])
            raise FloatingPointError(f"the weight of event {event} is not a number: the refiner is broken, train again")
        clipped = np.minimum(ratio, self.largest_ratio)
        # The share of an infinite ratio is undefined; it counts as the largest finite number.
        before = np.minimum(ratio, 1e300 / len(ratio))
        share = 1.0 - float(clipped.sum() / before.sum()) if clipped.any() else 0.0
        return Refined(clipped / self._normalisation, share)

    def _log_ratio(self, arrays: Mapping[str, np.ndarray], like: xr.Dataset) -> np.ndarray:
        network = self.reweighter.member(0).network
        given = self.reweighter.settings.network.inputs(arrays, network.variables, like)
        with torch.inference_mode():
            represented = network.represent({name: torch.from_numpy(values) for name, values in given.items()})
            members = (self.reweighter.member(k) for k in range(self.reweighter.size))
            log_ratios = [member(represented).double().numpy() for member in members]
        return np.asarray(np.mean(log_ratios, axis=0))


def _single(values: np.ndarray) -> np.ndarray:
    """Return numbers in single precision, like generators' output; integers and booleans are unchanged."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values
