"""Regions of numbers of jets, single jets, and what is refused."""

import numpy as np
import pytest

from multi_jet_events import toy_multi_jets
from simulacra.events import EventsError, validate
from simulacra.observables.multi_jets import multi_jets, single_jets, with_jets


def test_jets_are_cut_in_pt_and_pseudorapidity_before_they_are_counted() -> None:
    # four particles far from each other: two within the range, one too far forward, one too soft
    eta, pt = np.array([[0.0, 3.0, -1.0, 1.5]]), np.array([[200.0, 300.0, 150.0, 50.0]])
    phi = np.array([[0.0, 1.5, 3.0, -1.5]])
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=2)
    found = multi_jets(
        momentum, pt * np.cosh(eta), np.ones((1, 4), bool), radius=0.8, min_pt=100, max_abs_eta=2, most=3
    )
    np.testing.assert_array_equal(found["present"].values, [[True, True, False]])
    np.testing.assert_allclose(found["jet_pt"].values, [[200, 150, 0]], rtol=1e-6)
    np.testing.assert_allclose(found["jet_eta"].values, [[0, -1, 0]], atol=1e-6)


def test_regions_and_single_jets_keep_what_belongs_together() -> None:
    events = toy_multi_jets(50)
    number = events["present"].values.sum(axis=1)
    region = with_jets(events, 2, 3)
    np.testing.assert_array_equal(region["event"].values, np.flatnonzero((number == 2) | (number == 3)))
    jets = single_jets(events, 2, 3)
    validate(jets, conditions=("jet_pt", "jet_eta"), features=("jet_mass",))
    assert jets.sizes["event"] == number[(number == 2) | (number == 3)].sum()
    event, place = np.divmod(jets["event"].values, 4)
    for name in ("jet_pt", "jet_eta", "jet_mass"):
        np.testing.assert_array_equal(jets[name].values, events[name].values[event, place])


def test_what_makes_no_sense_is_refused() -> None:
    events = toy_multi_jets(20)
    with pytest.raises(EventsError, match="no event has 5 jets or more: these have 1 to 4"):
        with_jets(events, 5)
    with pytest.raises(ValueError, match="not 3 to 2"):
        with_jets(events, 3, 2)
    with pytest.raises(EventsError, match=r"'jet_mass' is not there .*--process multi-jets"):
        single_jets(events.drop_vars("jet_mass"))
    broken = events.copy(deep=True)
    broken["jet_pt"].values[3, 0] = 0
    with pytest.raises(EventsError, match="'jet_pt' is 0 GeV for jet 0 of event 3"):
        single_jets(broken)
