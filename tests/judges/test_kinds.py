"""The kinds of events that can be judged: each is a file, and a new one joins by being there."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import array, events_of, images, jets, light_curves, number, table
from judged_showers import toy_events
from simulacra.judges import kinds
from simulacra.judges.kinds.find import KINDS, found_in, kind_of
from simulacra.judges.unpacking import sample_of
from tiny_calogan import FIVE, toy_showers
from toy_clouds import z_decays

N = 210


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: toy_events(N, 1), "showers"),
        (lambda: z_decays(N)[0], "clouds"),
        (lambda: jets(N, 1), "clouds"),
        (lambda: images(N, 1), "arrays"),
        (lambda: light_curves(N, 1), "arrays"),
        (lambda: table(N, 1), "tables"),
    ],
)
def test_events_are_of_the_kind_that_they_hold_and_give_what_its_classifiers_see(
    make: Callable[[], xr.Dataset], kind: str
) -> None:
    events = make()
    assert kind_of(events) == kind
    one = sample_of(events, "toy", most_events=N, rng=np.random.default_rng(1))
    assert one.kind == kind
    for looked_at in KINDS[kind].tables.values():
        first, second = looked_at(one, one, 0.01)
        assert len(first) == len(second) == N
        assert np.isfinite(first).all()
    seen = {what for method, what in KINDS[kind].classifiers if method != "deep_sets"}
    assert seen == set(KINDS[kind].tables)
    # No event lies nearer to another than to itself.
    distances, _ = KINDS[kind].closeness.nearest(one, one)
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_a_new_kind_joins_by_being_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spectra.py").write_text(
        textwrap.dedent(
            """
            from simulacra.judges.kinds.kind import Kind
            from simulacra.judges.limits import uses_of

            KIND = Kind(
                holds=lambda events: any("frequency" in array.dims for array in events.data_vars.values()),
                generality=1,
                uses=uses_of("line by line"),
            )
            """
        ),
        encoding="utf-8",
    )
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    found = found_in(kinds)
    assert set(found) == {*KINDS, "spectra"}
    # Spectra are arrays too: the kind of less generality is asked first.
    assert list(found).index("spectra") < list(found).index("arrays")
    spectra = events_of({"flux": array(np.ones((N, 4)), "frequency"), "z": number(np.ones(N), "condition")}, 1)
    assert next(name for name, kind in found.items() if kind.holds(spectra)) == "spectra"
    assert kind_of(spectra) == "arrays"
    assert found["spectra"].uses[-1].title == "a full stand-in, line by line"


def test_conditions_are_compared_by_their_names_in_whatever_order_a_file_holds_them() -> None:
    showers = toy_showers(240, five_conditions=True)
    names = [*FIVE, *sorted(set(showers.data_vars) - set(FIVE))]
    rng = np.random.default_rng(1)
    first, second = (
        sample_of(showers[order].assign_attrs(showers.attrs), "showers", most_events=240, rng=rng)
        for order in (names, sorted(names))
    )
    assert list(first.conditions) != list(second.conditions)
    for inputs in KINDS["showers"].tables.values():
        one, two = inputs(first, second, 0.0)
        np.testing.assert_array_equal(one, two)
