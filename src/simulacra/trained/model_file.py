"""A model file, read and checked: metadata, network, and further tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from simulacra.conditions import Band
from simulacra.errors import printable
from simulacra.systems import trained_system
from simulacra.systems.find import TrainedSystem
from simulacra.trained.conditions import TrainedConditions
from simulacra.training.settings import check

if TYPE_CHECKING:
    import torch
    from torch import nn


class OutputError(ValueError):
    """A system's module or function that returns something of another shape than it promises."""


class _Told(BaseModel):
    """The metadata of every model file, without those of its system."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class _System(_Told):
    kind: str


class _Experiment(_Told):
    system: _System


class _Description(_Told):
    condition_ranges: dict[str, tuple[float, float]]
    condition_distributions: dict[str, str] = {}
    hold_out: tuple[tuple[str, float, float], ...] = ()


class _Metadata(_Told):
    name: str
    experiment: _Experiment
    description: _Description


def _told(metadata: Mapping[str, Any], path: Path) -> _Metadata:
    """Return the checked metadata of a model file."""
    from simulacra.training.checkpoint import CheckpointError

    try:
        # as JSON, in which a pair is a list
        return _Metadata.model_validate_json(json.dumps(metadata))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = printable(".".join(map(str, fault["loc"])), 80)
        if fault["type"] == "missing":
            raise CheckpointError(
                f"{path} does not contain its '{place}': it was not written by simulacra train"
            ) from None
        raise CheckpointError(f"{path} is damaged, its '{place}': {fault['msg']}: copy it again") from None


class TrainedModel:
    """A trained network with all that its file says about it.

    Attributes
    ----------
    path:
        of the file.
    name:
        of the experiment that trained it.
    kind:
        of its system.
    metadata:
        settings, training record, versions.
    description:
        properties of the training sample.
    conditions:
        of the model.
    trained_range:
        (low, high) of each condition, in its unit.
    hold_out:
        the bands of conditions left out of training and validation.
    weights_sha256:
        identifies the weights, for any file name.
    module:
        the torch module, with two arrays as inputs and one as output; do not change its tensors.
    last_layer_draw:
        number of the draw of its last layer; None for the trained network.
    """

    def __init__(self, path: Path, last_layer_draw: int | None = None) -> None:
        from simulacra.generators.last_layer import LastLayerPosterior, is_posterior
        from simulacra.training.checkpoint import CheckpointError, data_hash, fill, read_model
        from simulacra.training.conditions import is_condition, of_tensors

        self.path, self.last_layer_draw = path, last_layer_draw
        self.metadata, tensors = read_model(path)
        weights = {name: tensor for name, tensor in tensors.items() if not (is_posterior(name) or is_condition(name))}
        if last_layer_draw is not None:
            weights |= LastLayerPosterior.of_tensors(tensors, str(path)).draw(weights, last_layer_draw)
        self.weights_sha256 = data_hash(weights)
        told = _told(self.metadata, path)
        self.name, self.kind = told.name, told.experiment.system.kind
        self.description: Mapping[str, Any] = self.metadata["description"]
        self.hold_out = tuple(Band(*band) for band in told.description.hold_out)
        if reversed_ := [str(band) for band in self.hold_out if not band.low < band.high]:
            raise CheckpointError(f"{path} is damaged, its 'hold_out': {reversed_[0]} is no band: copy it again")
        source = trained_system(self.kind)
        empirical = of_tensors(tensors)
        settings = check(source.Settings, self.metadata["experiment"]["system"], str(path))
        try:
            self.conditions = TrainedConditions(self.name, source.CONDITIONS, self.description, empirical)
            self.trained_range = self.conditions.ranges
            module = source.build(settings, self.description)
        except Exception as error:
            # What a system needs to know is its own affair, and a damaged file lacks it in as many ways.
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise CheckpointError(f"{path} does not describe its network ({what}): copy it again") from error
        fill(module, weights, str(path))
        self.module: nn.Module = self._folded(source, module.eval())
        self._refuse_other_conditions(getattr(settings, "conditions", None))

    def _folded(self, source: TrainedSystem, module: nn.Module) -> nn.Module:
        return source.fold(module).requires_grad_(False)

    def _refuse_other_conditions(self, asked: Sequence[str] | None) -> None:
        """Refuse a file with ranges of other conditions than its settings name or its network takes."""
        from simulacra.training.checkpoint import CheckpointError

        given = list(self.trained_range)
        if asked is not None:
            if list(asked) != given:
                raise CheckpointError(
                    f"{self.path} has ranges of {given}, but was trained on {list(asked)}: copy it again"
                )
            return
        try:
            self.one_output()
        except OutputError:
            raise
        except Exception as error:
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise CheckpointError(
                f"{self.path} has ranges of {given}, which are not its network's conditions ({what}): copy it again"
            ) from error

    def one_output(self) -> np.ndarray:
        """Return the module's output for one row, (1, ...), in the middle of the trained range, without noise."""
        middle = [(low + high) / 2 for low, high in self.trained_range.values()]
        latent = int(self.module.latent)  # type: ignore[arg-type]
        return self._by_torch(np.zeros((1, latent), np.float32), np.array([middle], np.float32))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}: {self.conditions!r})"

    @property
    def above_zero(self) -> list[int]:
        """The positions of the conditions that must be above 0."""
        return [i for i, one in enumerate(self.conditions.declared.values()) if one.positive]

    def to(self, device: str | torch.device) -> None:
        """Move the network to a device, such as "cuda"; events are then made there, from the same random numbers.

        Raises
        ------
        ValueError
            if torch finds no such device.
        """
        import torch

        try:
            where = torch.device(device)
            # On a device that is not there, this is the call that fails.
            torch.zeros(1, device=where)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(f"torch finds no device '{device}' ({printable(str(error), 120)}): say 'cpu'") from None
        self.module.to(where)

    def _by_torch(self, first: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        """Return the module's output on its device for noise or inputs (N, latent) and conditions (N, C)."""
        import torch

        from simulacra.deploy.onnx import device_of

        device = device_of(self.module)
        with torch.inference_mode():
            z, rows = torch.from_numpy(first).to(device), torch.from_numpy(conditions).to(device)
            made = self.module(z, rows)
            if not isinstance(made, torch.Tensor) or made.shape[:1] != z.shape[:1]:
                raise OutputError(
                    f"the module of the system '{self.kind}' must return one tensor with {len(z)} rows, as many as its "
                    f"inputs, not {shape_of(made)}"
                )
            output: np.ndarray = made.cpu().numpy()
        return output


def shape_of(given: object) -> str:
    """Return the shape of an array in words, or the type of anything else."""
    shape = getattr(given, "shape", None)
    return f"a {type(given).__name__}" if shape is None else f"the shape {tuple(shape)}"
