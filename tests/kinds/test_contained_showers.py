"""What the training showers say of the energy that a particle sets free."""

import numpy as np
import pytest

from simulacra.kinds.showers import ANNIHILATION, Showers
from tiny_calogan import toy_showers


@pytest.mark.parametrize(("particle", "extra"), [("e+", ANNIHILATION["e+"]), ("gamma", 0.0), ("e-", 0.0)])
def test_showers_that_hold_no_more_than_is_set_free_may_be_contained(particle: str, extra: float) -> None:
    events = toy_showers(50).assign_attrs(particle=particle)
    assert Showers(events, ["incident_energy"]).annihilation(events) == extra
    # The first holds all, and in single precision a little more.
    whole = 1000 * float(events["incident_energy"][0]) + extra
    events["shower"][0] *= whole * (1 + 3e-7) / float(events["shower"][0].sum())
    assert Showers(events, ["incident_energy"]).annihilation(events) == extra


def test_a_signal_that_exceeds_the_energy_is_no_deposited_energy() -> None:
    events = toy_showers(50).assign_attrs(particle="e+")
    events["shower"][3] *= 2 * 1000 * float(events["incident_energy"][3]) / float(np.asarray(events["shower"][3]).sum())
    assert Showers(events, ["incident_energy"]).annihilation(events) is None
