"""The limits: one for all that a classifier sees, a reason for each, and what an AUC means for efficiencies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from simulacra.judges import USES
from simulacra.judges.limits import FULL_STAND_IN_AUC


def largest_efficiency_error(auc: float) -> float:
    """Return the most by which any selection's efficiency can be wrong where the best classifier has this AUC."""
    return 2 * auc - 1


def gaussian_total_variation(auc: float) -> float:
    """Return the share of events to be replaced where the log ratio of the densities is Gaussian, for an AUC."""
    return float(2 * norm.cdf(norm.ppf(auc) / 2**0.5) - 1)


def test_every_limit_has_a_reason_and_an_advice() -> None:
    criteria = {criterion for uses in USES.values() for use in uses for criterion in use.criteria}
    assert len(criteria) > 8
    for criterion in criteria:
        assert len(criterion.reason) > 60, criterion.title
        assert criterion.reason.endswith("."), criterion.title
        assert criterion.advice


@pytest.mark.parametrize("kind", list(USES))
def test_a_full_stand_in_is_held_alike_on_all_that_a_classifier_sees(kind: str) -> None:
    full = next(use for uses in (USES[kind],) for use in uses if use.name == "cells")
    areas = [criterion for criterion in full.criteria if criterion.judge == "classifier_auc"]
    assert {criterion.limit for criterion in areas} == {FULL_STAND_IN_AUC}
    assert not any(criterion.biased for criterion in areas)


@pytest.mark.parametrize("shift", [0.1, 0.36, 1.0])
def test_what_an_auc_means_for_a_cut_on_a_shifted_gaussian(shift: float) -> None:
    area = norm.cdf(shift / 2**0.5)
    cuts = np.linspace(-5, 5, 2001)
    wrong = np.max(np.abs(norm.sf(cuts - shift) - norm.sf(cuts)))
    assert gaussian_total_variation(area) == pytest.approx(wrong, rel=1e-4)
    assert wrong <= largest_efficiency_error(area)


def test_the_reason_quotes_what_is_computed() -> None:
    reason = next(c.reason for use in USES["showers"] for c in use.criteria if c.judge == "classifier_auc")
    assert FULL_STAND_IN_AUC == 0.60
    assert f"more than {100 * largest_efficiency_error(0.60):.0f} percentage points" in reason
    quoted = [f"{100 * gaussian_total_variation(a):.0f} %" for a in (0.60, 0.55, 0.75)]
    replaced = f"{quoted[0]} of the events would have to be replaced"
    assert f"about {replaced} ({quoted[1]} at 0.55, {quoted[2]} at 0.75)" in reason
