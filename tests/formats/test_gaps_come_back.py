"""Series with gaps and errors, masked fields and padded lists, written and read: they come back, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import lists, masked_fields, variable_stars
from simulacra.events import EventsError, coordinate_of, mask_of, names, slots, uncertainty_of, validate
from simulacra.formats import read, single_file
from simulacra.observables import observe
from simulacra.store import open_events, write_events

KINDS = {"stars": variable_stars, "fields": masked_fields, "lists": lists}


def drawn(seed: int) -> xr.Dataset:
    """Return events of some kind, with gaps at random and of types at random."""
    rng = np.random.default_rng(seed)
    events = list(KINDS.values())[seed % len(KINDS)](int(rng.integers(1, 30)), seed)
    for name in names(events, "mask"):
        events[name][:] &= rng.random(events[name].shape) < rng.random()
    for name in (*names(events, "feature"), *names(events, "coordinate")):
        kept = events[name].astype(rng.choice(["f4", "f8"]))
        mask = mask_of(events, events[name])
        if mask is not None:
            there = events[mask].values
            kept = kept.copy(data=np.where(there.reshape(there.shape + (1,) * (kept.ndim - there.ndim)), kept, 0))
        events[name] = kept.assign_attrs(events[name].attrs)
    validate(events)
    return events


@pytest.mark.parametrize("seed", range(9))
def test_every_number_comes_back(seed: int, tmp_path: Path) -> None:
    events = drawn(seed)
    write_events(events, tmp_path / "events.zarr", chunk_size=int(np.random.default_rng(seed).integers(1, 9)))
    single_file.write(events, tmp_path / "events.h5")
    for found in (
        open_events(tmp_path / "events.zarr", check=True).load(),
        read(tmp_path / "events.zarr").load(),
        read(tmp_path / "events.h5"),
    ):
        assert set(found.data_vars) == set(events.data_vars)
        for name, array in events.variables.items():
            assert found[name].dtype == array.dtype
            assert found[name].attrs == array.attrs
            np.testing.assert_array_equal(found[name].values, array.values)
        assert slots(found) == slots(events)
        for name in names(events, "feature"):
            assert mask_of(found, found[name]) == mask_of(events, events[name])
            assert coordinate_of(found, found[name]) == coordinate_of(events, events[name])
            assert uncertainty_of(found, name) == uncertainty_of(events, name)
        xr.testing.assert_allclose(observe(found), observe(events)[list(observe(found).data_vars)])


def test_what_is_wrong_with_a_file_or_a_store_is_named_by_it(tmp_path: Path) -> None:
    events = variable_stars(12, 1)
    single_file.write(events, tmp_path / "events.h5")
    write_events(events, tmp_path / "events.zarr")
    import h5py
    import zarr

    with h5py.File(tmp_path / "events.h5", "r+") as file:
        file["magnitude_error"][3, 1] = 0
    with pytest.raises(
        EventsError, match=r"events\.h5': the uncertainty 'magnitude_error' is 0\.0 in event 3 at obser"
    ):
        read(tmp_path / "events.h5")
    zarr.open_array(tmp_path / "events.zarr" / "magnitude_error", mode="r+").attrs["of"] = "brightness"
    with pytest.raises(EventsError, match=r"events\.zarr': the uncertainty 'magnitude_error' is of 'brightness'"):
        open_events(tmp_path / "events.zarr", check=True)
    with pytest.raises(EventsError, match="the uncertainty 'magnitude_error' is of 'magnitude': its attribute 'of'"):
        write_events(events.drop_vars("magnitude"), tmp_path / "again.zarr")
