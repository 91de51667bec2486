import json

import numpy as np
import pytest
import xarray as xr

from simulacra.events import (
    REQUIRED_ATTRIBUTES,
    SPLIT,
    EventsError,
    make_events,
    names,
    part_of,
    take_part,
    validate,
    variable,
)


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
        ("units", r"variable 'shower' carries no 'units'; make it with"),
        ("long_name", r"variable 'shower' carries no 'long_name'"),
        ("seed", r"the provenance lacks \['seed'\]"),
        ("twice", r"names an event twice \(such as 3\)"),
        ("float index", r"must hold integers, not float64"),
        ("no index", r"events need the integer coordinate 'event'"),
        ("no dimension", r"events need a dimension named 'event'; these have \['cell', 'row'\]"),
    ],
)
def test_a_fault_is_named_with_its_variable_and_event(change: str, message: str) -> None:
    validate(events())
    with pytest.raises(EventsError, match=message):
        validate(broken(change))


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
