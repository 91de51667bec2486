"""One file a paper. Adding a system is adding its file here: ``names`` lists the folder, nothing registers."""

from simulacra.systems.find import (
    ReweightingModule,
    SystemModule,
    generators,
    names,
    reweighting_system,
    reweights,
    system,
)

__all__ = [
    "ReweightingModule",
    "SystemModule",
    "generators",
    "names",
    "reweighting_system",
    "reweights",
    "system",
]
