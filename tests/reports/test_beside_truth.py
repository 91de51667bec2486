"""Generators and the truth in one picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simulacra.judges import Verdict
from simulacra.pages.style import SERIES
from simulacra.reports.beside_truth import (
    MOST_BINS,
    OBSERVABLES,
    beside_truth_figure,
    input_of,
    merged,
    worst_observables,
)
from simulacra.statistics.distances.histograms import Histogram


def test_each_generator_has_a_colour_and_the_picture_does_not_change(verdict: Verdict) -> None:
    other = dataclasses.replace(verdict, n_generated=verdict.n_generated)
    svg = beside_truth_figure({"narrow": verdict, "wide": other}).decode("utf-8")
    assert svg.startswith("<?xml")
    # The same numbers give the same file; a generator more is drawn in a colour more.
    assert svg == beside_truth_figure({"narrow": verdict, "wide": other}).decode("utf-8")
    alone = beside_truth_figure({"narrow": verdict}).decode("utf-8")
    assert SERIES[0] in alone
    assert SERIES[1] not in alone
    assert SERIES[0] in svg
    assert SERIES[1] in svg


def test_the_worst_observables_are_those_furthest_beyond_chance(verdict: Verdict) -> None:
    shown = worst_observables({"a": verdict, "b": verdict})
    distances = {
        f.observable: f.value - (f.truth_value or 0.0)
        for f in verdict.plain_findings
        if f.judge == "wasserstein_distance"
    }
    assert len(shown) == OBSERVABLES
    assert [distances[name] for name in shown] == sorted(distances.values(), reverse=True)[:OBSERVABLES]
    # What one of them does not have is not drawn.
    left = tuple(one for one in verdict.evidence["histograms"] if one.observable != shown[0])
    without = dataclasses.replace(verdict, evidence={**verdict.evidence, "histograms": left})
    assert shown[0] not in worst_observables({"a": verdict, "b": without})


def test_bins_are_joined_without_losing_events() -> None:
    rng = np.random.default_rng(1)
    counts = rng.multinomial(1000, np.full(50, 0.02))
    share = counts / 1000
    edges, (joined,) = merged(np.linspace(0, 1, 51), [Histogram(share, np.sqrt(share / 1000))])
    assert len(joined.share) == len(edges) - 1 <= MOST_BINS
    assert joined.share.sum() == pytest.approx(1.0)
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(joined.share[0], share[:3].sum())
    np.testing.assert_allclose(joined.error[0], np.sqrt(share[:3].sum() / 1000))


def test_inputs_and_numbers_of_generators(verdict: Verdict) -> None:
    assert {input_of(roc) for roc in verdict.evidence["rocs"]} == {"observables", "cells"}
    for n in (0, 6):
        with pytest.raises(ValueError, match=f"one to 5 generators, not {n}"):
            beside_truth_figure({str(i): verdict for i in range(n)})
