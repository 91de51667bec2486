"""Series with gaps and errors, masked fields and lists of unequal length, from events or plain arrays to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import array, events_of, lists, masked_fields, number, variable_stars
from simulacra.events import padded, variable
from simulacra.judges import JudgeError, judge
from simulacra.judges.classifiers.separability import table_of
from simulacra.judges.preparation import prepared
from simulacra.judges.samples import Sample
from simulacra.judges.shared_events import digests_of, shared_events
from simulacra.judges.slots import in_slots, widths_of
from simulacra.judges.unpacking import check_comparable, sample_of
from simulacra.judges.verdict import Verdict
from simulacra.reports import write

N = 300


def worst_of(verdict: Verdict) -> list[str]:
    """Return the observables by falling distance."""
    found = [finding for finding in verdict.plain_findings if finding.judge == "wasserstein_distance"]
    return [finding.observable for finding in sorted(found, key=lambda finding: -finding.value)]


@pytest.mark.parametrize(
    ("change", "worst", "sentence"),
    [
        ({"error": 0.7}, {"magnitude_error_mean"}, "magnitude error: mean: the distributions are"),
        ({"season": 0.8}, {"time_span"}, "time: span: the distributions are"),
        (
            {"amplitude": 1.4},
            {"magnitude_fourier_amplitude", "magnitude_excess_variance"},
            "magnitude: Fourier amplitude A₁: the distributions are",
        ),
    ],
)
def test_wrong_errors_times_and_amplitudes_are_named(change: dict[str, float], worst: set[str], sentence: str) -> None:
    generated = variable_stars(N, 2, padding=3, shuffled=True, **change)  # type: ignore[arg-type]
    verdict = judge(variable_stars(N, 1), generated, seed=1)
    assert verdict.stated.outcome == "fail"
    assert worst_of(verdict)[0] in worst
    assert any(finding.sentence.startswith(sentence) for finding in verdict.findings)


def test_a_page_of_series_shows_the_closest_pairs(tmp_path: Path) -> None:
    truth, generated, train = (variable_stars(210, seed, padding=2 * seed) for seed in (1, 2, 3))
    verdict = judge(truth, generated, train=train, seed=1)
    assert verdict.stated.outcome in ("pass", "undecided")
    memorisation = verdict.evidence["memorisation"]
    assert memorisation.closest_generated.mask == "observed"
    page = write(verdict, tmp_path).read_text(encoding="utf-8")
    assert "Pair 1: distance of the values" in page


@pytest.mark.parametrize(("change", "worst"), [({"smooth": False}, "density_power_"), ({"seen": 0.7}, "seen_number")])
def test_masked_fields_are_named_by_their_power_and_their_pixels(change: dict[str, Any], worst: str) -> None:
    verdict = judge(masked_fields(N, 1), masked_fields(N, 2, **change), seed=1, use="shapes")
    assert verdict.stated.outcome == "fail"
    assert worst_of(verdict)[0].startswith(worst)


def test_lists_that_are_padded_further_fail_by_what_differs() -> None:
    verdict = judge(lists(N, 1), lists(N, 2, padding=5, spread=1.4), seed=1, use="shapes")
    assert verdict.stated.outcome == "fail"
    assert worst_of(verdict)[0] == "colours_standard_deviation"


@pytest.mark.slow
def test_the_truth_passes_for_the_truth() -> None:
    # 3,000 events decide; what fails by chance beyond two standard deviations would fail here for ever
    verdict = judge(variable_stars(3000, 1), variable_stars(3000, 2, padding=7, shuffled=True), seed=1)
    assert verdict.stated.outcome == "pass"


def test_judges_are_given_the_same_to_the_last_digit_whatever_the_padding_and_the_order() -> None:
    """Also of the training sample and of further members, whose files have widths of their own."""

    def given(*paddings: int, shuffled: bool) -> list[Sample]:
        files = [
            variable_stars(N, seed, padding=more, shuffled=shuffled) for seed, more in enumerate(paddings, start=1)
        ]
        case = prepared(files[0], files[1], files[2], files[3:], seed=1, max_events=250)
        assert case.train is not None
        return [case.truth, case.generated, case.train, *case.members, case.pool]

    for one, other in zip(given(0, 9, 3, 1, shuffled=True), given(0, 0, 0, 0, shuffled=False), strict=True):
        np.testing.assert_array_equal(np.asarray(one.cells), np.asarray(other.cells))
        assert one.shapes == other.shapes
        for name, values in one.observables.items():
            np.testing.assert_array_equal(values, other.observables[name], err_msg=name)


@pytest.mark.parametrize("seed", range(6))
def test_events_in_slots_are_the_same_events(seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = variable_stars(20, seed, padding=int(rng.integers(0, 9)), shuffled=True)
    widths = widths_of([events])
    width = widths["observation"]
    assert width == int(events["observed"].values.sum(axis=1).max())
    found = in_slots(events, {"observation": width + 2})
    assert found["magnitude"].shape == (20, width + 2)
    for row in range(20):
        before, after = events.isel(event=row), found.isel(event=row)
        there, here = before["observed"].values, after["observed"].values
        assert not here[there.sum() :].any()
        assert (np.diff(after["time"].values[here]) > 0).all()
        for name in ("time", "magnitude", "magnitude_error"):
            pairs = [
                set(zip(e["time"].values[m], e[name].values[m], strict=True))
                for e, m in ((before, there), (after, here))
            ]
            assert pairs[0] == pairs[1]
            assert not after[name].values[~here].any()
    xr.testing.assert_identical(in_slots(found, widths), in_slots(events, widths))
    assert found.attrs == events.attrs
    assert list(found.data_vars) == list(events.data_vars)


def test_a_list_keeps_its_order_and_a_grid_its_width() -> None:
    stars = lists(20, 1, padding=4)
    there = stars["there"].values.copy()
    there[:, 0] = False
    gaps = stars.assign(there=stars["there"].copy(data=there))
    found = in_slots(gaps, widths_of([gaps]))
    np.testing.assert_array_equal(found["mass"], stars["mass"][:, :6])
    grid = gaps.assign_coords(star=np.arange(10.0))
    assert widths_of([grid]) == {}
    assert in_slots(grid, {}) is grid
    # nor do images lose a column that nobody sees
    fields = masked_fields(20, 1)
    fields["seen"][:, :, -1] = False
    assert widths_of([fields]) == {}


def sample(events: xr.Dataset) -> Sample:
    return sample_of(events, "toy", most_events=N, rng=np.random.default_rng(1))


def test_classifiers_see_times_errors_and_masks_but_no_padding() -> None:
    found = sample(variable_stars(N, 1, padding=6, shuffled=True))
    assert list(found.shapes) == ["magnitude", "time", "magnitude_error", "observed"]
    assert set(found.shapes.values()) == {(40,)}
    assert found.cells is not None
    magnitude, steps, errors, observed = np.split(found.cells, 4, axis=1)
    there = observed > 0
    events = variable_stars(N, 1)
    for name, values in (("magnitude", magnitude), ("magnitude_error", errors), ("time", np.cumsum(steps, axis=1))):
        np.testing.assert_allclose(values[there], np.asarray(found_in_order(events, name)), rtol=1e-5)
    assert not steps[~there].any()
    assert found.mask == "observed"


def found_in_order(events: xr.Dataset, name: str) -> list[float]:
    """Return the values of all events by time, one event after the other."""
    ordered = []
    for row in range(events.sizes["event"]):
        one = events.isel(event=row)
        there = one["observed"].values
        ordered += list(one[name].values[there][np.argsort(one["time"].values[there])])
    return ordered


def test_a_copy_in_another_order_and_padding_is_found() -> None:
    truth, other = variable_stars(N, 1), variable_stars(N, 2)
    copies = variable_stars(N, 1, padding=5, shuffled=True)
    widths = widths_of([truth, copies])
    one, two, same = (
        sample_of(events, "toy", most_events=N, rng=np.random.default_rng(1), widths=widths)
        for events in (truth, other, copies)
    )
    assert len(shared_events(digests_of(one), digests_of(same)).rows) == N
    assert not len(shared_events(digests_of(one), digests_of(two)).rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda e: e.drop_vars("observed"),
            r"the mask 'observed' is of the shape \('observation',\) in the truth and miss",
        ),
        (
            lambda e: e.drop_vars("magnitude_error"),
            "the uncertainty 'magnitude_error' is of the shape .* and missing in",
        ),
        (lambda e: e.drop_vars("time"), "the coordinate 'time' is of the shape .* in the truth and missing in the gen"),
        (
            lambda e: e.assign_coords(observation=np.arange(40)),
            r"the mask 'observed' is of the shape \('observation',\) in the truth and of the shape \(40,\) in the gen",
        ),
    ],
)
def test_what_only_one_sample_holds_is_refused_by_name(change: Callable[[Any], xr.Dataset], message: str) -> None:
    truth, generated = variable_stars(N, 1), change(variable_stars(N, 2))
    with pytest.raises(JudgeError, match=message):
        check_comparable(truth, generated)


def test_the_errors_of_a_table_are_judged_as_they_are() -> None:
    def stars(seed: int, error: float) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        errors = error * rng.uniform(1, 2, N)
        return events_of(
            {
                "parallax": number(rng.normal(5, 1, N), units="mas"),
                "parallax_error": variable(
                    errors, units="mas", long_name="parallax error", role="uncertainty", of="parallax"
                ),
            },
            seed,
        )

    verdict = judge(stars(1, 1.0), stars(2, 1.5), seed=1, use="shapes")
    assert worst_of(verdict)[0] == "parallax_error"
    assert verdict.stated.outcome == "fail"


def test_values_without_any_entry_in_a_sample_can_be_judged() -> None:
    """Half of the events are empty, and one slot is filled in one sample alone."""

    def some(seed: int) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        values, there = padded([rng.normal(size=rng.integers(0, 2 + seed)) for _ in range(N)])
        mask = variable(there, "slot", units="1", long_name="is there", role="mask")
        return events_of({"value": array(values, "slot"), "there": mask}, seed)

    verdict = judge(some(1), some(2), seed=1, use="shapes")
    assert verdict.stated.outcome == "fail"
    assert worst_of(verdict)[0] == "there_number"


def test_what_a_classifier_sees_does_not_tell_which_sample_it_was() -> None:
    """Where few events fill a slot, a scale from one sample would: random halves of a survey had an AUC of 0.66."""

    def some(seed: int) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        values, there = padded([12 + rng.normal(size=5 + int(rng.exponential(20))) for _ in range(N)])
        mask = variable(there, "slot", units="1", long_name="is there", role="mask")
        return events_of({"value": array(values, "slot"), "there": mask}, seed)

    files = some(1), some(2)
    widths = widths_of(files)
    one, two = (
        sample_of(events, "toy", most_events=N, rng=np.random.default_rng(1), widths=widths) for events in files
    )
    here, there = table_of(one, two, "values", 0.0), table_of(two, one, "values", 0.0)
    np.testing.assert_allclose(here[0], there[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(here[1], there[0], rtol=1e-3, atol=1e-4)
