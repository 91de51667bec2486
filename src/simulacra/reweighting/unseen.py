"""The part of a sample that a reweighter was not trained on, from the provenance in its file and in the sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.events import Part
    from simulacra.reweighting.reweighter import Reweighter


def unseen_part(reweighter: Reweighter, events: xr.Dataset) -> tuple[Part | None, str]:
    """Return the part of the events that no member was trained on, None for all of them, and the reason.

    An event depends only on simulator, settings, seed and index. If simulator or seed differ from those of source and
    target, no event was used in training. If the seed is the same or unknown, only the test part is unused for certain.
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
    """Return simulator and seed of the particles; None if unknown."""
    simulator, seed = told.get("particle_level_simulator"), told.get("particle_level_seed")
    if seed is None and told.get("simulator") != "detector":
        simulator, seed = told.get("simulator"), told.get("seed")
    if simulator is None or seed is None:
        return None
    return str(simulator), str(seed)
