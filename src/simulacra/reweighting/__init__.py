"""Weights f/(1-f) from a calibrated classifier that turn one sample into another, and their tests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulacra.reweighting.fitting import fit_reweighter
    from simulacra.reweighting.judgement import Judgement, judge_reweighter
    from simulacra.reweighting.prior_weights import WeightError
    from simulacra.reweighting.refined import RefinedGenerator
    from simulacra.reweighting.refinement import fit_refiner
    from simulacra.reweighting.refinement_report import judge_refiner
    from simulacra.reweighting.refiner import Refiner
    from simulacra.reweighting.represented import SampleError
    from simulacra.reweighting.reweighter import OutsideBoxWarning, Reweighter, shipped_reweighters
    from simulacra.reweighting.settings import (
        ConvolutionalSettings,
        FeaturesSettings,
        ParticleFlowSettings,
        ReweighterSettings,
        ShowersSettings,
        settings_for,
    )
    from simulacra.reweighting.support import NoOverlapError, SupportError
    from simulacra.reweighting.transfer import fit_transferred
    from simulacra.reweighting.weights_file import read_weights, write_weights

# Imported on first use: the settings are read without torch, and the trees do not need it.
_HOMES = {
    "ConvolutionalSettings": "settings",
    "FeaturesSettings": "settings",
    "Judgement": "judgement",
    "NoOverlapError": "support",
    "OutsideBoxWarning": "reweighter",
    "ParticleFlowSettings": "settings",
    "RefinedGenerator": "refined",
    "Refiner": "refiner",
    "Reweighter": "reweighter",
    "ReweighterSettings": "settings",
    "SampleError": "represented",
    "ShowersSettings": "settings",
    "SupportError": "support",
    "WeightError": "prior_weights",
    "fit_refiner": "refinement",
    "fit_reweighter": "fitting",
    "fit_transferred": "transfer",
    "judge_refiner": "refinement_report",
    "judge_reweighter": "judgement",
    "read_weights": "weights_file",
    "settings_for": "settings",
    "shipped_reweighters": "reweighter",
    "write_weights": "weights_file",
}

__all__ = [
    "ConvolutionalSettings",
    "FeaturesSettings",
    "Judgement",
    "NoOverlapError",
    "OutsideBoxWarning",
    "ParticleFlowSettings",
    "RefinedGenerator",
    "Refiner",
    "Reweighter",
    "ReweighterSettings",
    "SampleError",
    "ShowersSettings",
    "SupportError",
    "WeightError",
    "fit_refiner",
    "fit_reweighter",
    "fit_transferred",
    "judge_refiner",
    "judge_reweighter",
    "read_weights",
    "settings_for",
    "shipped_reweighters",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'simulacra.reweighting' has no attribute '{name}'")
    return getattr(importlib.import_module(f"simulacra.reweighting.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
