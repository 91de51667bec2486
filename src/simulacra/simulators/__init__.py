"""Simulators make events from settings and a seed."""

from simulacra.simulators.geant4 import Geant4Settings, simulate, write_showers
from simulacra.simulators.geant4_data import Geant4Error

__all__ = ["Geant4Error", "Geant4Settings", "simulate", "write_showers"]
