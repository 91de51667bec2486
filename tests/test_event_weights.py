"""The one product of weights that judges and reweighters use."""

from __future__ import annotations

import numpy as np
import pytest

from events_of_every_kind import number, table
from simulacra.event_weights import weight_names, weights_of
from simulacra.events import EventsError
from simulacra.judges.unpacking import sample_of
from simulacra.models.event_network import EventNetwork
from simulacra.reweighting.represented import represent
from simulacra.reweighting.reweighter import build
from simulacra.reweighting.settings import FeaturesSettings, ReweighterSettings

N = 300


def test_weights_multiply_and_variations_do_not_count() -> None:
    events = table(N, 1, weight=number(np.full(N, -2.0), "weight"), refinement=number(np.arange(N) / N, "weight"))
    events = events.assign(variation_up=number(np.full(N, 7.0), "weight"))
    assert weight_names(events) == ["weight", "refinement"]
    np.testing.assert_array_equal(weights_of(events), -2.0 * np.arange(N) / N)
    np.testing.assert_array_equal(weights_of(table(N, 1)), np.ones(N))


def test_judges_and_reweighters_use_the_same() -> None:
    rng = np.random.default_rng(3)
    own, further = rng.uniform(0.5, 2, N), rng.uniform(0.5, 2, N)
    events = table(N, 1, weight=number(own, "weight"), refinement=number(further, "weight"))
    judged = sample_of(events, "toy", most_events=N, rng=rng)
    settings = ReweighterSettings(network=FeaturesSettings(variables=["first", "second"]))
    network: EventNetwork = build(settings, {"columns": 2, "bounds": {}, "reference": {}}).network
    read = represent(events, network)
    np.testing.assert_allclose(judged.weights, own * further)
    np.testing.assert_allclose(read.weights, own * further)


def test_a_product_that_is_no_number_names_the_event_and_its_factors() -> None:
    one, other = np.ones(N), np.ones(N)
    one[7] = other[7] = 1e300
    events = table(N, 1, weight=number(one, "weight"), refinement=number(other, "weight"))
    with pytest.raises(EventsError, match=r"event 7 is inf: weight 1e\+300 times refinement 1e\+300"):
        weights_of(events)
