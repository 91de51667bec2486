"""Jets whose samples have places for other numbers of particles are judged on the hardest particles of both."""

import numpy as np
import pytest

from simulacra.events import validate
from simulacra.judges.kinds.clouds import KIND
from simulacra.observables.relative_jets import hardest_particles, jet_variable
from toy_jets import toy_jets


def test_the_sample_with_more_places_is_cut() -> None:
    many, few = toy_jets(60, 1, particles=12), toy_jets(60, 2, particles=8)
    number = jet_variable(many["present"].sum("particle").values.astype(np.int32), "particle_number")
    many = many.assign(particle_number=number)
    (first, second), warnings = KIND.made_alike([many, few])
    assert any("Judged on the 8 hardest particles of each jet" in warning for warning in warnings)
    assert second.identical(few)
    assert first["pt_rel"].shape == (60, 8)
    np.testing.assert_array_equal(first["pt_rel"], many["pt_rel"][:, :8])
    assert set(many) - set(first) == {"particle_number"}
    validate(first)


def test_particles_in_any_order_are_sorted() -> None:
    jets = toy_jets(20)
    order = np.random.default_rng(1).permutation(jets.sizes["particle"])
    shuffled = jets.isel(particle=order)
    kept = hardest_particles(shuffled, 5)
    for name in ("eta_rel", "phi_rel", "pt_rel", "present"):
        np.testing.assert_array_equal(kept[name], jets[name][:, :5])
        assert kept[name].attrs == jets[name].attrs
    xr_number = jet_variable(jets["present"].sum("particle").values.astype(np.int32), "particle_number")
    capped = hardest_particles(shuffled.assign(particle_number=xr_number), 5)["particle_number"]
    assert capped.values == pytest.approx(np.minimum(xr_number.values, 5))


def test_samples_of_one_size_are_not_touched() -> None:
    jets = toy_jets(20)
    (first, second), warnings = KIND.made_alike([jets, jets])
    assert first.identical(jets)
    assert second.identical(jets)
    assert warnings == []
