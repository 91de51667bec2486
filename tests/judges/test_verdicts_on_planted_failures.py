"""What the verdict is, not a judge's p-value alone, on planted failures: what lies beyond a limit never passes.

Few events and one draw each; ``make bench-judges`` gives the verdicts at more events, over several draws.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.judges.planted import draw
from benchmarks.judges.planted_showers import draw_showers, exchanged

from simulacra import reference
from simulacra.geometry import CalorimeterGeometry
from simulacra.judges import judge
from simulacra.judges.verdict import Verdict

N = 600


def failed(verdict: Verdict) -> set[str]:
    return {one.criterion.judge for one in verdict.stated.judgements if one.outcome == "fail"}


@pytest.mark.parametrize(
    ("failure", "beyond"),
    [
        ("dropped_mode", "wasserstein_distance"),
        ("memorised", "copies_of_training"),
        ("ignored_condition", "conditional_wasserstein_distance"),
    ],
)
def test_what_lies_beyond_a_limit_fails(failure: str, beyond: str) -> None:
    truth, generated, train = draw(failure, N, 1)
    verdict = judge(truth, generated, train=train, seed=1)
    assert verdict.stated.outcome == "fail"
    assert beyond in failed(verdict)


@pytest.mark.parametrize("failure", ["null", "mean_shift", "broken_correlations"])
def test_what_lies_within_the_limits_does_not_fail(failure: str) -> None:
    # Of 600 events no criterion that lies within its limit exceeds it by two of its errors and by chance's, by chance:
    # with a fixed seed never.
    truth, generated, train = draw(failure, N, 1)
    verdict = judge(truth, generated, train=train, seed=1)
    assert not failed(verdict)
    if verdict.stated.outcome == "undecided":
        assert verdict.stated.events_needed is not None
        assert min(verdict.stated.events_needed[0], N) == N
        assert "events of each sample would decide" in verdict.headline


def section_energies(events: xr.Dataset) -> np.ndarray:
    first = CalorimeterGeometry.from_events(events).sections[0].n_cells
    return np.asarray(events["shower"].values[:, :first].sum(axis=1, dtype=np.float64))


def test_an_exchange_keeps_every_section_and_breaks_their_bond() -> None:
    events = reference.load("calogan-eplus").isel(event=slice(0, 501))
    changed, patterns = exchanged(events), exchanged(events, keep_energy=True)
    before, after = section_energies(events), section_energies(changed)
    np.testing.assert_array_equal(np.sort(after), np.sort(before))
    assert np.count_nonzero(after == before) == 1
    np.testing.assert_allclose(section_energies(patterns), before, rtol=1e-5)
    first = CalorimeterGeometry.from_events(events).sections[0].n_cells
    np.testing.assert_array_equal(changed["shower"].values[:, first:], events["shower"].values[:, first:])
    some = section_energies(exchanged(events, share=0.4))
    assert np.count_nonzero(some != before) == 200


def test_showers_whose_sections_were_exchanged_never_pass_for_a_full_stand_in() -> None:
    verdict = judge(*draw_showers("exchanged", 1, 250), seed=1)
    assert verdict.stated.outcome == "fail"
    # The AUC on observables, for which 0.75 was allowed, is held like that on cells.
    assert "AUC on observables, better classifier" in {
        one.criterion.title for one in verdict.stated.judgements if one.outcome == "fail"
    }
