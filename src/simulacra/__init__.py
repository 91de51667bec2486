"""Learned stand-ins for physics simulators: train one, measure how good it is, correct it, fit with it, ship it.

>>> import simulacra
>>> generator = simulacra.load("calogan-eplus")
>>> events = generator.sample(100, incident_energy=50.0, seed=1)
>>> events["shower"].dims
('event', 'cell')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from simulacra.version import __version__

if TYPE_CHECKING:
    from simulacra.events import EventsError, take_part, validate
    from simulacra.formats import read
    from simulacra.formats.write import write
    from simulacra.geometry import CalorimeterGeometry
    from simulacra.observables import observe
    from simulacra.observables.multi_jets import single_jets
    from simulacra.reweighting import Reweighter, fit_reweighter
    from simulacra.store import open_events, write_events
    from simulacra.trained import ExtrapolationWarning, TrainedGenerator, TrainedScore, load, shipped
    from simulacra.trained.card import ModelCard, info
    from simulacra.workflows.constrained_fields import constrained_fields
    from simulacra.workflows.export import export
    from simulacra.workflows.fit import fit
    from simulacra.workflows.fit_field import fit_field
    from simulacra.workflows.generate import generate
    from simulacra.workflows.jet_mass import summed_jet_mass
    from simulacra.workflows.judge import judge
    from simulacra.workflows.patches import patches
    from simulacra.workflows.pile_up import pile_up
    from simulacra.workflows.refine import refine
    from simulacra.workflows.reweight import reweight
    from simulacra.workflows.score import judge_score, score
    from simulacra.workflows.simulate import simulate
    from simulacra.workflows.sky_patches import sky_patches
    from simulacra.workflows.train import train

# Imported when first asked for, so that `import simulacra` takes no time.
_HOMES = {
    "CalorimeterGeometry": "geometry",
    "EventsError": "events",
    "ExtrapolationWarning": "trained",
    "ModelCard": "trained.card",
    "Reweighter": "reweighting",
    "TrainedGenerator": "trained",
    "TrainedScore": "trained",
    "constrained_fields": "workflows.constrained_fields",
    "export": "workflows.export",
    "fit": "workflows.fit",
    "find_streams": "workflows.find_streams",
    "fit_field": "workflows.fit_field",
    "fit_reweighter": "reweighting",
    "generate": "workflows.generate",
    "info": "trained.card",
    "judge": "workflows.judge",
    "judge_score": "workflows.score",
    "load": "trained",
    "observe": "observables",
    "open_events": "store",
    "patches": "workflows.patches",
    "pile_up": "workflows.pile_up",
    "read": "formats",
    "refine": "workflows.refine",
    "reweight": "workflows.reweight",
    "score": "workflows.score",
    "shipped": "trained",
    "simulate": "workflows.simulate",
    "single_jets": "observables.multi_jets",
    "sky_patches": "workflows.sky_patches",
    "summed_jet_mass": "workflows.jet_mass",
    "take_part": "events",
    "train": "workflows.train",
    "validate": "events",
    "write": "formats.write",
    "write_events": "store",
}

#: rooms that are used by their names, such as ``simulacra.reports.write``
_ROOMS = ("reference", "reports", "systems")

__all__ = [
    "CalorimeterGeometry",
    "EventsError",
    "ExtrapolationWarning",
    "ModelCard",
    "Reweighter",
    "TrainedGenerator",
    "TrainedScore",
    "__version__",
    "constrained_fields",
    "export",
    "find_streams",
    "fit",
    "fit_field",
    "fit_reweighter",
    "generate",
    "info",
    "judge",
    "judge_score",
    "load",
    "observe",
    "open_events",
    "patches",
    "pile_up",
    "read",
    "refine",
    "reweight",
    "score",
    "shipped",
    "simulate",
    "single_jets",
    "sky_patches",
    "summed_jet_mass",
    "take_part",
    "train",
    "validate",
    "write",
    "write_events",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"simulacra.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'simulacra' has no attribute '{name}'")
    return getattr(importlib.import_module(f"simulacra.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
