"""Observables: one or more physical quantities per event."""

from simulacra.observables.arrays import array_observables
from simulacra.observables.clouds import cloud_observables
from simulacra.observables.jet_clouds import jet_observables
from simulacra.observables.jets import cluster_jets
from simulacra.observables.observe import observe
from simulacra.observables.showers import shower_shapes, shower_shapes_of

__all__ = [
    "array_observables",
    "cloud_observables",
    "cluster_jets",
    "jet_observables",
    "observe",
    "shower_shapes",
    "shower_shapes_of",
]
