"""The shipped Geant4 showers and their provenance."""

from simulacra.reference.sample import load, names

__all__ = ["load", "names"]
