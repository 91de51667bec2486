"""Arrays as a classifier sees them: channels on one grid, masks, times, padding, further numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.models.array_classifier import ArrayNetwork
from simulacra.reweighting.kinds.arrays import ConvolutionalSettings, layout_of
from simulacra.reweighting.represented import SampleError, join_inputs

N = 40


def made(variables: Mapping[str, tuple[tuple[str, ...], np.ndarray, str]], **coordinates: Any) -> xr.Dataset:
    """Return a dataset of (dimensions, values, role) by name."""
    arrays = {
        name: xr.Variable(("event", *dimensions), values, {"role": role, "units": "1", "long_name": name})
        for name, (dimensions, values, role) in variables.items()
    }
    return xr.Dataset(arrays, coords={"event": np.arange(N), **coordinates})


def drawn(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, *shape)).astype("f4")


def network(events: xr.Dataset, *variables: str, **options: Any) -> ArrayNetwork:
    settings = ConvolutionalSettings(
        variables=variables or tuple(map(str, events.data_vars)), widths=(4, 3), event_widths=(8,), summary=5, **options
    )
    torch.manual_seed(1)
    found = settings.build(settings.describe(events))
    assert isinstance(found, ArrayNetwork)
    found.fit(tensors(events))
    return found.eval()


def tensors(events: xr.Dataset) -> dict[str, torch.Tensor]:
    return {str(name): torch.from_numpy(array.values) for name, array in events.data_vars.items()}


def summaries(found: ArrayNetwork, events: xr.Dataset) -> torch.Tensor:
    with torch.no_grad():
        summary: torch.Tensor = found(found.represent(tensors(events)))
    return summary


def uneven(longest: int, *, width: int = 9) -> xr.Dataset:
    """Return series of 3 to ``longest`` entries at times of their own, padded to ``width``."""
    rng = np.random.default_rng(3)
    there = np.arange(width) < rng.integers(3, longest + 1, N)[:, None]
    time = np.where(there, np.cumsum(rng.exponential(2.0, (N, width)), axis=1), 0).astype("f4")
    flux = np.where(there, rng.normal(10, 3, (N, width)), 0).astype("f4")
    return made(
        {
            "flux": (("observation",), flux, "feature"),
            "time": (("observation",), time, "coordinate"),
            "observed": (("observation",), there, "mask"),
        }
    )


def test_arrays_of_one_grid_are_channels_whatever_the_order_of_their_axes() -> None:
    values = drawn(6, 5, seed=1), drawn(5, 6, seed=2)
    events = made({"a": (("x", "y"), values[0], "feature"), "b": (("y", "x"), values[1], "feature")})
    found = network(events, "a", "b", padding="periodic")
    assert found.layout.grid == ("x", "y")
    given = found.represent(tensors(events))["values"].float().numpy()
    assert given.shape == (N, 2, 6, 5)
    for channel, own in enumerate((values[0], values[1].transpose(0, 2, 1))):
        np.testing.assert_allclose(given[:, channel], (own - own.mean()) / own.std(), atol=0.01)


def test_plain_arrays_of_one_shape_are_on_one_grid() -> None:
    square = drawn(6, 6)
    events = made({"a": (("a_1", "a_2"), square, "feature"), "b": (("b_1", "b_2"), square, "feature")})
    assert network(events, padding="periodic").represent(tensors(events))["values"].shape == (N, 2, 6, 6)
    other = made({"a": (("a_1",), drawn(6), "feature"), "b": (("b_1",), drawn(7), "feature")})
    with pytest.raises(SampleError, match=r"'b' .* is not on the grid .*'a_1': 6"):
        network(other)


def test_named_axes_are_channels_and_further_axes_too() -> None:
    flux = drawn(7, 3)
    bands = xr.Variable("band", ["g", "r", "i"])
    events = made({"flux": (("time", "band"), flux, "feature")}, band=bands)
    found = network(events)
    assert found.layout.grid == ("time",)
    # Three bands, and where in time.
    assert found.represent(tensors(events))["values"].shape == (N, 4, 7)
    both = made({"flux": (("time", "part"), flux, "feature"), "area": (("time",), drawn(7), "feature")})
    assert network(both).represent(tensors(both))["values"].shape == (N, 5, 7)


def test_what_a_mask_leaves_out_is_not_seen() -> None:
    events = uneven(7)
    found = network(events)
    given = found.represent(tensors(events))
    # flux, time, step, mask; the last two places are nobody's.
    assert given["values"].shape == (N, 4, 7)
    assert given["present"].dtype == torch.bool
    absent = ~events["observed"].values[:, :7]
    assert float(given["values"].transpose(1, 2)[torch.from_numpy(absent)].abs().max()) == 0
    np.testing.assert_array_equal(given["values"][:, 3].numpy() > 0, ~absent)
    garbled = events.copy(deep=True)
    for name in ("flux", "time"):
        garbled[name].values[~events["observed"].values] = 1e6
    torch.testing.assert_close(summaries(found, garbled), summaries(found, events), rtol=0, atol=0)


def test_times_are_places_and_steps_between_them() -> None:
    events = uneven(9)
    found = network(events)
    given = found.represent(tensors(events))["values"].float().numpy()
    there = events["observed"].values
    time = events["time"].values
    assert np.corrcoef(given[:, 1][there], time[there])[0, 1] > 0.999
    both = there[:, 1:] & there[:, :-1]
    steps = np.diff(time, axis=1)[both]
    order = np.argsort(steps)
    assert bool((np.diff(given[:, 2, 1:][both][order]) >= 0).all())
    assert float(np.abs(given[:, 2, 0]).max()) == 0
    # The same values at other times are another series.
    later = events.copy(deep=True)
    later["time"].values[:] = np.where(there, time**1.5, 0)
    assert float((summaries(found, later) - summaries(found, events)).abs().max()) > 1e-3


def test_more_padding_and_no_packing_give_the_same_summaries() -> None:
    events = uneven(7)
    found = network(events)
    expected = summaries(found, events)
    wide = events.pad(observation=(0, 6), constant_values=0)
    wide["observed"] = wide["observed"].astype(bool)
    torch.testing.assert_close(summaries(found, wide), expected, rtol=0, atol=1e-5)
    found.packed = False
    assert found.represent(tensors(events))["values"].shape[2] == 9
    torch.testing.assert_close(summaries(found, events), expected, rtol=0, atol=1e-5)


def test_pieces_of_different_lengths_are_joined() -> None:
    events = uneven(9)
    found = network(events)
    short = events["observed"].values.sum(axis=1) <= 5
    pieces = [found.represent(tensors(events.isel(event=rows))) for rows in (short, ~short)]
    assert pieces[0]["values"].shape[2] < pieces[1]["values"].shape[2]
    with torch.no_grad():
        together = found(join_inputs(pieces))
        apart = torch.cat([found(piece) for piece in pieces])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)


def test_where_in_an_array_is_seen_unless_it_closes() -> None:
    values = np.zeros((N, 6, 6), "f4")
    values[: N // 2, 2, 2], values[N // 2 :, 3, 3] = 1.0, 1.0
    events = made({"image": (("x", "y"), values, "feature")})
    seen, closed = (network(events, padding=padding) for padding in ("zeros", "periodic"))
    difference = summaries(seen, events)[0] - summaries(seen, events)[-1]
    assert float(difference.abs().max()) > 1e-3
    # Two levels average over two cells: only an even shift is none at all.
    moved = events.copy(data={"image": np.roll(values, 2, axis=(1, 2))})
    torch.testing.assert_close(summaries(closed, moved), summaries(closed, events), rtol=0, atol=1e-5)


def test_numbers_beside_an_array_are_standardised_and_seen() -> None:
    number = np.random.default_rng(5).normal(100, 5, N).astype("f4")
    events = made({"image": (("x", "y"), drawn(6, 6), "feature"), "height": ((), number, "condition")})
    found = network(events)
    given = found.represent(tensors(events))["numbers"]
    assert given.shape == (N, 1)
    assert float(given.std()) == pytest.approx(1, abs=0.1)
    higher = events.assign(height=events["height"] + 5)
    assert float((summaries(found, higher) - summaries(found, events)).abs().min(dim=1).values.max()) > 1e-4


def test_large_arrays_pass_in_small_blocks() -> None:
    events = made({"field": (("x", "y", "z"), drawn(12, 12, 12), "feature")})
    found = network(events)
    assert found.block == 1_000_000 // 12**3
    small = made({"field": (("x",), drawn(8), "feature")})
    assert network(small).block == 2000


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (made({"number": ((), drawn(), "feature")}), "none of .* is an array"),
        (made({"a": (("w", "x", "y", "z"), drawn(2, 2, 2, 2), "feature")}), "takes one to three"),
    ],
)
def test_what_is_no_array_is_refused(events: xr.Dataset, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        layout_of(events, tuple(map(str, events.data_vars)))


def test_a_filter_has_a_middle() -> None:
    with pytest.raises(ValueError, match="an odd number of places, not 4"):
        ConvolutionalSettings(variables=("a",), kernel=4)
