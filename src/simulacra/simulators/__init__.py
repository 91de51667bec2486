"""Simulators make events from settings and a seed."""

from simulacra.simulators.geant4 import Geant4Settings, simulate, write_showers
from simulacra.simulators.geant4_data import Geant4Error
from simulacra.simulators.pythia import simulate_collisions, write_collisions
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.simulators.pythia_settings import JetSettings, PythiaSettings

__all__ = [
    "Geant4Error",
    "Geant4Settings",
    "JetSettings",
    "PythiaError",
    "PythiaSettings",
    "simulate",
    "simulate_collisions",
    "write_collisions",
    "write_showers",
]
