"""Events from a simulator into a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

from simulacra.settings import path_of

if TYPE_CHECKING:
    from simulacra.store import WriteSummary

Simulator = Literal["geant4", "pythia", "shower", "hemispheres", "fields", "detector"]


def simulate(
    simulator: Simulator,
    output: str | os.PathLike[str],
    n_events: int | None = None,
    *,
    seed: int,
    particles: str | os.PathLike[str] | None = None,
    workers: int = 1,
    scheduler: str | os.PathLike[str] | None = None,
    chunk_size: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **settings: Any,
) -> WriteSummary:
    """Simulate events into a Zarr store. If it was interrupted, the same call continues where it stopped.

    Parameters
    ----------
    simulator:
        "geant4", "pythia", "shower", a toy parton shower with a known kernel, "hemispheres", Pythia's showers of gluons
        without hadrons, "fields", random fields whose likelihood is known, or "detector", a parametric detector for the
        particles of another store.
    output:
        the store to write.
    n_events:
        number of events; "detector" uses all of ``particles``.
    seed:
        the same seed gives the same events, with any number of workers.
    particles:
        for "detector": the store of particles.
    workers:
        processes.
    scheduler:
        a Dask cluster in the place of the processes (:func:`simulacra.campaigns.executor_for`): "tcp://HOST:PORT",
        "local", or a settings file.
    chunk_size:
        events per chunk; another size gives other events. For "detector" it is that of ``particles``.
    overwrite:
        replace an existing store.
    progress:
        whether to show a progress bar.
    settings:
        fields of :class:`~simulacra.simulators.geant4.Geant4Settings` (``geometry``, ``particle``, ``energy``, ...) or
        :class:`~simulacra.simulators.pythia_settings.PythiaSettings` (``process``, ``vary``, ...),
        :class:`~simulacra.simulators.parton_shower.PartonShowerSettings` (``parton_energy``, ...) or
        :class:`~simulacra.simulators.pythia_partons.PythiaPartonSettings` (``gluon_energy``, ...) or
        :class:`~simulacra.simulators.random_fields.RandomFieldSettings` (``form``, ...); for "detector",
        ``settings``: the name of a shipped detector or a TOML file.

    Raises
    ------
    ValueError
        if the settings do not fit the simulator.
    simulacra.store.StoreError
        if the store cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> summary = simulacra.simulate(
    ...     "pythia", folder / "decays.zarr", 50, seed=1, process="z-to-dijets", progress=False
    ... )
    >>> summary.n_events
    50
    """
    from simulacra.campaigns import executor_for

    with executor_for(scheduler, workers) as executor:
        return _simulated(
            simulator,
            output,
            n_events,
            particles,
            chunk_size,
            settings,
            {"seed": seed, "workers": executor, "overwrite": overwrite, "progress": progress},
        )


def _simulated(
    simulator: Simulator,
    output: str | os.PathLike[str],
    n_events: int | None,
    particles: str | os.PathLike[str] | None,
    chunk_size: int | None,
    settings: dict[str, Any],
    common: dict[str, Any],
) -> WriteSummary:
    """Simulate events; ``common`` are the options of all simulators."""
    # Only what is given, so that each simulator's own defaults hold.
    sized: dict[str, Any] = {} if chunk_size is None else {"chunk_size": chunk_size}
    if simulator == "detector":
        return _detector(output, particles, n_events, settings, common | sized)
    if particles is not None:
        raise ValueError(f"'particles' is for a detector; {simulator} makes its own")
    if n_events is None:
        raise ValueError(f"{simulator} needs a number of events: give n_events")
    if simulator == "geant4":
        from simulacra.simulators.geant4 import Geant4Settings, write_showers

        shower = _checked(Geant4Settings, settings)
        return write_showers(output, shower, n_events=n_events, **common, **sized)
    if simulator == "pythia":
        from simulacra.simulators.pythia import write_collisions
        from simulacra.simulators.pythia_settings import PythiaSettings

        collision = _checked(PythiaSettings, settings)
        return write_collisions(output, collision, n_events=n_events, **common, **sized)
    if simulator == "shower":
        from simulacra.simulators.parton_shower import PartonShowerSettings, write_parton_showers

        of_partons = _checked(PartonShowerSettings, settings)
        return write_parton_showers(output, of_partons, n_events=n_events, **common, **sized)
    if simulator == "hemispheres":
        from simulacra.simulators.pythia_partons import PythiaPartonSettings, write_pythia_partons

        of_gluons = _checked(PythiaPartonSettings, settings)
        return write_pythia_partons(output, of_gluons, n_events=n_events, **common, **sized)
    if simulator == "fields":
        from simulacra.simulators.random_fields import RandomFieldSettings, write_random_fields

        of_fields = _checked(RandomFieldSettings, settings)
        return write_random_fields(output, of_fields, n_events=n_events, **common, **sized)
    names = ", ".join(get_args(Simulator)[:-1])
    raise ValueError(f"there is no simulator '{simulator}': there are {names} and detector")


def _detector(
    output: str | os.PathLike[str],
    particles: str | os.PathLike[str] | None,
    n_events: int | None,
    settings: dict[str, Any],
    common: dict[str, Any],
) -> WriteSummary:
    from simulacra.simulators.detector import write_detector
    from simulacra.simulators.detector_settings import DetectorSettings

    if particles is None:
        raise ValueError("a detector needs the store of particles: name it with 'particles'")
    particles = path_of(particles, "the store of particles")
    if n_events is not None or "chunk_size" in common:
        raise ValueError("a detector uses all events of 'particles', chunk by chunk: leave n_events and chunk_size out")
    if unknown := sorted(set(settings) - {"settings"}):
        raise ValueError(f"a detector has no setting {unknown}: give 'settings', its name or a TOML file")
    loaded = DetectorSettings.load(path_of(settings.get("settings", "lep-like"), "the detector's settings"))
    return write_detector(particles, path_of(output, "the store"), loaded, **common)


def _checked(model: Any, settings: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ValueError(faults(error)) from None


def faults(error: Any) -> str:
    """Return what is wrong with settings in one line."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        for fault in error.errors()
    )
