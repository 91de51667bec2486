"""The common part of systems that reweight Pythia events: parameters, and the reading of settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulacra.conditions import Condition
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.training.settings import SettingsError, TrainingSettings

if TYPE_CHECKING:
    import xarray as xr

#: Pythia's parameters by their short names
CONDITIONS: Final[Mapping[str, Condition]] = {
    "alphaS": Condition("1", "strong coupling at the Z mass of the final-state shower (TimeShower:alphaSvalue)"),
    "aLund": Condition("1", "parameter a of the Lund fragmentation function (StringZ:aLund)"),
    "probStoUD": Condition("1", "production of strange against up or down quarks (StringFlav:probStoUD)"),
}
#: varied in the example
EXAMPLE_BOX: Final = {"alphaS": "uniform:0.10:0.18", "aLund": "uniform:0.5:0.9", "probStoUD": "uniform:0.1:0.3"}


def first_events(events: xr.Dataset, most: int | None) -> xr.Dataset:
    """Return the first events of a sample, all of them if ``most`` is None."""
    return events.isel(event=slice(most))


def reweighter_settings(settings: ReweighterSettings, training: TrainingSettings) -> ReweighterSettings:
    """Return only the settings of the reweighter, with the experiment's training.

    Raises
    ------
    SettingsError
        if the system's table contains a training.
    """
    if "training" in settings.model_fields_set:
        raise SettingsError("'system.training' has no effect: write the training into the table [training]")
    fields = {name: getattr(settings, name) for name in ReweighterSettings.model_fields}
    return ReweighterSettings(**(fields | {"training": training}))


def example_samples(folder: Path) -> tuple[Path, Path]:
    """Simulate a few decays of the Z with Pythia's defaults and with other values of alphaS; return both stores."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings

    paths = folder / "default.zarr", folder / "varied.zarr"
    for seed, (path, vary) in enumerate(zip(paths, ({}, EXAMPLE_BOX), strict=True), start=1):
        settings = PythiaSettings.model_validate({"process": "z-to-dijets", "vary": vary, "events_per_draw": 100})
        write_collisions(path, settings, seed=seed, n_events=600, chunk_size=300, progress=False)
    return paths


def example(path: Path, **system: Any) -> dict[str, Any]:
    """Return an experiment on a store with settings of a system; it trains in seconds."""
    network = {"kind": "particle_flow", "particle_widths": [8], "event_widths": [8], "summary": 4, "head_widths": [8]}
    return {
        "name": f"example-{system['kind']}",
        "data": {"path": str(path)},
        "system": {"parameters": list(CONDITIONS), "calibration": "none", "network": network, **system},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
