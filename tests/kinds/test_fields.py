"""What fields must be to be learned, and what comes back of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.events import EventsError, validate, variable
from simulacra.kinds.fields import Fields, plane_of, to_variables, turned
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields


def toy_fields(n: int = 30) -> xr.Dataset:
    return simulate_random_fields(RandomFieldSettings(pixels=6, amplitude="uniform:0.1:1"), seed=1, n_events=n)


def masked(events: xr.Dataset, name: str = "seen", hidden: int | None = None) -> xr.Dataset:
    """Return fields with a mask of two pixels, or of all of one field."""
    observed = np.ones((events.sizes["event"], 6, 6), bool)
    observed[:, 2, 3:5] = False
    if hidden is not None:
        observed[hidden] = False
    return events.assign({name: variable(observed, "x", "y", units="1", long_name="seen", role="mask")})


WRONG: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "none": (lambda e: e.drop_vars("field"), "one array is learned, a field; the events hold none"),
    "two": (lambda e: e.assign(other=e["field"]), r"the events hold \['field', 'other'\]"),
    "small": (lambda e: e.isel(x=slice(3)), r"'field' has the shape \(3, 6\): fields have 1 to 3 axes of at least 4"),
    "constant": (
        lambda e: e.assign(field=(e["field"] * 0).assign_attrs(e["field"].attrs)),
        "all pixels of 'field' are",
    ),
    "masked": (masked, "'field' has a mask: train a system of kind trenf, fill the hidden pixels, or"),
    "two masks": (lambda e: masked(masked(e), name="other"), "'field' has the masks other, seen: join them into one"),
    "rows": (
        lambda e: e.assign(seen=variable(np.ones((30, 6), bool), "x", units="1", long_name="seen", role="mask")),
        r"the mask 'seen' has the dimensions \('event', 'x'\): a mask of pixels has those of 'field'",
    ),
    "nothing seen": (lambda e: masked(e, hidden=7), "the mask 'seen' hides all pixels of event 7, one of 1 such"),
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


def test_a_mask_of_each_field_or_of_all_is_read() -> None:
    events = toy_fields()
    each = masked(events)
    fields = Fields(each, masks=True)
    assert fields.masked
    observed = fields.tensors(each)["observed"]
    assert observed.shape == (30, 6, 6)
    assert int((~observed).sum()) == 60
    whole = events.assign_coords(seen=(("x", "y"), each["seen"].values[0], {"role": "mask", "units": "1"}))
    assert Fields(whole, masks=True).tensors(whole)["observed"].equal(observed)
    assert not Fields(events, masks=True).masked
    assert "observed" not in fields.tensors(events)


def test_hidden_pixels_do_not_count_in_validation() -> None:
    events = masked(toy_fields())
    fields, model = Fields(events, masks=True), Same(events)
    rng = torch.Generator().manual_seed(1)
    hidden = events["field"].where(events["seen"], 1e4).assign_attrs(events["field"].attrs)
    found = [fields.validate(model, one, rng).values["score"] for one in (events, events.assign(field=hidden))]
    assert found[0] == pytest.approx(found[1])
    assert found[0] < 0.05


class Same(torch.nn.Module):
    """A generator that returns the fields that it was given."""

    latent = 36

    def __init__(self, events: xr.Dataset) -> None:
        super().__init__()
        self.field = torch.nn.Parameter(torch.as_tensor(events["field"].values), requires_grad=False)

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return self.field


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


def test_fields_are_turned_and_mirrored_as_they_lie() -> None:
    field = torch.arange(9.0).reshape(1, 3, 3).expand(400, 3, 3)
    batch = {"field": field, "conditions": torch.zeros(400, 0)}
    found = turned(batch, torch.Generator().manual_seed(1))["field"]
    expected = [torch.rot90(one, k) for one in (field[0], field[0].flip(0)) for k in range(4)]
    counts = [int((found == one).all(dim=(1, 2)).sum()) for one in expected]
    assert sum(counts) == 400
    assert min(counts) > 25
    oblong = turned({"field": field[:, :2]}, torch.Generator().manual_seed(1))["field"]
    assert len(oblong.unique(dim=0)) == 4
    again = turned(batch, torch.Generator().manual_seed(1))["field"]
    torch.testing.assert_close(again, found, rtol=0, atol=0)


def test_systems_of_planes_refuse_other_fields() -> None:
    description = Fields(toy_fields()).description
    assert plane_of(description, 1) == (6, 6)
    with pytest.raises(EventsError, match=r"fields of 6 x 6 pixels cannot be halved 2 times .* needs 8 along"):
        plane_of(description, 2)
    description["field"]["shape"] = [6, 6, 6]
    with pytest.raises(EventsError, match="'field' has 3 axes: this system makes fields of two"):
        plane_of(description)


def test_validation_judges_made_fields_at_the_places_of_true_ones() -> None:
    events = toy_fields()
    events = events.assign_coords(x=events["x"] * 0.1 - 3, y=events["y"] * 0.1 - 3)
    fields = Fields(events)

    class Copies(torch.nn.Module):
        latent = 1

        def __init__(self) -> None:
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(()))

        def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
            return self.factor * torch.as_tensor(events["field"].values)

    found = fields.validate(Copies(), events, torch.Generator().manual_seed(1))
    assert found.values["score"] < 1e-6
