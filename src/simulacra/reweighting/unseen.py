"""Which part of a sample a reweighter was not trained on, by what its file and the sample say of how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.events import Part
    from simulacra.reweighting.reweighter import Reweighter


def unseen_part(reweighter: Reweighter, events: xr.Dataset) -> tuple[Part | None, str]:
    """Return the part of the events that no member has seen in training, None for all of them, and why.

    An event is a function of simulator, settings, seed and index. So another simulator or another seed than those of
    the source and the target shows that no event was trained on. Where the seed is the same, or one is not known, the
    events' test part is what training leaves alone, whatever the settings.
    """
    own = simulated_by(events.attrs)
    trained = {which: simulated_by(reweighter.description.get(which) or {}) for which in ("source", "target")}
    if own is None:
        return "test", "the test part, because the events do not say with which simulator and seed they were made"
    if unknown := [which for which, made in trained.items() if made is None]:
        return "test", f"the test part, because '{reweighter.name}' does not say how its {unknown[0]} was made"
    for which, made in trained.items():
        if made == own:
            return "test", (
                f"the test part, because its seed is {own[1]}, that of the {which} that '{reweighter.name}' was "
                "trained on; with another seed all of it would be used"
            )
    seeds = " and ".join(dict.fromkeys(str(made[1]) for made in trained.values() if made))
    return None, f"whole, because its seed is {own[1]} and '{reweighter.name}' was trained on {seeds}"


def simulated_by(told: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return simulator and seed of the particles; None if they are not told of."""
    simulator, seed = told.get("particle_level_simulator"), told.get("particle_level_seed")
    if seed is None and told.get("simulator") != "detector":
        simulator, seed = told.get("simulator"), told.get("seed")
    if simulator is None or seed is None:
        return None
    return str(simulator), str(seed)
