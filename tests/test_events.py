import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.events import (
    REQUIRED_ATTRIBUTES,
    SPLIT,
    EventsError,
    make_events,
    names,
    padded,
    part_of,
    take_part,
    validate,
    variable,
    with_values,
)
from simulacra.units import in_units


def events(n: int = 4, first_event: int = 10) -> xr.Dataset:
    return make_events(
        {
            "incident_energy": variable(np.linspace(1, 9, n), units="GeV", long_name="E", role="condition"),
            "shower": variable(np.ones((n, 3), "f4"), "cell", units="MeV", long_name="e", role="feature"),
            "impact_x": variable(-np.ones(n), units="mm", long_name="x", role="condition"),
            "weight": variable(np.ones(n), units="1", long_name="w", role="weight"),
            "kept": variable(np.ones(n, bool), units="1", long_name="k", role="mask"),
        },
        simulator="toy",
        simulator_version="1",
        seed=None,
        settings={"b": 1, "a": [2]},
        seconds_per_event=0.5,
        first_event=first_event,
        particle="e+",
    )


def test_events_carry_provenance_and_indices() -> None:
    made = events()
    assert made["event"].values.tolist() == [10, 11, 12, 13]
    assert made["event"].dtype == np.int64
    assert made.attrs["seed"] == -1
    assert json.loads(made.attrs["settings"]) == {"a": [2], "b": 1}
    assert made.attrs["particle"] == "e+"
    assert set(REQUIRED_ATTRIBUTES) <= set(made.attrs)
    assert made["shower"].attrs == {"units": "MeV", "long_name": "e", "role": "feature"}


def test_names_are_found_by_role() -> None:
    assert names(events(), "condition") == ["incident_energy", "impact_x"]
    assert names(events(), "feature") == ["shower"]
    assert names(events(), "weight") == ["weight"]
    assert names(events(), "mask") == ["kept"]


def broken(change: str) -> xr.Dataset:
    made = events()
    match change:
        case "nan":
            made["shower"][2, 1] = np.nan
        case "infinite":
            made["incident_energy"][[1, 3]] = np.inf
        case "negative cell":
            made["shower"][3, 0] = -0.5
        case "negative energy":
            made["incident_energy"][0] = -2
        case "transposed":
            made["shower"] = made["shower"].T
        case "text":
            made["shower"] = made["shower"].astype(str)
        case "objects":
            made["weight"] = made["weight"].astype(object)
        case "role":
            made["shower"].attrs["role"] = "label"
        case "units" | "long_name":
            del made["shower"].attrs[change]
        case "seed":
            del made.attrs["seed"]
        case "twice":
            made = made.assign_coords(event=[7, 3, 9, 3])
        case "float index":
            made = made.assign_coords(event=[0.0, 1, 2, 3])
        case "no index":
            made = made.drop_vars("event")
        case "no dimension":
            made = made.drop_vars("event").rename(event="row")
        case _:
            raise AssertionError(change)
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nan", r"variable 'shower' is nan in event 12 at cell 1; 1 such values in all"),
        ("infinite", r"variable 'incident_energy' is inf in event 11; 2 such values in all"),
        ("negative cell", r"variable 'shower' is a negative energy, -0\.5 MeV, in event 13 at cell 0"),
        ("negative energy", r"variable 'incident_energy' is a negative energy, -2\.0 GeV, in event 10"),
        (
            "transposed",
            r"variable 'shower' has the shape \{'cell': 3, 'event': 4\}: its first dimension must be 'event'",
        ),
        ("text", r"variable 'shower' holds <U\d+, not numbers"),
        ("objects", r"variable 'weight' holds object, not numbers"),
        ("role", r"variable 'shower' has the role 'label', not one of"),
        ("units", r"variable 'shower' has no 'units'; make it with"),
        ("long_name", r"variable 'shower' has no 'long_name'"),
        ("seed", r"the provenance lacks \['seed'\]"),
        ("twice", r"contains an event twice \(such as 3\)"),
        ("float index", r"must hold integers, not float64"),
        ("no index", r"events need the integer coordinate 'event'"),
        ("no dimension", r"events need a dimension named 'event'; these have \['cell', 'row'\]"),
    ],
)
def test_a_fault_is_named_with_its_variable_and_event(change: str, message: str) -> None:
    validate(events())
    with pytest.raises(EventsError, match=message):
        validate(broken(change))


def light_curves() -> xr.Dataset:
    """Series of 3, 0 and 2 entries, in slots of which the rest is 0."""
    values, observed = padded([np.array([3.0, -2.0, 2.5]), np.array([]), np.array([4.0, 1.0])])
    errors, _ = padded([np.array([0.1, 0.1, 0.2]), np.array([]), np.array([0.1, 0.4])])
    times, _ = padded([np.array([7.0, 1.0, 9.0]), np.array([]), np.array([2.0, 2.0])])
    along = "observation"
    return make_events(
        {
            "flux": variable(values, along, units="mJy", long_name="flux", role="feature"),
            "flux_error": variable(errors, along, units="mJy", long_name="e", role="uncertainty", of="flux"),
            "time": variable(times, along, units="day", long_name="t", role="coordinate"),
            "observed": variable(observed, along, units="1", long_name="o", role="mask"),
            "colour": variable(np.ones((3, 3, 2)), along, "band", units="mag", long_name="c", role="feature"),
            "colour_error": variable(errors.copy(), along, units="mag", long_name="e", role="uncertainty", of="colour"),
            "period": variable(np.ones(3), units="day", long_name="p", role="condition"),
            "period_error": variable(np.ones(3), units="day", long_name="e", role="uncertainty", of="period"),
        },
        simulator="survey",
        simulator_version="1",
        seed=None,
        settings={},
        seconds_per_event=0.0,
        first_event=20,
    )


def test_series_with_gaps_and_errors_are_events() -> None:
    made = light_curves()
    assert names(made, "uncertainty") == ["flux_error", "colour_error", "period_error"]
    assert names(made, "coordinate") == ["time"]
    assert made["observed"].values.sum(axis=1).tolist() == [3, 0, 2]


def spoilt(change: str) -> xr.Dataset:
    made = light_curves()
    match change:
        case "zero":
            made["flux_error"][2, 1] = 0
        case "negative":
            made["period_error"][1] = -1
        case "infinite in a gap":
            made["flux_error"][2, 2] = np.inf
        case "nan in a gap":
            made["time"][1, 0] = np.nan
        case "leading":
            made["colour_error"][0, 2] = -3
        case "of nothing":
            del made["flux_error"].attrs["of"]
        case "of another":
            made = made.drop_vars("colour")
        case "of a mask":
            made["flux_error"].attrs["of"] = "observed"
        case "of a list":
            made["flux_error"].attrs["of"] = ["flux", "colour"]
        case "twice":
            made["colour_error"].attrs["of"] = "flux"
        case "units":
            made["flux_error"].attrs["units"] = "Jy"
        case "dimensions":
            made["period_error"] = made["flux_error"].assign_attrs(of="period", units="day")
        case "one time":
            made["period"].attrs["role"] = "coordinate"
        case "two times":
            made["hour"] = made["time"].assign_attrs(units="hour")
        case "shared":
            made = made.rename(observation="time_slot").rename_vars(time="where").set_coords("where")
        case _:
            raise AssertionError(change)
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("zero", r"'flux_error' is 0\.0 in event 22 at observation 1: it must be positive where 'flux' is present"),
        ("negative", r"the uncertainty 'period_error' is -1\.0 in event 21: it must be positive"),
        ("infinite in a gap", r"variable 'flux_error' is inf in event 22 at observation 2; 1 such values in all"),
        ("nan in a gap", r"variable 'time' is nan in event 21 at observation 0"),
        ("leading", r"'colour_error' is -3\.0 in event 20 at observation 2: it must be positive where 'colour'"),
        ("of nothing", r"the uncertainty 'flux_error' is of None: its attribute 'of' must name a condition, a feature"),
        ("of another", r"the uncertainty 'colour_error' is of 'colour': its attribute 'of' must name"),
        ("of a mask", r"the uncertainty 'flux_error' is of 'observed'"),
        ("of a list", r"the uncertainty 'flux_error' is of \['flux', 'colour'\]"),
        ("twice", r"'flux_error' and 'colour_error' are both the uncertainty of 'flux': keep one"),
        ("units", r"the uncertainty 'flux_error' is in 'Jy' and 'flux' in 'mJy': give both in the same units"),
        ("dimensions", r"'period_error' has the dimensions \('event', 'observation'\), but needs those of 'period'"),
        (
            "one time",
            r"the coordinate 'period' is one number per event, but must give the positions of entries",
        ),
        ("two times", r"'time' and 'hour' are both coordinates of \('event', 'observation'\): keep one"),
        ("shared", r"'where' \('event', 'time_slot'\) is a coordinate of the dataset, but these are for all events"),
    ],
)
def test_a_fault_of_errors_and_times_is_named(change: str, message: str) -> None:
    with pytest.raises(EventsError, match=message):
        validate(spoilt(change))


def test_what_a_mask_leaves_out_need_not_be_positive() -> None:
    made = light_curves()
    made["flux_error"][1] = -7
    made["colour_error"][0, 2] = -7
    made["observed"][0, 2] = False
    validate(made)
    # where pixels have a mask of their own, an error that they share must be there for one of them
    seen = np.zeros((3, 3, 2), bool)
    made["seen"] = variable(seen, "observation", "band", units="1", long_name="s", role="mask")
    made["colour_error"][:] = 0
    validate(made)
    made["seen"][2, 1, 1] = True
    with pytest.raises(EventsError, match=r"'colour_error' is 0\.0 in event 22 at observation 1"):
        validate(made)


def test_values_put_in_place_of_others_are_looked_at_too() -> None:
    made = light_curves()
    kept = {"flux_error": made["flux_error"].values + 1}
    with_values(made, kept, seed=1, settings={}, seconds_per_event=0.0)
    with pytest.raises(EventsError, match=r"'flux_error' is -0\.9\d* in event 20 at observation 0"):
        with_values(made, {"flux_error": made["flux_error"].values - 1}, seed=1, settings={}, seconds_per_event=0.0)
    with pytest.raises(EventsError, match=r"'flux_error' is 0\.0 in event 21 at observation 0"):
        with_values(made, {"observed": np.ones((3, 3), bool)}, seed=1, settings={}, seconds_per_event=0.0)


def test_an_uncertainty_is_converted_with_its_variable() -> None:
    changed = in_units(light_curves(), {"flux": "Jy"})
    assert changed["flux_error"].attrs["units"] == "Jy"
    np.testing.assert_allclose(changed["flux_error"], light_curves()["flux_error"] / 1000)
    validate(changed)
    warm = make_events(
        {
            "heat": variable(np.array([20.0]), units="degC", long_name="t", role="feature"),
            "heat_error": variable(np.array([2.0]), units="degC", long_name="e", role="uncertainty", of="heat"),
        },
        simulator="toy",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.0,
    )
    in_kelvin = in_units(warm, {"heat": "kelvin"})
    assert [float(in_kelvin[name][0]) for name in ("heat", "heat_error")] == pytest.approx([293.15, 2.0])


@pytest.mark.parametrize("seed", range(5))
def test_arrays_of_any_lengths_are_padded_and_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths, more = rng.integers(0, 9, 7), tuple(rng.integers(1, 4, rng.integers(0, 3)))
    dtype = rng.choice(["f4", "f8", "i4", "?"])
    arrays = [(9 * rng.random((n, *more))).astype(dtype) for n in lengths]
    values, there = padded(arrays)
    assert values.dtype == np.dtype(dtype)
    assert values.shape == (7, lengths.max(), *more)
    assert there.sum(axis=1).tolist() == lengths.tolist()
    assert not values[~there].any()
    for array, row, mask in zip(arrays, values, there, strict=True):
        np.testing.assert_array_equal(row[mask], array)
        assert not mask[len(array) :].any()
    longer = padded(arrays, 12)
    np.testing.assert_array_equal(longer[0], np.pad(values, [(0, 0), (0, 12 - lengths.max()), *[(0, 0)] * len(more)]))
    assert longer[1].sum() == there.sum()
    with pytest.raises(EventsError, match=rf"array {lengths.argmax()} is of the length {lengths.max()}: more than 1"):
        padded(arrays, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "there are no arrays to pad"),
        ([np.zeros(2), np.array(3.0)], r"array 1 has the shape \(\) and array 0 \(2,\)"),
        ([np.zeros((2, 3)), np.zeros((2, 2))], r"array 1 has the shape \(2, 2\) and array 0 \(2, 3\)"),
        ([np.array(["a"])], "array 0 holds <U1, not numbers"),
    ],
)
def test_what_cannot_be_padded_is_refused(arrays: list[np.ndarray], message: str) -> None:
    with pytest.raises(EventsError, match=message):
        padded(arrays)


def test_what_the_caller_needs_must_be_there() -> None:
    validate(events(), conditions=["incident_energy"], features=["shower"])
    with pytest.raises(EventsError, match=r"missing condition 'polar_angle'; the events hold \['impact_x', "):
        validate(events(), conditions=["polar_angle"])
    with pytest.raises(EventsError, match="missing feature 'active'"):
        validate(events(), features=["active"])


def test_a_negative_energy_may_be_declared() -> None:
    made = events()
    made["noise"] = variable(-np.ones(4), units="MeV", long_name="n", role="feature", signed=True)
    validate(made)
    made["noise"].attrs["signed"] = False
    with pytest.raises(EventsError, match="'noise' is a negative energy"):
        validate(made)


def test_faulty_events_cannot_be_made() -> None:
    with pytest.raises(EventsError, match="'shower' is nan in event 0 at cell 1"):
        make_events(
            {"shower": variable([[0, np.nan]], "cell", units="MeV", long_name="e", role="feature")},
            simulator="toy",
            simulator_version="1",
            seed=1,
            settings={},
            seconds_per_event=0,
        )


def test_the_split_never_changes() -> None:
    # these parts hold for ever: models were trained on what is called train here, and on nothing else
    letters = "".join({"train": "t", "validation": "v", "test": "s"}[part] for part in part_of(np.arange(60)))
    assert letters == PINNED
    large = np.array([10**6, 10**9, 2**40 + 1, 2**63 - 1])
    assert part_of(large).tolist() == PINNED_LARGE


PINNED = "stttttvttttttvtttttvttvsttvttvtsstttsvssttvvssvtttvtsvvttttt"
PINNED_LARGE = ["train", "train", "train", "train"]


def test_the_split_has_its_fractions() -> None:
    n = 200_000
    parts = part_of(np.arange(n))
    for part, share in SPLIT:
        # five standard deviations of a binomial; the numbers are fixed, so this passes always or never
        assert abs((parts == part).mean() - share) < 5 * np.sqrt(share * (1 - share) / n)
    # nor does it depend on where in the sample one looks, or on a neighbour's part
    for block in np.array_split(parts == "train", 20):
        assert abs(block.mean() - 0.7) < 5 * np.sqrt(0.21 / len(block))
    train = parts == "train"
    assert abs((train[1:] & train[:-1]).mean() - 0.49) < 0.01


def test_a_part_depends_on_the_index_alone() -> None:
    made = events(200, first_event=0)
    shuffled = made.isel(event=np.random.default_rng(0).permutation(200))
    parts = [take_part(made, part) for part, _ in SPLIT]
    assert sum(part.sizes["event"] for part in parts) == 200
    for part, _ in SPLIT:
        assert set(take_part(shuffled, part)["event"].values) == set(take_part(made, part)["event"].values)
        assert (part_of(take_part(made, part)["event"].values) == part).all()


def test_a_mask_is_true_or_false() -> None:
    made = light_curves()
    made["observed"] = made["observed"].astype(float).assign_attrs(made["observed"].attrs)
    validate(made)
    made["observed"][2, 1] = 0.5
    with pytest.raises(
        EventsError, match=r"the mask 'observed' is 0\.5 in event 22 at observation 1: it must be 1 where"
    ):
        validate(made)


@pytest.mark.parametrize("length", [1.5, np.nan, np.inf, -1, True, "2"])
def test_arrays_are_padded_to_a_whole_number(length: Any) -> None:
    with pytest.raises(EventsError, match="the length must"):
        padded([np.zeros(1), np.zeros(0)], length)


def test_coordinates_that_are_no_numbers_or_do_not_fit_are_refused() -> None:
    flux = variable(np.ones((2, 3)), "x", units="1", long_name="f", role="feature")
    provenance: dict[str, Any] = {
        "simulator": "toy",
        "simulator_version": "1",
        "seed": 1,
        "settings": {},
        "seconds_per_event": 0.1,
    }
    with pytest.raises(EventsError, match="the coordinate 'x' is nan in 1 places"):
        make_events({"flux": flux, "x": xr.Variable("x", [0.0, np.nan, 1.0])}, **provenance)
    with pytest.raises(EventsError, match="these variables do not fit together"):
        make_events({"flux": flux, "x": xr.Variable("x", [0.0, 1.0])}, **provenance)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(EventsError, match="'x' holds complex128, not real numbers: give real and imaginary parts as"):
        make_events(
            {"x": variable(np.full(5, np.nan + 1j), units="1", long_name="x", role="feature")},
            simulator="toy",
            simulator_version="1",
            seed=1,
            settings={},
            seconds_per_event=0.0,
        )
    with pytest.raises(EventsError, match="array 0 holds complex128, not real numbers"):
        padded([np.array([1j])])


def test_a_seed_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(EventsError, match="does not fit into 64 bits"):
        simulacra.load("calogan-eplus").sample(1, seed=10**40)


def test_values_on_disk_are_checked_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra.lazy_arrays import read_by

    whole = events(20)
    read: list[int] = []

    def reading(variable: xr.Variable, key: tuple[Any, ...]) -> np.ndarray:
        read.append(variable[key].nbytes)
        return np.asarray(variable[key].values)

    name = next(name for name, array in whole.data_vars.items() if array.ndim > 1)
    late = whole.assign({name: read_by(reading, whole[name].variable)})
    monkeypatch.setattr("simulacra.events.READ_AT_ONCE", whole[name].nbytes // 5)
    validate(late)
    assert len(read) == 5
    assert max(read) == whole[name].nbytes // 5
    wrong = whole.copy(deep=True)
    wrong[name][17] = np.nan
    with pytest.raises(EventsError, match=f"'{name}' is nan in event 27"):
        validate(wrong.assign({name: read_by(reading, wrong[name].variable)}))
