"""Where generated events fail: features, regions of phase space, conditions.

The events are divided in two halves. One is used to search for features and regions (see ``importance`` and
``regions``), the other to measure them, so the search does not bias the result. The maps show the classifier's
out-of-fold log-odds: the mean odds f / (1 - f) of the truth's events in a bin, which for a calibrated classifier is the
ratio of generated to true events there, and this ratio for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample, features_of
from simulacra.statistics.classifiers.classification import Classification
from simulacra.statistics.classifiers.failure_maps import ConditionCurve, Plane, curve_of, plane_of
from simulacra.statistics.classifiers.importance import Importance, importances
from simulacra.statistics.classifiers.regions import Events, Region, find_regions
from simulacra.wording import with_error

LEVEL: Final = 0.05
MOST_MEASURED: Final = 20_000
#: longest long name in the description of a region, in letters
LONGEST_NAME: Final = 32


@dataclass(frozen=True)
class FailureMap:
    """The results of ``judge_failures`` for the figures.

    Attributes
    ----------
    importances:
        of all features, the largest first.
    auc:
        of the trees used for the importances.
    regions:
        the most suspicious first, each with its own p-value.
    plane:
        of the two most important features; None if there is only one.
    curves:
        for each condition that varies.
    long_names, units:
        of features and conditions.
    stands_out:
        whether the first region, or a feature (corrected for their number), is significant.
    """

    importances: tuple[Importance, ...]
    auc: float
    regions: tuple[Region, ...]
    plane: Plane | None
    curves: tuple[ConditionCurve, ...]
    long_names: dict[str, str]
    units: dict[str, str]
    stands_out: bool


def judge_failures(
    truth: Sample, generated: Sample, classification: Classification, rng: np.random.Generator
) -> tuple[list[Finding], FailureMap]:
    """Return where generated events differ from the truth: the most important feature, the worst region, and maps.

    Parameters
    ----------
    truth, generated:
        the samples of the rows of ``classification``.
    classification:
        the best classifier's, with its log-odds of single events.

    Raises
    ------
    ValueError
        if the classification lacks its events.
    """
    if not len(classification.truth_log_odds):
        raise ValueError("the classification lacks its events' log-odds: give the result of classify")
    truth, generated = truth.take(classification.truth_rows), generated.take(classification.generated_rows)
    names, table = _table(truth, generated)
    everything = Events.of(*table, truth.weights, generated.weights)
    search, measure = _halves(everything, rng)
    found, area = importances(search, _at_most(measure, MOST_MEASURED, rng), names, rng)
    regions = find_regions(search, measure, names, int(rng.integers(2**31)))
    log_odds = np.concatenate([classification.truth_log_odds, classification.generated_log_odds])
    columns = dict(zip(names, everything.features.T, strict=True))
    conditions = [name for name in truth.conditions if name in columns]
    sizes = len(truth), len(generated)
    features = _important(found, sizes, truth)
    region = _worst(regions, sizes, truth)
    failures = FailureMap(
        importances=found,
        auc=area,
        regions=regions,
        plane=plane_of((found[0].feature, found[1].feature), columns, everything, log_odds) if len(found) > 1 else None,
        curves=tuple(curve_of(name, columns[name], everything, log_odds) for name in conditions),
        long_names={name: truth.long_names[name] for name in names},
        units={name: truth.units[name] for name in names},
        stands_out=any(finding.p_value is not None and finding.p_value < LEVEL for finding in (features, region)),
    )
    return [features, region], failures


def _table(truth: Sample, generated: Sample) -> tuple[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    """Return observables and conditions in their own units, and their names."""
    names = features_of(truth, generated).names
    return names, (truth.columns(names).astype(np.float64), generated.columns(names).astype(np.float64))


def _halves(events: Events, rng: np.random.Generator) -> tuple[Events, Events]:
    rows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for label in (0, 1):
        some = rng.permutation(np.flatnonzero(events.labels == label))
        rows[0].append(some[: len(some) // 2])
        rows[1].append(some[len(some) // 2 :])
    return events.take(np.concatenate(rows[0])), events.take(np.concatenate(rows[1]))


def _at_most(events: Events, most: int, rng: np.random.Generator) -> Events:
    return events if len(events.labels) <= most else events.take(rng.permutation(len(events.labels))[:most])


def _important(found: tuple[Importance, ...], sizes: tuple[int, int], truth: Sample) -> Finding:
    """Return the most significant feature; its p-value is corrected for all features (Bonferroni)."""
    best = min(found, key=lambda one: (one.p_value, -one.drop))
    p_value = min(1.0, len(found) * best.p_value)
    title = truth.long_names[best.feature]
    title = title[:1].upper() + title[1:]
    if title.lower() != best.feature.replace("_", " ").lower():
        title = f"{title} ({best.feature})"
    drop, alone = with_error(best.drop, best.drop_error), with_error(best.alone, best.alone_error)
    if p_value < LEVEL and best.alone - 0.5 > 2 * best.alone_error:
        shuffled = f"and shuffling it between events lowers the AUC of boosted trees by {drop}"
        if best.drop < 2 * best.drop_error:
            shuffled = "while boosted trees on all features lose nothing beyond errors when it is shuffled"
        sentence = (
            f"{title} separates generated events: by itself it tells them from {truth.label} with an AUC of {alone}, "
            f"{shuffled}."
        )
    elif p_value < LEVEL:
        sentence = (
            f"{title} separates generated events together with other features: shuffling it between events lowers the "
            f"AUC of boosted trees by {drop}, although by itself it reaches only an AUC of {alone}."
        )
    else:
        sentence = (
            f"No single feature is significant: of {len(found)}, {title} comes closest, "
            f"with an AUC of {alone} by itself and a loss of {drop} when it is shuffled."
        )
    return Finding.of(
        "important_feature",
        best.feature,
        (best.alone, best.alone_error, 0.5, 0.0, p_value),
        sizes,
        sentence,
        details={"drop": best.drop, "drop_error": best.drop_error, "features": len(found)},
    )


def _worst(regions: tuple[Region, ...], sizes: tuple[int, int], truth: Sample) -> Finding:
    if not regions:
        sentence = "No region with too few or too many generated events was found."
        return Finding.of("worst_region", "observables", (1.0, 0.0, 1.0, 0.0, 1.0), sizes, sentence)
    worst = regions[0]
    share = with_error(worst.truth_share, worst.truth_error, "%")
    where = f"Where {in_words(worst, truth.units, truth.long_names)} ({share} of {truth.label})"
    if worst.p_value < LEVEL:
        sentence = f"{where} generated events are {_times(worst)}."
    else:
        sentence = (
            f"The most suspicious region in one half of the events is not significant in the other: "
            f"{where.replace('Where', 'where', 1)} there are {with_error(worst.ratio, worst.ratio_error)} times as "
            "many generated events as there should be."
        )
    return Finding.of(
        "worst_region",
        "observables",
        (worst.ratio, worst.ratio_error, 1.0, 0.0, worst.p_value),
        sizes,
        sentence,
        region=in_words(worst, truth.units, truth.long_names),
        details={
            "truth_share": worst.truth_share,
            "truth_share_error": worst.truth_error,
            "events_in_it": [worst.n_truth, worst.n_generated],
            "bounds": [[bound.feature, bound.low, bound.high] for bound in worst.bounds],
        },
    )


def in_words(region: Region, units: Mapping[str, str], long_names: Mapping[str, str]) -> str:
    """Return a region in words, with units; features by their long names if these are short enough."""
    said = []
    for bound in region.bounds:
        words = replace(bound, feature=_spoken(bound.feature, long_names)).words
        unit = units.get(bound.feature, "1")
        said.append(words if unit == "1" else f"{words} {unit}")
    return " and ".join(said)


def _spoken(feature: str, long_names: Mapping[str, str]) -> str:
    long_name = long_names.get(feature, feature)
    if len(long_name) > LONGEST_NAME:
        return feature.replace("_", " ")
    # No capital within a sentence, but for names such as W1.
    return long_name[:1].lower() + long_name[1:] if long_name[1:2].islower() else long_name


def _times(region: Region) -> str:
    if region.ratio >= 1:
        return f"{with_error(region.ratio, region.ratio_error)} times as frequent as they should be"
    return f"too rare: {with_error(region.ratio, region.ratio_error)} times the truth's share"
