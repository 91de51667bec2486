"""Geant4's materials and particles, without a run manager. Check the data before importing this: it imports Geant4."""

from __future__ import annotations

import geant4_pybind as g4

_CONSTRUCTORS: list[object] = []


def atomic_numbers(material: str) -> list[int]:
    """Return the atomic numbers of the elements of a NIST material.

    Raises
    ------
    ValueError
        with materials of similar names, if Geant4 knows none of this name.
    """
    manager = g4.G4NistManager.Instance()
    names = [str(name) for name in manager.GetNistMaterialNames()]
    if material not in names:
        import difflib

        close = difflib.get_close_matches(material, names, n=5, cutoff=0.4)
        raise ValueError(
            f"Geant4 knows no NIST material '{material}'"
            + (f"; similar ones are {', '.join(close)}" if close else " (such as G4_Pb, G4_W, G4_lAr, G4_Si)")
        )
    return [int(element.GetZasInt()) for element in manager.FindOrBuildMaterial(material).GetElementVector()]


def is_particle(name: str) -> bool:
    """Return whether Geant4 has a particle of this name that can be shot into a detector."""
    if not _CONSTRUCTORS:
        _CONSTRUCTORS.append(g4.G4DecayPhysics())
        _CONSTRUCTORS[0].ConstructParticle()  # type: ignore[attr-defined]
    particle = g4.G4ParticleTable.GetParticleTable().FindParticle(name)
    return particle is not None and not particle.IsShortLived()
