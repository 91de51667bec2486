"""The reweighter: weights for source events that turn them into target events, fitted to both samples.

Andreassen and Nachman, arXiv:1907.08209 (DCTR): a classifier f that separates the two on the full phase space gives the
weights f/(1-f). If the simulator's parameters are inputs, the weights are continuous in them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from simulacra.errors import printable
from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.calibration import CalibrationMap, map_from_arrays
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.reweighting.represented import Represented, represent
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.settings import path_of
from simulacra.training import checkpoint
from simulacra.training.settings import check
from simulacra.units import in_units

if TYPE_CHECKING:
    from simulacra.events import Part

KIND: Final = "reweighter"
WEIGHTS: Final = Path(__file__).resolve().parent.parent / "weights" / "reweighters"
#: how far outside the trained box a parameter may be by rounding, in widths of the box
SLACK: Final = 1e-6


class OutsideBoxWarning(UserWarning):
    """Parameters outside the box that the reweighter was trained in."""


def shipped_reweighters() -> list[str]:
    """Return the names of the reweighters in the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def build(settings: ReweighterSettings, description: Mapping[str, Any]) -> EventClassifier:
    """Return an untrained classifier; ``description`` has ``bounds``, ``reference`` and the network's description."""
    bounds = {name: (float(low), float(high)) for name, (low, high) in description["bounds"].items()}
    network = settings.network.build(description)
    return EventClassifier(network, bounds, description["reference"], settings.network.head_widths)


@dataclass(frozen=True)
class Embedded:
    """Events embedded by the members of an ensemble.

    Attributes
    ----------
    summaries:
        one tensor (N, S) per member.
    weights:
        the events' own weights, (N,).
    theta:
        the parameters of the events, (N, P), if requested; otherwise (N, 0).
    index:
        the events' indices, (N,).
    """

    summaries: tuple[Tensor, ...]
    weights: np.ndarray
    theta: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: slice | np.ndarray) -> Embedded:
        """Return some of the events."""
        chosen = rows if isinstance(rows, slice) else torch.from_numpy(np.asarray(rows))
        return Embedded(
            tuple(z[chosen] for z in self.summaries), self.weights[rows], self.theta[rows], self.index[rows]
        )


class MemberRatio:
    """One member's log p(x|theta) / p(x|theta_0) of embedded events, for a fit."""

    def __init__(self, classifier: EventClassifier, slope: float = 1.0) -> None:
        self._classifier, self._slope = classifier, slope
        names = classifier.parameter_names
        self.parameters = names
        self.bounds = {
            n: (low, high)
            for n, low, high in zip(names, classifier.low.tolist(), classifier.high.tolist(), strict=True)
        }
        self.reference = dict(zip(names, classifier.reference.tolist(), strict=True))

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        """Return log ratios (N,) of summaries (N, S) at one theta (P,)."""
        return self._slope * self._classifier.log_odds(z, theta)


class Reweighter:
    """An ensemble of classifiers with all data of its file; made by :func:`fit_reweighter`.

    Attributes
    ----------
    name:
        of the reweighter.
    settings:
        its settings.
    description:
        samples, trained box (``bounds``), the source's parameters (``reference``), warnings of the fit.
    training:
        a record of each member's training.
    fit_calibration:
        calibration of fits over the box, by the fit's method, as plain JSON values that
        :class:`simulacra.fits.parameter_map.ParameterMap` reads; empty if there is none.
    """

    def __init__(
        self,
        name: str,
        settings: ReweighterSettings,
        description: Mapping[str, Any],
        members: Sequence[EventClassifier],
        calibration: CalibrationMap | None,
        training: Sequence[Mapping[str, Any]],
        fit_calibration: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.settings, self.description = name, settings, dict(description)
        self.members = nn.ModuleList(members).eval().requires_grad_(False)
        self.calibration = calibration
        self.training = list(training)
        self.fit_calibration = dict(fit_calibration or {})

    def with_fit_calibration(self, calibration: Mapping[str, Any]) -> Reweighter:
        """Return the same reweighter with this calibration of fits over its box."""
        members = [self.member(k) for k in range(self.size)]
        return Reweighter(
            self.name, self.settings, self.description, members, self.calibration, self.training, calibration
        )

    def __repr__(self) -> str:
        box = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in self.bounds.items())
        return f"Reweighter({self.name}: {len(self.members)} members{', ' + box if box else ''})"

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The trained box of each parameter, in its unit; empty for one fixed target."""
        return {name: (float(low), float(high)) for name, (low, high) in self.description["bounds"].items()}

    @property
    def reference(self) -> dict[str, float]:
        """The source's parameters, in their units."""
        return {name: float(value) for name, value in self.description["reference"].items()}

    @property
    def sha256(self) -> str:
        """The hash of the networks' weights, independent of the name of the file."""
        return checkpoint.data_hash(self.members.state_dict())

    def ratios(self) -> tuple[MemberRatio, ...]:
        """Return the members' log ratios for a fit, with their calibration.

        Raises
        ------
        ValueError
            if the reweighter has no parameters.
        """
        if not self.bounds:
            raise ValueError(f"'{self.name}' has one fixed target and no parameters to fit")
        return tuple(MemberRatio(self.member(k), getattr(self.calibration, "slope", 1.0)) for k in range(self.size))

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.members)

    def member(self, k: int) -> EventClassifier:
        """Return one classifier of the ensemble."""
        member = self.members[k]
        if not isinstance(member, EventClassifier):
            raise TypeError(f"member {k} is a {type(member).__name__}")
        return member

    def embed(
        self,
        events: xr.Dataset,
        *,
        part: Part | None = None,
        most: int | None = None,
        with_theta: bool = False,
        label: str = "the sample",
        show: bool = False,
    ) -> Embedded:
        """Return the summaries of events, read block by block; weights for all parameters are computed from these.

        Raises
        ------
        SampleError, simulacra.events.EventsError
            if variables are missing or not finite.
        """

        def summarised(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
            return {str(k): self.member(k).embed(inputs) for k in range(self.size)}

        # The representation is the same in all members.
        sample = represent(
            in_units(events, self.description.get("units", {}), label),
            self.member(0).network,
            parameters=tuple(self.bounds) if with_theta else (),
            part=part,
            most=most,
            label=label,
            then=summarised,
            show=show,
        )
        return Embedded(tuple(sample.inputs.values()), sample.weights, sample.theta, sample.index)

    def embed_represented(self, sample: Represented) -> Embedded:
        """Return the summaries of a represented sample."""
        summaries = tuple(self.member(k).embed(sample.inputs) for k in range(self.size))
        return Embedded(summaries, sample.weights, sample.theta, sample.index)

    def log_ratios(self, embedded: Embedded, parameters: Mapping[str, float] | None = None) -> np.ndarray:
        """Return each member's log p_target / p_source before calibration, (members, N)."""
        theta = self._theta(parameters)
        rows = []
        with torch.inference_mode():
            for k, z in enumerate(embedded.summaries):
                rows.append(self.member(k).log_odds(z, theta).double().numpy())
        return np.stack(rows)

    def weights_of(
        self, embedded: Embedded, parameters: Mapping[str, float] | None = None, *, normalise: bool = True
    ) -> np.ndarray:
        """Return the ratio p_target / p_source of each event, (N,), a factor for its own weight.

        Parameters
        ----------
        embedded:
            the events.
        parameters:
            of the target, in their units; by default those of the source.
        normalise:
            scale the ratios to keep the sum of the events' own weights.

        Raises
        ------
        FloatingPointError
            if a weight is not finite.
        WeightError
            if the sum of the events' own weights times the ratios is not positive.

        Warns
        -----
        OutsideBoxWarning
            if a parameter is outside the trained box.
        """
        log_ratio = self.log_ratios(embedded, parameters).mean(axis=0)
        return self._ratio(log_ratio, embedded, normalise=normalise)

    def weights_of_members(
        self, embedded: Embedded, parameters: Mapping[str, float] | None = None, *, normalise: bool = True
    ) -> np.ndarray:
        """Return each member's own weights, (members, N): their spread is the networks' uncertainty."""
        ratios = self.log_ratios(embedded, parameters)
        return np.stack([self._ratio(row, embedded, normalise=normalise) for row in ratios])

    def _ratio(self, log_ratio: np.ndarray, embedded: Embedded, *, normalise: bool) -> np.ndarray:
        calibrated = log_ratio if self.calibration is None else self.calibration(log_ratio)
        with np.errstate(over="ignore"):
            ratio = np.exp(calibrated)
        if not np.isfinite(ratio).all():
            place = int(np.flatnonzero(~np.isfinite(ratio))[0])
            raise FloatingPointError(
                f"the weight of event {embedded.index[place]} is not finite (log ratio {log_ratio[place]:g}): the "
                "source has almost no events there, or the parameters are far outside the trained box"
            )
        if normalise:
            product = checked_weights(embedded.weights * ratio, len(ratio), "reweighted source")
            ratio = ratio * (embedded.weights.sum() / product.sum())
        return np.asarray(ratio)

    def weights(self, events: xr.Dataset, *, normalise: bool = True, **parameters: float) -> np.ndarray:
        """Return the ratio p_target / p_source of each event, (N,); see :meth:`weights_of`."""
        return self.weights_of(self.embed(events), parameters, normalise=normalise)

    def outside_box(self, parameters: Mapping[str, float] | None) -> list[str]:
        """Return a sentence for each parameter outside the trained box.

        Raises
        ------
        ValueError
            if a parameter is unknown, or is not finite.
        """
        bounds, asked = self.bounds, dict(parameters or {})
        unknown = [name for name in asked if name not in bounds]
        if unknown:
            known = ", ".join(f"{n} ({low:g} to {high:g})" for n, (low, high) in bounds.items()) or "none"
            raise ValueError(f"'{self.name}' has no parameters {unknown}; it has {known}")
        found = []
        for name, value in asked.items():
            low, high = bounds[name]
            if not np.isfinite(value):
                raise ValueError(f"{name} is {value}: give a number between {low:g} and {high:g}")
            slack = SLACK * (high - low)
            if not low - slack <= value <= high + slack:
                found.append(
                    f"{name} = {value:g} is outside the trained box ({low:g} to {high:g}): '{self.name}' "
                    "extrapolates; check the closure before you use these weights"
                )
        return found

    def _theta(self, parameters: Mapping[str, float] | None) -> Tensor | None:
        for sentence in self.outside_box(parameters):
            warnings.warn(sentence, OutsideBoxWarning, stacklevel=4)
        if not self.bounds:
            return None
        values = self.reference | dict(parameters or {})
        return torch.tensor([values[name] for name in self.bounds], dtype=torch.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write networks, calibration and their description as one safetensors file."""
        calibration = None
        if self.calibration is not None:
            calibration = {name: array.tolist() for name, array in self.calibration.arrays().items()}
        metadata = {
            "kind": KIND,
            "name": self.name,
            "settings": self.settings.model_dump(mode="json"),
            "description": self.description,
            "calibration": calibration,
            "training": self.training,
            "versions": checkpoint.versions(),
        }
        if self.fit_calibration:
            metadata["fit_calibration"] = self.fit_calibration
        checkpoint.save_model(Path(path), self.members, metadata)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Read a reweighter: the name of a shipped one, a file, or the folder of its training.

        Raises
        ------
        simulacra.training.checkpoint.CheckpointError
            if the file is damaged or holds something else.
        ValueError
            if there is none; the message names the shipped ones.
        """
        path = path_of(name_or_path, "the reweighter")
        if path.is_dir():
            path = path / "reweighter.safetensors"
        elif not path.is_file():
            if str(name_or_path) not in shipped_reweighters():
                raise ValueError(
                    f"'{name_or_path}' is neither a file, nor a folder, nor one of the shipped reweighters: "
                    f"{', '.join(shipped_reweighters()) or 'none'}"
                )
            path = WEIGHTS / f"{name_or_path}.safetensors"
        metadata, weights = checkpoint.read_model(path)
        if metadata.get("kind") != KIND:
            raise checkpoint.CheckpointError(f"{path} is not a reweighter; simulacra reweight makes reweighters")
        try:
            settings = check(ReweighterSettings, metadata["settings"], str(path))
            description, training, name = metadata["description"], metadata["training"], str(metadata["name"])
            arrays = metadata["calibration"]
            members = [build(settings, description) for _ in training]
            # Older files, and those for one fixed target, have none.
            fits = metadata.get("fit_calibration") or {}
        except KeyError as error:
            raise checkpoint.CheckpointError(f"{path} does not contain its {error}: it is damaged") from None
        except (TypeError, AttributeError, IndexError) as error:
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise checkpoint.CheckpointError(
                f"{path} does not describe its networks ({what}): it is damaged"
            ) from error
        checkpoint.fill(nn.ModuleList(members), weights, str(path))
        calibration = None if arrays is None else map_from_arrays({k: np.array(v) for k, v in arrays.items()})
        return cls(name, settings, description, members, calibration, training, fits)
