"""What training images must be, and what becomes of a module's output."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.events import EventsError, validate
from simulacra.kinds.images import CONDITIONS, Images, check, to_variables
from simulacra.kinds.validation import EventValidation
from toy_images import toy_images


def broken(events: xr.Dataset, values: float, event: int = 3) -> xr.Dataset:
    image = events["image"].values.copy()
    image[event, 4, 5] = values
    return events.assign(image=(events["image"].dims, image, events["image"].attrs))


WRONG: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "negative": (lambda e: broken(e, -0.5), r"'image' is a negative energy, -0.5 GeV, in event 3 at row 4, column 5"),
    "nan": (lambda e: broken(e, np.nan), r"'image' is nan in event 3 at row 4, column 5"),
    "not square": (lambda e: e.isel(row=slice(20)), r"images are square.*'row': 20, 'column': 25"),
    "no image": (lambda e: e.drop_vars("image"), r"missing feature 'image'"),
    "no classes": (lambda e: e.drop_vars("signal"), r"missing condition 'signal'"),
    "wrong class": (
        lambda e: e.assign(signal=e["signal"] + (e["event"] == 7) * 2).assign(
            signal=lambda x: x["signal"].assign_attrs(e["signal"].attrs)
        ),
        r"'signal' is 3 in event 7, one of 1 such events: it must be 0 \(background\), 1 \(signal\)",
    ),
    "empty": (
        lambda e: e.assign(image=(e["image"].dims, np.zeros_like(e["image"].values), e["image"].attrs)),
        r"30 images without any energy, such as event 0: remove them",
    ),
    "other units": (
        lambda e: e.assign(image=e["image"].assign_attrs(units="MeV")),
        r"'image' is in 'MeV': give transverse momenta in GeV",
    ),
    "no pixel size": (
        lambda e: e.drop_attrs(deep=False).assign_attrs({k: v for k, v in e.attrs.items() if k != "pixel_size"}),
        r"no attribute 'pixel_size'",
    ),
    "no size": (lambda e: e.assign_attrs(pixel_size=0.0), r"'pixel_size' must be above 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_images_that_cannot_be_trained_on_are_refused(name: str) -> None:
    spoil, message = WRONG[name]
    with pytest.raises(EventsError, match=message):
        check(spoil(toy_images(30)))


def test_signed_pixels_are_refused_too() -> None:
    events = broken(toy_images(30), -0.5)
    events["image"].attrs["signed"] = True
    with pytest.raises(EventsError, match=r"-0.5 GeV in event 3 at row 4, column 5: a pixel cannot be negative"):
        check(events)


def test_tensors_are_the_images_and_their_classes() -> None:
    events = toy_images(30, size=9)
    images = Images(events)
    found = images.tensors(events)
    assert found["image"].shape == (30, 9, 9)
    assert found["image"].dtype == torch.float32
    torch.testing.assert_close(found["conditions"][:, 0], torch.arange(30).float() % 2)
    assert (images.size, images.description["image_size"]) == (9, 9)
    assert images.description["image_of"] == "jets"
    assert images.description["pixel_size"] == 0.1


def test_images_around_muons_are_reflected_at_random_and_images_of_jets_are_not() -> None:
    events = toy_images(400, size=9)
    batch = Images(events).tensors(events)
    rng = torch.Generator().manual_seed(1)
    assert (Images(events).augment(batch, rng)["image"] == batch["image"]).all()
    muons = Images(events.assign_attrs(image_of="muons"))
    found = muons.augment(batch, rng)
    assert (found["conditions"] == batch["conditions"]).all()
    each = [batch["image"].flip(axes) for axes in ((), (1,), (2,), (1, 2))]
    same = torch.stack([(found["image"] == one).flatten(1).all(dim=1) for one in each])
    assert same.any(dim=0).all()
    # A quarter of the images each, within five standard deviations.
    assert ((same.sum(dim=1) - 100).abs() < 45).all()


def test_a_modules_output_becomes_events_with_positions() -> None:
    events = toy_images(6, size=9)
    made = to_variables(events["image"].values, Images(events).description)
    again = events.drop_vars(["image", "row", "column"]).assign(made).set_coords(["row", "column"])
    validate(again)
    xr.testing.assert_identical(again, events)
    assert again["row"].values[4] == 0
    np.testing.assert_allclose(np.diff(again["column"].values), 0.1)


def test_images_of_other_shapes_are_told_in_validation() -> None:
    events, other = toy_images(2000, 1), toy_images(2000, 3, far=0.4)
    images = Images(events)
    validation: EventValidation = images.validation
    right, wrong = validation.check(events, toy_images(2000, 2)), validation.check(events, other)
    error = np.std(np.subtract(wrong.replicates, right.replicates), ddof=1)
    assert wrong.values["score"] - right.values["score"] > 5 * error
    assert list(CONDITIONS) == ["signal"]
