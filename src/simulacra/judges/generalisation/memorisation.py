"""Whether a generator has memorised training events: generated events compared with unseen truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import JsonValue

from simulacra.judges.finding import Finding
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.samples import Sample, some_rows
from simulacra.statistics.modes.nearness import Nearness, compare_nearness
from simulacra.statistics.modes.strata import Strata, condition_table
from simulacra.wording import with_error

MEMORISED_P_VALUE: Final = 0.01
MOST_QUERIES: Final = 2000
#: largest number of training events times values of an event; above, some training events are left out
MOST_VALUES: Final = 10_000_000
MOST_REFERENCES: Final = 50_000
FEWEST_REFERENCES: Final = 5000
CLOSEST: Final = 6
EVENTS_A_STRATUM: Final = 100
MOST_STRATA: Final = 8


@dataclass(frozen=True)
class Memorisation:
    """Distances of generated and of unseen truth events to the nearest training event, and the closest pairs.

    Attributes
    ----------
    nearness:
        the comparison.
    memorised:
        whether the p-value of both tests is below 0.01.
    metric:
        name of the distance.
    generated, truth:
        the distances, (Q,) each, of the tested events.
    generated_weights, truth_weights:
        their weights.
    closest_generated, closest_training:
        the closest pairs, relative to the truth at their condition, the closest first.
    closest_distances:
        of the pairs, (K,).
    searched:
        share of the training events that were searched.
    """

    nearness: Nearness
    memorised: bool
    metric: str
    generated: np.ndarray
    truth: np.ndarray
    generated_weights: np.ndarray
    truth_weights: np.ndarray
    closest_generated: Sample
    closest_training: Sample
    closest_distances: np.ndarray
    searched: float


def judge_memorisation(
    truth: Sample, generated: Sample, train: Sample | None, rng: np.random.Generator
) -> tuple[list[Finding], Memorisation | None]:
    """Compare generated events' distances to the nearest training event with those of truth not used in training.

    Parameters
    ----------
    truth, generated:
        the samples; no event of ``truth`` may have been used in training.
    train:
        the training events; without them nothing is judged.
    rng:
        for the choice of events if there are more than 2000 (or more than 50,000 training events).
    """
    if train is None:
        return [], None
    most = int(np.clip(MOST_VALUES // _width(train), FEWEST_REFERENCES, MOST_REFERENCES))
    kept = train.take(some_rows(len(train), most, rng))
    a, b = (sample.take(some_rows(len(sample), MOST_QUERIES, rng)) for sample in (truth, generated))
    closeness = KINDS[train.kind].closeness
    truth_distances, _ = closeness.nearest(a, kept)
    generated_distances, numbers = closeness.nearest(b, kept)

    conditions = truth.moving
    number = int(np.clip(min(len(a), len(b)) // EVENTS_A_STRATUM, 1, MOST_STRATA))
    table = condition_table(a.conditions, conditions)
    strata = Strata(table, len(a), strata=number, seed=int(rng.integers(2**31)))
    places = [strata.index(strata.ranks(condition_table(s.conditions, conditions), len(s))) for s in (b, a)]
    found = compare_nearness(generated_distances, truth_distances, b.weights, a.weights, *places)

    counted = np.flatnonzero(b.weights > 0)
    closest = counted[np.argsort(found.generated[counted], kind="stable")[:CLOSEST]]
    judged = Memorisation(
        found,
        found.p_value < MEMORISED_P_VALUE,
        closeness.metric,
        generated_distances,
        truth_distances,
        b.weights,
        a.weights,
        b.take(closest),
        kept.take(numbers[closest]),
        generated_distances[closest],
        len(kept) / len(train),
    )
    return _findings(judged, closeness.observable, truth.label, generated.label), judged


def _findings(judged: Memorisation, observable: str, truth: str, generated: str) -> list[Finding]:
    near, sizes = judged.nearness, (len(judged.truth), len(judged.generated))
    nearer, farther, copied = (
        with_error(value, error, "%")
        for value, error in (
            (near.nearer, near.nearer_error),
            (1 - near.nearer, near.nearer_error),
            (near.copies, near.copies_error),
        )
    )
    heart = "Training events were memorised" if judged.memorised else "no sign of memorised training events"
    verdict = f"{heart} (p = {near.p_value:.2g})."
    if judged.searched < 1:
        verdict += f" {100 * judged.searched:.0f} % of the training events were searched."
    beyond = ", as expected within errors"
    if near.farther_p < MEMORISED_P_VALUE:
        beyond = ": there are generated events where there is no truth"
    distance: dict[str, JsonValue] = {"distance": judged.metric}
    details: dict[str, JsonValue] = {
        "memorised": judged.memorised,
        "p_value_both_tests": near.p_value,
        "share_of_training_searched": judged.searched,
        **distance,
    }
    return [
        Finding.of(
            "memorisation",
            observable,
            (near.nearer, near.nearer_error, 0.5, near.chance_error, near.nearer_p),
            sizes,
            f"In {nearer} of pairs the {generated} event is nearer to a training event than the unseen {truth} event "
            f"(50 % if nothing is memorised): {verdict}",
            details=details,
        ),
        Finding.of(
            "copies_of_training",
            observable,
            (near.copies, near.copies_error, 0.0, near.copies_error, near.copies_p),
            sizes,
            f"{copied} of {generated} events, beyond the expected share, are nearer to a training event than the "
            f"nearest 1 % of unseen {truth} events: {verdict}",
            details=details,
        ),
        Finding.of(
            "far_from_training",
            observable,
            (1 - near.nearer, near.nearer_error, 0.5, near.chance_error, near.farther_p),
            sizes,
            f"In {farther} of pairs the {generated} event is further from all training events than the unseen "
            f"{truth} event{beyond}.",
            details=distance,
        ),
    ]


def _width(sample: Sample) -> int:
    return sample.cells.shape[1] if sample.cells is not None else max(1, len(sample.observables))
