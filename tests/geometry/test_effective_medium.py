"""A sampling calorimeter as one medium."""

import pytest

from simulacra.geometry import CalorimeterGeometry
from simulacra.geometry.effective_medium import MATERIALS, EffectiveMedium


def test_layers_of_one_material_are_that_material() -> None:
    calogan = CalorimeterGeometry.load("calogan").model_dump(exclude_none=True)
    lead = {"material": "G4_Pb", "thickness": 1.0}
    medium = EffectiveMedium.of(CalorimeterGeometry.model_validate({**calogan, "absorber": lead, "active": lead}))
    pb = MATERIALS["G4_Pb"]
    assert medium.radiation_length == pytest.approx(10 * pb.radiation_length / pb.density)
    assert medium.critical_energy == pytest.approx(pb.critical_energy)
    assert medium.moliere_radius == pytest.approx(medium.radiation_length * 21.2 / pb.critical_energy)
    assert medium.atomic_number == pytest.approx(82)
    assert medium.response_ratio == 1


def test_lead_and_argon_lie_between_lead_and_argon() -> None:
    medium = EffectiveMedium.of(CalorimeterGeometry.load("calogan"))
    # 2 mm of lead are 0.3564 radiation lengths, 4 mm of argon 0.0286.
    assert medium.radiation_length == pytest.approx(6 / (0.3564 + 0.0286), rel=1e-3)
    assert MATERIALS["G4_Pb"].critical_energy < medium.critical_energy < MATERIALS["G4_lAr"].critical_energy
    assert medium.sampling_frequency == pytest.approx(medium.radiation_length / 6)


def test_an_unknown_material_is_named() -> None:
    calogan = CalorimeterGeometry.load("calogan").model_dump(exclude_none=True)
    odd = {**calogan, "active": {"material": "G4_AIR", "thickness": 1.0}}
    with pytest.raises(ValueError, match="radiation length of G4_AIR is not known here"):
        EffectiveMedium.of(CalorimeterGeometry.model_validate(odd))
