"""Plain arrays as events: every shape becomes features of the right kind, and the right values stand in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulacra.events import EventsError, names, validate
from simulacra.judges import JudgeError, judge
from simulacra.judges.kinds.find import kind_of
from simulacra.judges.plain_arrays import as_events

VALUES = np.arange(24.0)


@pytest.mark.parametrize(
    ("given", "kind", "features"),
    [
        (VALUES, "tables", {"feature_0": VALUES}),
        (VALUES.reshape(12, 2), "tables", {"feature_0": VALUES[::2], "feature_1": VALUES[1::2]}),
        (VALUES.reshape(4, 3, 2), "arrays", {"values": VALUES.reshape(4, 3, 2)}),
        (
            {"mass": VALUES[:6], "image": VALUES.reshape(6, 2, 2)},
            "arrays",
            {"mass": VALUES[:6], "image": VALUES.reshape(6, 2, 2)},
        ),
        ({"pt": VALUES.astype(int), "cut": VALUES > 3}, "tables", {"pt": VALUES, "cut": VALUES > 3}),
    ],
)
def test_arrays_of_any_shape_are_features(given: Any, kind: str, features: dict[str, np.ndarray]) -> None:
    events = as_events(given, "truth")
    validate(events, features=features)
    assert names(events, "feature") == list(features)
    assert kind_of(events) == kind
    for name, values in features.items():
        np.testing.assert_array_equal(events[name].values, values)
    assert events.attrs["simulator"] == "truth"
    assert as_events(events, "other") is events


def test_what_a_masked_array_masks_is_not_there() -> None:
    rng = np.random.default_rng(1)
    image, gone = rng.normal(size=(5, 3, 3)), rng.random((5, 3, 3)) < 0.3
    image[gone] = np.nan
    for given in (np.ma.masked_invalid(image), {"values": np.ma.masked_array(np.nan_to_num(image), gone)}):
        events = as_events(given, "truth")
        np.testing.assert_array_equal(events["values"], np.nan_to_num(image))
        np.testing.assert_array_equal(events["values_observed"], ~gone)
        assert events["values_observed"].dims == events["values"].dims
        assert names(events, "mask") == ["values_observed"]
    # a masked table is no table, for its columns have gaps, and one number cannot be left out
    rows = as_events(np.ma.masked_less(VALUES.reshape(4, 6), 3), "truth")
    assert kind_of(rows) == "arrays"
    assert rows["values_observed"].values.sum() == 21
    assert names(as_events({"a": np.ma.masked_less(VALUES, -1)}, "truth"), "mask") == []
    with pytest.raises(JudgeError, match="'a' of the truth is masked in event 0: single numbers must be present"):
        as_events({"a": np.ma.masked_less(VALUES, 3)}, "truth")
    with pytest.raises(EventsError, match="'values' is nan in event 1"):
        as_events(np.ma.masked_equal(np.array([[1, 2], [3, np.nan]]), 1), "truth")


def test_arrays_of_unequal_length_are_padded() -> None:
    given = [np.arange(n, dtype=float) + 1 for n in (3, 0, 2)]
    for events in (as_events(given, "truth"), as_events({"values": given}, "truth")):
        assert events["values"].values.tolist() == [[1, 2, 3], [0, 0, 0], [1, 2, 0]]
        assert events["values_observed"].values.sum(axis=1).tolist() == [3, 0, 2]
    objects = as_events({"stars": [np.ones((n, 2)) for n in (1, 3)]}, "truth")
    assert objects["stars"].shape == (2, 3, 2)
    assert objects["stars_observed"].shape == (2, 3)
    assert names(as_events([np.zeros(2), np.ones(2)], "truth"), "feature") == ["feature_0", "feature_1"]
    with pytest.raises(EventsError, match=r"array 1 has the shape \(2, 3\) and array 0 \(2, 2\)"):
        as_events([np.zeros((2, 2)), np.zeros((2, 3))], "truth")


def test_masked_arrays_of_different_widths_are_judged() -> None:
    def drawn(seed: int, width: int, spread: float) -> np.ndarray:
        rng = np.random.default_rng(seed)
        gone = np.arange(width) >= rng.integers(1, 6, 250)[:, None]
        return np.ma.masked_array(rng.normal(0, spread, (250, width)), gone)

    verdict = judge(drawn(1, 5, 1.0), drawn(2, 8, 1.5), seed=1, use="shapes")
    assert verdict.stated.outcome == "fail"
    distances = {f.observable: f.value for f in verdict.plain_findings if f.judge == "wasserstein_distance"}
    assert distances["values_maximum"] > 0.3 > 0.2 > distances["values_observed_number"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array(3.0), "the same number of events, at least one"),
        (np.zeros((0, 2)), "the same number of events, at least one"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"at least one, not \{'a': 3, 'b': 4\}"),
        ({}, "the generated holds no array"),
        (np.array(["x", "y"]), "holds <U1, not real numbers"),
        (np.array([1j, 2]), "holds complex128, not real numbers"),
        (np.array([None, 1]), "holds object, not real numbers"),
    ],
)
def test_what_is_no_sample_is_refused_by_its_name(given: Any, message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        as_events(given, "generated")


def test_a_value_that_is_not_finite_is_named() -> None:
    with pytest.raises(EventsError, match="'feature_1' is nan in event 1"):
        as_events(np.array([[1, 2], [3, np.nan]]), "truth")


def test_an_array_called_like_the_index_is_refused() -> None:
    with pytest.raises(JudgeError, match="the truth has an array 'event', which is the name of the events' own index"):
        as_events({"event": np.zeros(3), "x": np.zeros(3)}, "truth")
