"""Settings of a reweighter: its network, its parameters, its ensemble, its training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simulacra.settings import CheckedSettings
from simulacra.training.settings import TrainingSettings

#: what a refiner of showers looks at: the shower shapes, or each cell's energy beside them
Sees = Literal["shapes", "cells"]
Width = Annotated[int, Field(ge=1, le=1024)]


class ParticleFlowSettings(CheckedSettings):
    """A particle flow network on ``momentum``, ``energy``, ``identity`` and ``present`` (arXiv:1810.05165)."""

    kind: Literal["particle_flow"] = "particle_flow"
    frame: Literal["event", "beam"] = "event"
    particle_widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (64, 64, 64)
    event_widths: tuple[Width, ...] = (64,)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (64, 64)


class FeaturesSettings(CheckedSettings):
    """A perceptron on variables of the events, or on their observables if the events have no such variables."""

    kind: Literal["features"] = "features"
    variables: Annotated[tuple[str, ...], Field(min_length=1)]
    widths: tuple[Width, ...] = (64, 64)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (64,)


class ShowersSettings(CheckedSettings):
    """A perceptron on showers: on ``variables`` of the events and their shower shapes (models/shower_classifier.py).

    ``variables`` names shapes and conditions, with ``incident_energy``, and ``shower`` if cells are to be seen.
    """

    kind: Literal["showers"] = "showers"
    variables: Annotated[tuple[str, ...], Field(min_length=1)]
    widths: tuple[Width, ...] = (128, 128)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (32,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


NetworkSettings = Annotated[ParticleFlowSettings | FeaturesSettings | ShowersSettings, Field(discriminator="kind")]


class ReweighterSettings(CheckedSettings):
    """What a reweighter is made of and how it is trained.

    Attributes
    ----------
    network:
        what embeds the events.
    parameters:
        names of the target's conditions that the weights shall be continuous in; empty for one fixed target.
    reference:
        the source's value of each parameter, in its unit; those that Pythia's defaults fix are known.
    members:
        classifiers of the ensemble, each from other initial weights and batches.
    calibration:
        map of the log-odds fitted on the validation part.
    draws:
        parameters that each source event is paired with in a batch, drawn from the target's.
    average_decay:
        decay of the moving average of the weights, which is what is validated and kept.
    """

    network: NetworkSettings = ParticleFlowSettings()
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
