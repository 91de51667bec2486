r"""A sampling calorimeter as one effective medium: radiation length, critical energy and Molière radius.

Grindhammer and Peters, hep-ex/0001020, section 4: with :math:`w_i` the share of a material in the mass,

.. math::

    \frac{1}{X_0} = \sum_i \frac{w_i}{X_{0,i}}, \quad
    E_c = X_0 \sum_i \frac{w_i E_{c,i}}{X_{0,i}}, \quad
    R_M = E_s \left(\sum_i \frac{w_i E_{c,i}}{X_{0,i}}\right)^{-1}, \quad
    Z = \sum_i w_i Z_i

with lengths in g/cm² over the mean density, :math:`E_s` = 21.2 MeV, and for each material
:math:`E_c = 2.66 (X_0 Z / A)^{1.1}` MeV, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from simulacra.geometry.calorimeter import CalorimeterGeometry

SCATTERING_ENERGY: Final = 21.2  # MeV


@dataclass(frozen=True)
class Material:
    """A material: atomic number, atomic mass [g/mol], density [g/cm³] and radiation length [g/cm²]."""

    atomic_number: float
    atomic_mass: float
    density: float
    radiation_length: float

    @property
    def critical_energy(self) -> float:
        """The critical energy [MeV]."""
        return float(2.66 * (self.radiation_length * self.atomic_number / self.atomic_mass) ** 1.1)


# Particle Data Group, Atomic and nuclear properties of materials.
MATERIALS: Final = {
    "G4_Al": Material(13, 26.98, 2.699, 24.01),
    "G4_Si": Material(14, 28.09, 2.33, 21.82),
    "G4_lAr": Material(18, 39.95, 1.396, 19.55),
    "G4_Fe": Material(26, 55.85, 7.874, 13.84),
    "G4_Cu": Material(29, 63.55, 8.96, 12.86),
    "G4_W": Material(74, 183.84, 19.3, 6.76),
    "G4_Pb": Material(82, 207.2, 11.35, 6.37),
    "G4_U": Material(92, 238.03, 18.95, 6.00),
}


@dataclass(frozen=True)
class EffectiveMedium:
    """The properties of a sampling calorimeter that matter for showers.

    Attributes
    ----------
    radiation_length, moliere_radius:
        [mm].
    critical_energy:
        [MeV].
    atomic_number:
        effective Z.
    sampling_frequency:
        F_S, the effective radiation length over the thickness of a layer.
    response_ratio:
        e/mip of the paper, 1 / (1 + 0.007 (Z_absorber - Z_active)).
    """

    radiation_length: float
    critical_energy: float
    moliere_radius: float
    atomic_number: float
    sampling_frequency: float
    response_ratio: float

    @classmethod
    def of(cls, geometry: CalorimeterGeometry) -> EffectiveMedium:
        """Return the effective medium of a geometry.

        Raises
        ------
        ValueError
            if a material is not in :data:`MATERIALS`.
        """
        slabs = (geometry.absorber, geometry.active)
        unknown = [slab.material for slab in slabs if slab.material not in MATERIALS]
        if unknown:
            raise ValueError(
                f"the radiation length of {', '.join(unknown)} is not known here; known materials are "
                f"{', '.join(MATERIALS)}: add it to simulacra.geometry.effective_medium"
            )
        materials = [MATERIALS[slab.material] for slab in slabs]
        mass = [m.density * slab.thickness for m, slab in zip(materials, slabs, strict=True)]
        share = [one / sum(mass) for one in mass]
        density = sum(mass) / geometry.layer_thickness
        inverse = sum(w / m.radiation_length for w, m in zip(share, materials, strict=True))
        loss = sum(w * m.critical_energy / m.radiation_length for w, m in zip(share, materials, strict=True))
        radiation_length = 10.0 / (inverse * density)
        absorber, active = materials
        return cls(
            radiation_length=radiation_length,
            critical_energy=loss / inverse,
            moliere_radius=10.0 * SCATTERING_ENERGY / (loss * density),
            atomic_number=sum(w * m.atomic_number for w, m in zip(share, materials, strict=True)),
            sampling_frequency=radiation_length / geometry.layer_thickness,
            response_ratio=1.0 / (1.0 + 0.007 * (absorber.atomic_number - active.atomic_number)),
        )
