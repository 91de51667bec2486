"""Calorimeter geometry as data: a TOML file and the typed model of it."""

from simulacra.geometry.calorimeter import (
    CalorimeterGeometry,
    CartesianSection,
    CylindricalSection,
    GeometryError,
    Slab,
    shipped_geometries,
)

__all__ = [
    "CalorimeterGeometry",
    "CartesianSection",
    "CylindricalSection",
    "GeometryError",
    "Slab",
    "shipped_geometries",
]
