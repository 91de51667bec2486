"""Plain arrays as events: every shape becomes features of the right kind, and the right values stand in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulacra.events import EventsError, names, validate
from simulacra.judges import JudgeError
from simulacra.judges.plain_arrays import as_events
from simulacra.judges.samples import kind_of

VALUES = np.arange(24.0)


@pytest.mark.parametrize(
    ("given", "kind", "features"),
    [
        (VALUES, "table", {"feature_0": VALUES}),
        (VALUES.reshape(12, 2), "table", {"feature_0": VALUES[::2], "feature_1": VALUES[1::2]}),
        (VALUES.reshape(4, 3, 2), "arrays", {"values": VALUES.reshape(4, 3, 2)}),
        (
            {"mass": VALUES[:6], "image": VALUES.reshape(6, 2, 2)},
            "arrays",
            {"mass": VALUES[:6], "image": VALUES.reshape(6, 2, 2)},
        ),
        ({"pt": VALUES.astype(int), "cut": VALUES > 3}, "table", {"pt": VALUES, "cut": VALUES > 3}),
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array(3.0), "a value for each of the same events"),
        (np.zeros((0, 2)), "a value for each of the same events"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"same events, not \{'a': 3, 'b': 4\}"),
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
