"""Settings of a training run: a TOML file, checked, with ``--set key=value`` on top."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the place and the remedy."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(_Frozen):
    """Where the training events are: a path from the working directory, or ``reference:NAME`` for a shipped one."""

    path: str
    max_events: Annotated[int, Field(ge=10)] | None = None


class TrainingSettings(_Frozen):
    """How the one loop runs."""

    steps: Annotated[int, Field(ge=1)] = 10_000
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    learning_rate_factors: dict[str, Annotated[float, Field(gt=0)]] = {}
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.99)
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    validate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 500
    patience: Annotated[int, Field(ge=1)] | None = None
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    threads: Annotated[int, Field(ge=1)] | None = None


class Experiment(_Frozen):
    """One trained model: what ``simulacra train experiments/NAME.toml`` reads.

    ``system`` is checked by the system's own settings, of which ``kind`` chooses one.
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
        naming the file and the key at fault.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no experiment file {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}") from None
    for text in overrides:
        override(data, text)
    return check(Experiment, data, str(path))


def check(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Return ``data`` as ``model``, or raise :class:`SettingsError` with the place of each fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                known = ", ".join(sorted(model.model_fields))
                lines.append(f"unknown key '{place}'" + (f" (known: {known})" if "." not in place else ""))
            else:
                lines.append(f"'{place}': {fault['msg']}, not {fault['input']!r}")
        raise SettingsError(f"{where}: " + "; ".join(lines)) from None


def override(data: dict[str, Any], text: str) -> None:
    """Set the key of a text ``key=value`` in settings; see :func:`read_experiment`."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SettingsError(f"'{text}' is not of the form key=value, such as training.steps=100")
    try:
        parsed = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *folders, last = key.split(".")
    place = data
    for folder in folders:
        place = place.setdefault(folder, {})
        if not isinstance(place, dict):
            raise SettingsError(f"'{text}': '{folder}' is a value, not a table")
    place[last] = parsed
