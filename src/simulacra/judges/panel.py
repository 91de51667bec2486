"""The panel: all judges in their order, with their inputs and evidence.

Judges of only one kind of events come last; they are in the kind's file (:mod:`simulacra.judges.kinds`). Each judge has
its own stream of random numbers, so its findings do not depend on the other judges.
"""

from __future__ import annotations

from typing import Final

from simulacra.judges.bands import judge_band
from simulacra.judges.case import Case, Judge, Left, unsigned
from simulacra.judges.classifiers.corrected import judge_corrected
from simulacra.judges.classifiers.failures import judge_failures
from simulacra.judges.classifiers.separability import Roc, judge_separability
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.distances.multivariate import compare_all
from simulacra.judges.generalisation.ensembles import judge_ensemble
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.generalisation.statistical_power import judge_statistical_power
from simulacra.judges.samples import features_of
from simulacra.judges.weighted import judge_weighted
from simulacra.statistics.model_floor import FEWEST_MEMBERS


def _band(case: Case) -> Left:
    if case.held_out is None:
        raise ValueError("no band was given")
    findings = judge_band(case.truth, case.generated, case.held_out, case.rng("band"))
    return findings, findings


def _all_at_once(case: Case) -> Left:
    features = features_of(case.truth, case.generated)
    found = compare_all(features, case.rng("distances"), signed=case.signed, progress=case.tell)
    return found.findings, found


def _separability(case: Case) -> Left:
    return judge_separability(
        case.truth,
        case.generated,
        case.further,
        cell_threshold=case.cell_threshold,
        protocol=case.protocol,
        seed=case.seed,
        progress=case.tell,
    )


def _best(case: Case) -> Roc:
    """Return the classifier that tells the samples apart best."""
    best: Roc = max(case.evidence["rocs"], key=lambda roc: roc.judged.ensemble_auc)
    return best


def _corrected(case: Case) -> Left:
    return judge_corrected(
        case.truth,
        case.generated,
        case.rng("weights"),
        cell_threshold=case.cell_threshold,
        progress=case.tell,
    )


def _weighted(case: Case) -> Left:
    truth, weighted = case.evidence["correction"].of(case.truth, case.generated)
    return judge_weighted(truth, weighted, case.rng("weighted")), None


def _conditional(case: Case) -> Left:
    log_odds = _best(case).judged.in_order(len(case.truth), len(case.generated))
    return judge_conditional(case.truth, case.generated, case.rng("conditions"), log_odds)


def _power(case: Case) -> Left:
    alike = (case.generated, *case.members)
    # Two generators trained alike are enough for a band, but not for the floor that none of them reaches.
    many = alike if len(alike) >= FEWEST_MEMBERS else ()
    return judge_statistical_power(case.truth, case.generated, case.n_train, members=many, rng=case.rng("power"))


PANEL: Final = (
    # First, because it refuses a band with too few events.
    Judge("held-out band", 0.0, _band, "band", lambda case: case.held_out is not None),
    Judge(
        "distances of observables",
        0.02,
        lambda case: judge_distributions(case.truth, case.generated, case.pool, case.replicates),
        "histograms",
    ),
    Judge("all observables at once", 0.1, _all_at_once, "multivariate"),
    Judge("classifiers", 0.38, _separability, "rocs"),
    Judge(
        "where it fails",
        0.01,
        lambda case: judge_failures(case.truth, case.generated, _best(case).judged, case.rng("failures")),
        "failures",
        unsigned,
    ),
    Judge("with weights", 0.32, _corrected, "correction", unsigned),
    Judge("with weights, by the other judges", 0.01, _weighted, applies=lambda case: "correction" in case.evidence),
    Judge("in bins of the conditions", 0.01, _conditional, "conditional"),
    Judge("modes", 0.01, lambda case: judge_modes(case.truth, case.generated, case.rng("modes")), "modes", unsigned),
    Judge(
        "memorisation",
        0.01,
        lambda case: judge_memorisation(case.truth, case.generated, case.train, case.rng("memorisation")),
        "memorisation",
        lambda case: unsigned(case) and case.train is not None,
    ),
    Judge("statistical power", 0.01, _power, "power", unsigned),
    Judge(
        "model uncertainty",
        0.01,
        lambda case: judge_ensemble(case.truth, (case.generated, *case.members), case.rng("ensemble")),
        "ensemble",
        lambda case: unsigned(case) and bool(case.members),
    ),
)
