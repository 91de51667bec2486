"""Variations as weights and as ratios, those of earlier stores too."""

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, make_events, variable
from simulacra.variations import (
    variable_names,
    variation_ratios,
    variation_variable,
    variation_weights,
    variations_of,
)


def events(own: list[float], varied: list[float]) -> xr.Dataset:
    return make_events(
        {
            "weight": variable(np.array(own), units="1", long_name="the event's own weight", role="weight"),
            "variation_up": variation_variable(np.array(varied), "up"),
            "variation_old": variable(np.array(varied), units="1", long_name="ratio", role="weight"),
        },
        simulator="test",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.0,
        first_event=30,
    )


def test_a_variation_replaces_the_weight_and_an_old_one_multiplies_it() -> None:
    found = events([2.0, -4.0, 0.0], [3.0, 2.0, 0.0])
    assert variations_of(found) == ["variation_up", "variation_old"]
    assert variation_weights(found, "variation_up").tolist() == [3, 2, 0]
    assert variation_weights(found, "variation_old").tolist() == [6, -8, 0]
    assert variation_ratios(found, "variation_up").tolist() == [1.5, -0.5, 1]
    assert variation_ratios(found, "variation_old").tolist() == [3, 2, 0]


def test_no_ratio_is_made_of_a_weight_of_zero() -> None:
    found = events([2.0, 0.0, 0.0], [3.0, 3.0, -1.0])
    assert variation_weights(found, "variation_up").tolist() == [3, 3, -1]
    with pytest.raises(EventsError, match=r"'variation_up' is 3.0 in event 31, whose own weight is 0 \(2 such events"):
        variation_ratios(found, "variation_up")
    with pytest.raises(EventsError, match="the events' own 'weight', which is missing"):
        variation_ratios(found.drop_vars("weight"), "variation_up")


def test_names_of_variables_are_plain_and_never_twice_the_same() -> None:
    names = ["MUR=0.5 MUF=1", "MUR=0.5_MUF=1", "a", "a_2", "a", "a", "", "+++", "1001"]
    found = variable_names(names)
    assert found[:2] == ["variation_MUR_0_5_MUF_1", "variation_MUR_0_5_MUF_1_2"]
    assert found[2:6] == ["variation_a", "variation_a_2", "variation_a_3", "variation_a_4"]
    assert found[6:] == ["variation_6", "variation_7", "variation_1001"]
