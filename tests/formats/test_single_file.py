import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, make_events, variable
from simulacra.formats import FormatError, format_of, read, single_file


@pytest.fixture
def events():
    rng = np.random.default_rng(1)
    return make_events(
        {
            "flux": variable(
                rng.random((5, 3)).astype(np.float32), "time", units="mag", long_name="flux", role="feature"
            ),
            "seen": variable(rng.random((5, 3)) < 0.5, "time", units="1", long_name="seen", role="mask"),
            "period": variable(rng.random(5), units="day", long_name="period", role="condition"),
        },
        simulator="test",
        simulator_version="1",
        seed=3,
        settings={"a": [1, 2]},
        seconds_per_event=0.1,
        first_event=7,
    )


def test_round_trip_is_exact(events, tmp_path):
    path = tmp_path / "événements.h5"
    single_file.write(events, path)
    assert format_of(path) == "single_file"
    back = read(path)
    xr.testing.assert_identical(back, events)
    assert all(back[name].dtype == events[name].dtype for name in events.variables)


def test_truncated_file_is_refused(events, tmp_path):
    path = tmp_path / "events.h5"
    single_file.write(events, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError, match="truncated"):
        read(path)


def test_other_layout_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file.attrs["conventions"] = "CF-1.8"
    with pytest.raises(FormatError, match="expected the attribute conventions"):
        read(path)


def test_nothing_is_left_where_writing_fails(events, tmp_path):
    with pytest.raises(FormatError, match="cannot write"):
        single_file.write(events, tmp_path / "nowhere" / "events.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_fault_is_told_with_the_file(events, tmp_path):
    path = tmp_path / "events.h5"
    single_file.write(events, path)
    with h5py.File(path, "r+") as file:
        file["flux"][3, 1] = np.nan
    with pytest.raises(EventsError, match=rf"^'{path}': variable 'flux' is nan in event 10 at time 1"):
        read(path)
