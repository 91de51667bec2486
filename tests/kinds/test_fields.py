"""What fields must be to be learned, and what comes back of them."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, validate, variable
from simulacra.kinds.fields import Fields, to_variables
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields


def toy_fields(n: int = 30) -> xr.Dataset:
    return simulate_random_fields(RandomFieldSettings(pixels=6, amplitude="uniform:0.1:1"), seed=1, n_events=n)


WRONG: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "none": (lambda e: e.drop_vars("field"), "one array is learned, a field; the events hold none"),
    "two": (lambda e: e.assign(other=e["field"]), r"the events hold \['field', 'other'\]"),
    "small": (lambda e: e.isel(x=slice(3)), r"'field' has the shape \(3, 6\): fields have 1 to 3 axes of at least 4"),
    "constant": (
        lambda e: e.assign(field=(e["field"] * 0).assign_attrs(e["field"].attrs)),
        "all pixels of 'field' are",
    ),
    "masked": (
        lambda e: e.assign(
            seen=variable(np.ones((30, 6, 6), bool), "x", "y", units="1", long_name="seen", role="mask")
        ),
        "'field' has the mask seen: fill the masked pixels",
    ),
    "NaN": (
        lambda e: e.assign(field=e["field"].where(e["event"] != 3).assign_attrs(e["field"].attrs)),
        "nan in event 3",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_field_is_refused(wrong: str) -> None:
    change, said = WRONG[wrong]
    with pytest.raises(EventsError, match=said):
        Fields(change(toy_fields()))


def test_fields_come_back_with_their_axes_at_any_size() -> None:
    events = toy_fields()
    fields = Fields(events)
    assert fields.used == ("amplitude", "spectral_index")
    tensors = fields.tensors(events)
    assert tensors["field"].shape == (30, 6, 6)
    assert tensors["conditions"].shape == (30, 2)
    made = xr.Dataset(to_variables(events["field"].values, fields.description))
    xr.testing.assert_identical(made["field"].variable, events["field"].variable)
    np.testing.assert_array_equal(made["x"], events["x"])
    larger = to_variables(np.zeros((2, 9, 6), np.float32), fields.description)
    assert larger["x"].values.tolist() == list(range(9))
    validate(events.assign(made))
