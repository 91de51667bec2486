"""Settings of a training run: a TOML file, checked, with ``--set key=value`` on top."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from simulacra.errors import printable
from simulacra.settings import CheckedSettings, toml_of

Model = TypeVar("Model", bound=BaseModel)


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the place and the remedy."""


class DataSettings(CheckedSettings):
    """Where the training events are: a path from the working directory, or ``reference:NAME`` for a shipped one.

    ``further`` are samples of the same kind. All their events are added to the train part of ``path``; the validation
    and test parts of ``path`` do not change. ``hold_out`` names bands of conditions ("energy:30:50") whose events are
    used neither for training nor for validation, to judge the generator there.

    ``in_memory`` says whether the training events are read into the memory, or stay on disk, from which each batch is
    read. By default they stay there if they would take more than a quarter of the machine's memory.
    """

    path: str
    further: tuple[str, ...] = ()
    max_events: Annotated[int, Field(ge=10)] | None = None
    hold_out: tuple[str, ...] = ()
    in_memory: bool | None = None


class TrainingSettings(CheckedSettings):
    """Settings of the training loop.

    Upper bounds exclude obvious mistakes, such as 10^12 steps. The limits of the machine are checked before training
    starts (:mod:`~simulacra.training.machine`); a learning rate that is too high shows only in the loss.

    ``optimizer`` is Adam, AdamW (whose ``weight_decay`` is decoupled from the gradient), or stochastic gradient descent
    with the momentum ``betas[0]``. ``gradient_clipping`` is the largest norm of a player's gradient, None for no limit.

    ``batch_size`` is the number of events of a step on all devices together. Each batch is divided into
    ``micro_batches`` equal parts, whose gradients are added up: each device works on its share of them, one after
    another. The number of parts is that of the devices if it is not given. Each part has its own random numbers, so a
    run with the same number of parts gives the same losses, up to rounding, on any number of devices, and may continue
    on another number.

    ``patience`` is the number of validations without progress after which training stops (see
    :class:`~simulacra.training.continuation.Progression`). ``last_layer_snapshots`` is the number of snapshots of the
    last layer's weights in the last quarter of the steps, for :mod:`~simulacra.generators.last_layer`; 0 for none.
    """

    steps: Annotated[int, Field(ge=1, le=10**9)] = 10_000
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    learning_rate_factors: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    gradient_clipping: Annotated[float, Field(gt=0)] | None = None
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.99)
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    validate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 500
    patience: Annotated[int, Field(ge=1)] | None = None
    last_layer_snapshots: Annotated[int, Field(ge=0, le=10_000)] = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Annotated[int, Field(ge=1, le=1024)] = 1
    micro_batches: Annotated[int, Field(ge=1, le=4096)] | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None

    @model_validator(mode="after")
    def _snapshots_fit(self) -> Self:
        snapshots = self.last_layer_snapshots
        if snapshots == 1:
            raise ValueError("last_layer_snapshots of 1 have no spread: set at least 2, or 0 for none")
        if snapshots and self.patience is not None:
            raise ValueError(
                "last_layer_snapshots are taken at the end of training, which is not known with patience: use only "
                "one of the two"
            )
        if snapshots > self.steps // 4:
            raise ValueError(f"{snapshots} last_layer_snapshots do not fit into the last quarter of {self.steps} steps")
        return self


class Experiment(CheckedSettings):
    """One model to train: the content of an experiment file.

    ``kind`` in ``system`` chooses the system, whose own settings check the rest.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: DataSettings
    system: dict[str, Any]
    training: TrainingSettings = TrainingSettings()


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment from a TOML file.

    Parameters
    ----------
    path:
        the file.
    overrides:
        ``key=value`` pairs, the key dotted (``training.steps=100``), the value in TOML's notation or a bare string.

    Raises
    ------
    SettingsError
        naming the file and the wrong key.
    """
    try:
        data = toml_of(path)
    except FileNotFoundError:
        raise SettingsError(f"there is no experiment file {path}") from None
    except ValueError as error:
        raise SettingsError(str(error)) from None
    for text in overrides:
        override(data, text)
    return check(Experiment, data, str(path))


def check(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Return ``data`` as ``model``, or raise :class:`SettingsError` with the place of each error."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                known = ", ".join(sorted(model.model_fields))
                lines.append(f"unknown key '{place}'" + (f" (known: {known})" if "." not in place else ""))
            elif fault["type"] == "value_error":
                # of our own validators, which say what they found
                lines.append(f"'{place}': {fault['msg'].removeprefix('Value error, ')}".removeprefix("'': "))
            else:
                lines.append(f"'{place}': {fault['msg']}, not {printable(repr(fault['input']), 80)}")
        raise SettingsError(f"{where}: " + "; ".join(lines)) from None


def override(data: dict[str, Any], text: str) -> None:
    """Set the key of a text ``key=value`` in settings; see :func:`read_experiment`."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SettingsError(f"'{text}' is not of the form key=value, such as training.steps=100")
    try:
        parsed = tomllib.loads(f"x = {value}")["x"]
    except (ValueError, RecursionError):
        parsed = value
    *folders, last = key.split(".")
    place = data
    for folder in folders:
        place = place.setdefault(folder, {})
        if not isinstance(place, dict):
            raise SettingsError(f"'{text}': '{folder}' is a value, not a table")
    place[last] = parsed
