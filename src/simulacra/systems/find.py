"""Find a system by its kind, which is the name of its file, in this folder or in those of ``SIMULACRA_SYSTEMS``."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

import numpy as np
import xarray as xr
from pydantic import BaseModel

from simulacra.conditions import Condition
from simulacra.events import REQUIRED_ATTRIBUTES

if TYPE_CHECKING:
    from torch import nn

    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.training.loop import Trainee
    from simulacra.training.settings import Experiment

#: function that opens the events at a path
Read = Callable[[str], xr.Dataset]
Makes = Literal["events", "weights", "scores"]
#: environment variable with further folders of systems, separated as in PATH; their code is run, so it must be trusted
FOLDERS: Final = "SIMULACRA_SYSTEMS"
#: what the file of a system offers besides that of every system, by what it makes
NEEDED: Final[Mapping[Makes, tuple[str, ...]]] = {
    "events": ("Trainer", "build", "fold", "to_variables", "CARRIES"),
    "weights": ("fit",),
    "scores": ("Trainer", "build", "fold", "to_inputs", "inputs", "SCORE"),
}
#: attributes of generated events or of a model's description that are set in any case
OWN_ATTRIBUTES: Final = frozenset(
    {
        *REQUIRED_ATTRIBUTES,
        "conventions",
        "trained_range",
        "first_event",
        "variables",
        "condition_ranges",
        "condition_distributions",
        "empirical_conditions",
        "hold_out",
    }
)


class System(Protocol):
    """What every system's file offers. It imports torch only inside functions, so settings are read without torch.

    Attributes
    ----------
    MAKES:
        "events"; "weights" for given events; or "scores" of given events, such as a density or an anomaly score.
    Settings:
        frozen; its ``kind`` is the file's name.
    CONDITIONS:
        possible conditions of a model, by name; there may be none.
    """

    MAKES: Makes
    Settings: type[BaseModel]
    CONDITIONS: Mapping[str, Condition]
    __doc__: str

    def example(self, folder: Path) -> dict[str, Any]:
        """Return a small experiment that trains in seconds, as in a TOML file.

        Events that are not shipped are first written into ``folder``.
        """


class ReweightingSystem(System, Protocol):
    """What the file of a system that makes weights offers."""

    def fit(self, experiment: Experiment, settings: Any, run: Path, read: Read, *, progress: bool = True) -> Reweighter:
        """Train the reweighter of an experiment into a run folder."""


class TrainedSystem(System, Protocol):
    """What a system offers if the training loop trains its network: one that makes events or scores."""

    def Trainer(self, settings: Any, events: xr.Dataset) -> Trainee:  # noqa: N802
        """Build the networks and fit their representation to the training events."""

    def build(self, settings: Any, description: Mapping[str, Any]) -> nn.Module:
        """Return the module that a checkpoint fills.

        It maps (noise (N, latent), conditions (N, C)) to an array (N, ...); a system that makes scores maps
        (inputs (N, latent), conditions (N, C)) to scores (N,).
        """

    def fold(self, module: nn.Module) -> nn.Module:
        """Return the module for use: the same function in as few operations as possible."""


class GeneratingSystem(TrainedSystem, Protocol):
    """What the file of a system that makes events offers.

    Attributes
    ----------
    CARRIES:
        names of the attributes of the training sample that generated events also have: a detector's ``geometry``, the
        ``particle``, the frame of coordinates, the survey.
    """

    CARRIES: Sequence[str]

    def to_variables(self, output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
        """Return the variables of events from the module's output and the model's description.

        A variable without the dimension ``event`` becomes a coordinate of the events, such as the pixels' positions.
        """


class ScoringSystem(TrainedSystem, Protocol):
    """What the file of a system that makes scores offers.

    Attributes
    ----------
    SCORE:
        the score's units and long name. A higher score means an event that is less like the background.
    """

    SCORE: tuple[str, str]

    def inputs(self, description: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the names of the variables that ``to_inputs`` reads, with their units there."""

    def to_inputs(self, events: xr.Dataset, description: Mapping[str, Any]) -> np.ndarray:
        """Return the module's inputs from events, (N, latent) float32."""

    def example_signal(self, folder: Path) -> Path:
        """Write a small sample of what the example's score should find into ``folder`` and return its path."""


def add_folders(path: list[str]) -> list[str]:
    """Return the package's search path followed by the folders named in the environment."""
    return [*path, *filter(None, os.environ.get(FOLDERS, "").split(os.pathsep))]


def names() -> list[str]:
    """Return the kinds of system that exist: the files in the folders.

    Warns
    -----
    UserWarning
        if ``SIMULACRA_SYSTEMS`` names something that is no folder.
    """
    if lost := lost_folders():
        warnings.warn(f"{FOLDERS} names {', '.join(lost)}, which is no folder: its systems are missing", stacklevel=2)
    return kinds()


def lost_folders() -> list[str]:
    """Return what ``SIMULACRA_SYSTEMS`` names and is no folder."""
    import simulacra.systems

    return [folder for folder in simulacra.systems.__path__ if not Path(folder).is_dir()]


def kinds() -> list[str]:
    """Return what :func:`names` does, without a warning."""
    import simulacra.systems

    files = [file for folder in simulacra.systems.__path__ for file in Path(folder).glob("*.py") if file.is_file()]
    return sorted({file.stem for file in files if "." not in file.stem} - {"__init__", "find"})


def makes(kind: str) -> Makes:
    """Return what the system of a kind makes: "events", "weights" or "scores".

    Raises
    ------
    ValueError
        with the kinds that exist.
    """
    return any_system(kind).MAKES


def any_system(kind: str) -> System:
    """Return the system of a kind.

    Raises
    ------
    ValueError
        with the kinds that exist, or why the file of a system cannot be used.
    """
    import simulacra.systems

    if kind not in (known := kinds()):
        lost = lost_folders()
        hint = f" ({FOLDERS} names {', '.join(lost)}, which is no folder)" if lost else f" (your own: see {FOLDERS})"
        raise ValueError(f"there is no system of kind {kind!r}; there are: {', '.join(known)}{hint}")
    files = [file for folder in simulacra.systems.__path__ if (file := Path(folder) / f"{kind}.py").is_file()]
    if len(files) > 1:
        raise ValueError(f"there are two systems of kind '{kind}', {files[0]} and {files[1]}: rename yours")
    try:
        found = importlib.import_module(f"simulacra.systems.{kind}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # The file is the user's own, and can fail in any way, also by leaving the program.
        if files and files[0].parent == Path(__file__).parent:
            raise
        raise ValueError(f"the system in {files[0]} cannot be used ({type(error).__name__}: {error})") from error
    if fault := _fault_of(found):
        raise ValueError(f"the system in {files[0]} {fault}: see docs/own_system.md")
    return cast("System", found)


def _fault_of(found: ModuleType) -> str:
    """Return what is wrong with the file of a system, or nothing."""
    made = str(getattr(found, "MAKES", None))
    needed = ("MAKES", "Settings", "CONDITIONS", "example", *NEEDED.get(cast("Makes", made), ()))
    if missing := [name for name in needed if not hasattr(found, name)]:
        return f"lacks {', '.join(missing)}"
    if made not in NEEDED:
        return f"has MAKES = {made!r}, not one of {', '.join(NEEDED)}"
    if idle := [name for name in needed if not name.isupper() and not callable(getattr(found, name))]:
        return f"has a {idle[0]} that cannot be called"
    conditions = found.CONDITIONS
    if not isinstance(conditions, Mapping) or not all(
        isinstance(name, str) and isinstance(one, Condition) for name, one in conditions.items()
    ):
        return "has CONDITIONS that are not a mapping of names to simulacra.conditions.Condition"
    if made == "scores" and not (_are_texts(found.SCORE) and len(found.SCORE) == 2):
        return "has a SCORE that is not a tuple of two texts, its units and long name"
    if made == "events" and not _are_texts(found.CARRIES):
        return f"has CARRIES = {found.CARRIES!r}, not a tuple of texts"
    if made == "events" and (taken := OWN_ATTRIBUTES.intersection(found.CARRIES)):
        return f"has CARRIES with {', '.join(sorted(taken))}, which generated events have in any case"
    return ""


def _are_texts(given: object) -> bool:
    return isinstance(given, tuple | list) and all(isinstance(one, str) for one in given)


def system(kind: str) -> GeneratingSystem:
    """Return the system of a kind, which must make events (ValueError)."""
    return cast("GeneratingSystem", _that_makes(kind, "events"))


def reweighting_system(kind: str) -> ReweightingSystem:
    """Return the system of a kind, which must make weights (ValueError)."""
    return cast("ReweightingSystem", _that_makes(kind, "weights"))


def scoring_system(kind: str) -> ScoringSystem:
    """Return the system of a kind, which must make scores (ValueError)."""
    return cast("ScoringSystem", _that_makes(kind, "scores"))


def trained_system(kind: str) -> TrainedSystem:
    """Return the system of a kind, whose network the training loop trains: it makes events or scores (ValueError)."""
    return cast("TrainedSystem", _that_makes(kind, "events", "scores"))


def _that_makes(kind: str, *wanted: Makes) -> System:
    found = any_system(kind)
    if found.MAKES not in wanted:
        raise ValueError(f"'{kind}' makes {found.MAKES}, not {' or '.join(wanted)}")
    return found
