"""Calorimeter geometry as data: a TOML file and the typed model of it."""

from simulacra.geometry.calorimeter import CalorimeterGeometry, GeometryError, shipped_geometries
from simulacra.geometry.sections import CartesianSection, CylindricalSection, Slab

__all__ = [
    "CalorimeterGeometry",
    "CartesianSection",
    "CylindricalSection",
    "GeometryError",
    "Slab",
    "shipped_geometries",
]
