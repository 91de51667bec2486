"""The reweighter: fitted to source and target events, it gives source events the weights that make them the target.

Andreassen and Nachman, arXiv:1907.08209 (DCTR): a classifier f that tells the two apart on the full phase space gives
the weights f/(1-f), continuous in the simulator's parameters if it was given them.
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
from simulacra.training import checkpoint
from simulacra.training.settings import check
from simulacra.units import in_units

if TYPE_CHECKING:
    from simulacra.events import Part

KIND: Final = "reweighter"
WEIGHTS: Final = Path(__file__).resolve().parent.parent / "weights" / "reweighters"
#: how far beyond the trained box a parameter may lie by rounding, in widths of the box
SLACK: Final = 1e-6


class OutsideBoxWarning(UserWarning):
    """Parameters beyond what the reweighter was trained on."""


def shipped_reweighters() -> list[str]:
    """Return the names of the reweighters that the package ships."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def build(settings: ReweighterSettings, description: Mapping[str, Any]) -> EventClassifier:
    """Return an untrained classifier; ``description`` gives ``bounds``, ``reference`` and what the network needs."""
    bounds = {name: (float(low), float(high)) for name, (low, high) in description["bounds"].items()}
    network = settings.network.build(description)
    return EventClassifier(network, bounds, description["reference"], settings.network.head_widths)


@dataclass(frozen=True)
class Embedded:
    """Events as the members of an ensemble see them.

    Attributes
    ----------
    summaries:
        one tensor (N, S) a member.
    weights:
        the events' own weights, (N,).
    theta:
        the parameters that they were made with, (N, P), where that was asked for; else (N, 0).
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
    """One member's log p(x|theta) / p(x|theta_0) of embedded events, as a fit takes it."""

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
    """An ensemble of classifiers with everything that its file says about it; made by :func:`fit_reweighter`.

    Attributes
    ----------
    name:
        of the reweighter.
    settings:
        what it was made of.
    description:
        samples, trained box (``bounds``), source's parameters (``reference``), warnings of the fit.
    training:
        a record of each member's training.
    fit_calibration:
        calibration of fits over the box, by the fit's method, as plain JSON values that
        :class:`simulacra.fits.parameter_map.ParameterMap` reads; empty where there is none.
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
        """What the weights of the networks are, whatever the file is called."""
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
        """Return the summaries of events, read block by block; what the weights of any parameters are made from.

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
        """Return the ratio p_target / p_source of each event, (N,), by which its own weight is to be multiplied.

        Parameters
        ----------
        embedded:
            the events.
        parameters:
            of the target, in their units; those not named stay at the source's.
        normalise:
            scale the ratios such that the events' own weights times them add up to the events' own weights.

        Raises
        ------
        FloatingPointError
            if a weight is not finite.
        WeightError
            if the events' own weights times the ratios add up to nothing, or less.

        Warns
        -----
        OutsideBoxWarning
            if a parameter lies outside the trained box.
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
        """Return a sentence for each parameter that lies outside the trained box.

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
        """Write networks, calibration and all that is known about them as one safetensors file."""
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
        """Read a reweighter: a shipped one's name, a file, or the folder that it was trained in.

        Raises
        ------
        simulacra.training.checkpoint.CheckpointError
            if the file is damaged or holds something else.
        ValueError
            if there is none, with the names of the shipped ones.
        """
        path = Path(name_or_path)
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
            # Files of before this was made, and of one fixed target, have none.
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
