"""Settings of a reweighter: its network, its parameters, its ensemble, its training."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from simulacra.reweighting.kinds.arrays import ConvolutionalSettings
from simulacra.reweighting.kinds.clouds import ParticleFlowSettings
from simulacra.reweighting.kinds.find import networks, views_of
from simulacra.reweighting.kinds.network import NetworkSettings
from simulacra.reweighting.kinds.showers import ShowersSettings
from simulacra.reweighting.kinds.tables import FeaturesSettings
from simulacra.settings import CheckedSettings
from simulacra.training.settings import TrainingSettings

if TYPE_CHECKING:
    import xarray as xr

    AnyNetwork = NetworkSettings
else:
    AnyNetwork = Annotated[functools.reduce(operator.or_, networks()), Field(discriminator="kind")]

__all__ = [
    "ConvolutionalSettings",
    "FeaturesSettings",
    "NetworkSettings",
    "ParticleFlowSettings",
    "ReweighterSettings",
    "ShowersSettings",
    "settings_for",
]


class ReweighterSettings(CheckedSettings):
    """Settings of a reweighter and of its training.

    Attributes
    ----------
    network:
        the network that embeds the events.
    parameters:
        conditions of the target in which the weights are continuous; empty for one fixed target.
    reference:
        the source's value of each parameter, in its unit; not needed for Pythia's defaults.
    members:
        number of classifiers in the ensemble, with different initial weights and batches.
    calibration:
        map of the log-odds fitted on the validation part.
    draws:
        number of parameter values per source event in a batch, drawn from the target.
    average_decay:
        decay of the moving average of the weights; the average is validated and kept.
    """

    network: AnyNetwork = ParticleFlowSettings()
    parameters: tuple[str, ...] = ()
    reference: dict[str, float] = Field(default_factory=dict)
    members: Annotated[int, Field(ge=1, le=64)] = 1
    calibration: Literal["none", "temperature", "isotonic"] = "isotonic"
    draws: Annotated[int, Field(ge=1, le=64)] = 4
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    training: TrainingSettings = TrainingSettings(
        steps=4000, batch_size=512, learning_rate=2e-3, betas=(0.9, 0.999), final_learning_rate=0.01, accelerator="cpu"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if extra := [name for name in self.reference if name not in self.parameters]:
            raise ValueError(
                f"'reference' names {extra}, which are not parameters; the parameters are {list(self.parameters)}"
            )
        if self.parameters and self.calibration == "isotonic":
            raise ValueError(
                "isotonic calibration is for one fixed target: with parameters, choose calibration = 'temperature' or "
                "'none'"
            )
        return self


def settings_for(events: xr.Dataset, parameters: Sequence[str] = (), **changes: Any) -> ReweighterSettings:
    """Return settings of a reweighter whose network sees the complete events.

    Parameters
    ----------
    events:
        the source, or a part of it.
    parameters:
        conditions of the target in which the weights are continuous.
    changes:
        settings that differ from these.

    Raises
    ------
    simulacra.reweighting.represented.SampleError
        if no network sees such events.
    """
    view = next(iter(views_of(events).values()))
    default = ReweighterSettings()
    training = default.training.model_copy(update=dict(view.training))
    chosen: dict[str, Any] = {
        "network": view.network,
        "training": training,
        "parameters": tuple(parameters),
        "calibration": "temperature" if parameters else view.calibration,
    }
    return ReweighterSettings(**(chosen | changes))
