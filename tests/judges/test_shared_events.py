"""Events in both samples: found whatever their order, and never invented where values are few or trivial."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import events_of, images, jets, number, table
from judged_showers import toy_events
from simulacra.judges import judge
from simulacra.judges.doubts import doubts_about
from simulacra.judges.finding import Finding
from simulacra.judges.shared_events import Digests, digests_of, repeated_events, shared_events
from simulacra.judges.unpacking import sample_of
from simulacra.reports import record_of

N = 300


def digests(events: xr.Dataset, label: str = "truth") -> Digests:
    return digests_of(sample_of(events, label, most_events=10**6, rng=np.random.default_rng(1)))


def joined(*parts: xr.Dataset) -> xr.Dataset:
    together = xr.concat(parts, "event", combine_attrs="override")
    return together.assign_coords(event=np.arange(10_000, 10_000 + together.sizes["event"]))


@pytest.mark.parametrize("make", [images, jets, toy_events], ids=["images", "jets", "showers"])
def test_one_event_among_others_is_found_and_named(make: object) -> None:
    assert callable(make)
    truth, other = make(N, 1), make(N, 2)
    assert not len(shared_events(digests(truth), digests(other)).rows)
    mixed = joined(other.isel(event=slice(1, None)), truth.isel(event=[40]))
    found = shared_events(digests(truth), digests(mixed))
    np.testing.assert_array_equal(found.rows, [[N - 1, 40]])
    assert f"event {10_000 + N - 1} is truth's event 40" in found.warning


def test_a_permuted_copy_of_a_table_is_found() -> None:
    events = table(N, 1)
    order = np.random.default_rng(2).permutation(N)
    found = shared_events(digests(events), digests(events.isel(event=order)))
    assert len(found.rows) == N
    np.testing.assert_array_equal(found.rows[:, 1], order)


def test_another_condition_does_not_hide_a_copy() -> None:
    events = images(N, 1)
    changed = events.assign(height=events["height"].copy(data=events["height"].values[::-1]))
    assert len(shared_events(digests(events), digests(changed)).rows) == N


def test_rows_of_whole_numbers_agree_by_chance() -> None:
    # Of 50 seeds none is accused; the threshold lies five standard deviations off.
    for seed in range(50):
        truth, other = (
            events_of({"a": number(rng.poisson(8, N)), "b": number(rng.poisson(8, N))}, 1)
            for rng in (np.random.default_rng([seed, k]) for k in (0, 1))
        )
        assert not shared_events(digests(truth), digests(other)).warning


def test_events_without_content_are_shared_by_right() -> None:
    truth, other = images(N, 1), images(N, 2)
    emptied = [
        events.assign(image=events["image"] * (np.arange(N) % 2)[:, None, None].astype("f4")).assign(
            height=events["height"]
        )
        for events in (truth, other)
    ]
    for events in emptied:
        events["image"].attrs = dict(truth["image"].attrs)
    assert not shared_events(digests(emptied[0]), digests(emptied[1])).warning
    assert repeated_events(digests(emptied[0])) == ""


def test_a_draw_with_replacement_is_told() -> None:
    events = images(N, 1)
    rows = np.random.default_rng(3).integers(0, N, N)
    drawn = events.isel(event=rows).assign_coords(event=np.arange(N))
    warning = repeated_events(digests(drawn, "generated"))
    repeats = N - len(np.unique(rows))
    assert warning.startswith(f"{repeats} of {N} events of generated repeat others")
    assert repeated_events(digests(events)) == ""


def test_a_sample_against_itself_passes_for_nothing() -> None:
    events = table(N, 1)
    verdict = judge(events, events.isel(event=np.random.default_rng(2).permutation(N)), seed=1)
    assert {use.outcome for use in verdict.uses} == {"undecided"}
    assert verdict.headline.endswith(": the comparison itself is in doubt.")
    assert f"{N} of {N} generated events are also in the truth" in verdict.warnings[0]
    assert "An AUC is below one half" in verdict.warnings[1]
    assert verdict.stated.events_needed is None
    assert not any("too few events" in advice for advice in verdict.advice)
    record = record_of(verdict)
    assert len(record["verdict"]["uses"][0]["doubts"]) == 2


def test_what_fails_although_events_are_shared_still_fails() -> None:
    truth = table(N, 1)
    mixed = joined(table(N, 2, shift=2.0).isel(event=slice(30, None)), truth.isel(event=slice(0, 30)))
    verdict = judge(truth, mixed, seed=1)
    assert verdict.stated.outcome == "fail"
    assert "30 of 300 generated events are also in the truth" in verdict.warnings[0]


def auc(value: float, error: float = 0.01) -> Finding:
    return Finding(
        judge="classifier_auc",
        observable="cells (trees)",
        value=value,
        uncertainty=error,
        truth_value=0.5,
        truth_uncertainty=error,
        n_truth=N,
        n_generated=N,
        sentence="",
    )


def test_an_auc_below_one_half_beyond_its_error_is_a_finding() -> None:
    assert doubts_about([auc(0.47), auc(0.6)], "") == ()
    (doubt,) = doubts_about([auc(0.44), auc(0.268)], "")
    assert "cells (trees): 0.268 ± 0.010" in doubt
