"""The Geant4 showers that the package ships, and their provenance."""

from simulacra.reference.sample import load, names

__all__ = ["load", "names"]
