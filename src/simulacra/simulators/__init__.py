"""Simulators make events from settings and a seed."""

from simulacra.simulators.detector import simulate_detector, write_detector
from simulacra.simulators.detector_settings import DetectorError, DetectorSettings
from simulacra.simulators.geant4 import Geant4Settings, simulate, write_showers
from simulacra.simulators.geant4_data import Geant4Error
from simulacra.simulators.pythia import simulate_collisions, write_collisions
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.simulators.pythia_settings import JetSettings, PythiaSettings

__all__ = [
    "DetectorError",
    "DetectorSettings",
    "Geant4Error",
    "Geant4Settings",
    "JetSettings",
    "PythiaError",
    "PythiaSettings",
    "simulate",
    "simulate_collisions",
    "simulate_detector",
    "write_collisions",
    "write_detector",
    "write_showers",
]
