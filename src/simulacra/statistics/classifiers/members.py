r"""Who is trained on what: the members of a classifier two-sample test, and which events each of them judges.

*Cross-validation.* The events are cut into folds, once for each repetition; a member for each fold is trained on the
events outside it and judges those inside. So each event is judged, by classifiers that have not seen it.

*Growing.* Cross-validation is no basis for a p-value: an event that is judged by one member has trained the others, so
the folds' scores are correlated, and a permutation of the labels of judged events alone (which ignores that) calls
equal samples different too often. For a score that is linear in the training labels the sum over folds counts each pair
of folds twice, and its variance is up to twice what the permutation says. The growing members count each pair once:
member k is trained on the folds before fold k and judges fold k. Given the past, the labels of fold k are exchangeable
under the null, so the members' rank sums are those of independent random labels, whatever the classifier. The last
growing member is one of the cross-validation; the others cost little, for they are trained on less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Member:
    """One classifier's events.

    Attributes
    ----------
    training:
        rows that it learns from, (n,), in random order.
    held_out:
        rows that it judges, (h,).
    validation:
        rows that tell when to stop, (v,), the first of ``held_out``; a part of ``training`` is taken if None.
    """

    training: np.ndarray
    held_out: np.ndarray
    validation: np.ndarray | None = None

    def parts(self, validation_share: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows to train on and those to validate with."""
        if self.validation is not None:
            return self.training, self.validation
        n = max(1, round(validation_share * len(self.training)))
        return self.training[n:], self.training[:n]


@dataclass(frozen=True)
class Plan:
    """The members of a two-sample test.

    Attributes
    ----------
    folds:
        number of the fold of each event in each repetition, (R, N).
    members:
        those of the cross-validation, one repetition and in it one fold after the other; then further growing ones.
    growing:
        places of the growing members in ``members``, by the number of folds that they are trained on.
    """

    folds: np.ndarray
    members: tuple[Member, ...]
    growing: tuple[int, ...]

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def cross_validated(self, scores: list[np.ndarray]) -> np.ndarray:
        """Return the out-of-fold scores, (R, N), of all members' scores."""
        gathered = np.zeros(self.folds.shape)
        for number in range(len(self.folds) * self.n_folds):
            gathered[number // self.n_folds, self.members[number].held_out] = scores[number]
        return gathered


def cross_validation(labels: np.ndarray, folds: int, repetitions: int, rng: np.random.Generator) -> Plan:
    """Return a plan whose folds hold as many events of either label, (N,), but for one.

    Raises
    ------
    ValueError
        if there are fewer than two events of each sample a fold.
    """
    counts = np.bincount(labels, minlength=2)
    if folds < 2 or min(counts) < 2 * folds:
        raise ValueError(
            f"{folds} folds (2 at least) need {2 * folds} events of each sample at least, "
            f"not {counts[0]} and {counts[1]}"
        )
    fold = np.stack([_stratified(labels, folds, rng) for _ in range(repetitions)])
    members = [
        Member(rng.permutation(np.flatnonzero(row != k)), np.flatnonzero(row == k))
        for row in fold
        for k in range(folds)
    ]
    growing = []
    for k in range(1, folds - 1):
        growing.append(len(members))
        members.append(Member(rng.permutation(np.flatnonzero(fold[0] < k)), np.flatnonzero(fold[0] == k)))
    growing.append(folds - 1)
    return Plan(fold, tuple(members), tuple(growing))


def single_split(
    labels: np.ndarray, shares: tuple[float, float], rng: np.random.Generator
) -> tuple[Member, np.ndarray]:
    """Return a member trained on the first share of either label and validated on the second, and the third's rows.

    The CaloChallenge's split: the second part chooses the epoch and calibrates, the third part alone is quoted. The
    member judges both.
    """
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum(shares) * len(rows)).astype(int)
        for part, some in zip(parts, np.split(rows, ends), strict=True):
            part.append(some)
    if min(len(some) for part in parts for some in part) < 2:
        raise ValueError(f"a split into three parts needs more than {len(labels)} events")
    training, validation, judged = (rng.permutation(np.concatenate(part)) for part in parts)
    return Member(training, np.concatenate([validation, judged]), validation), judged


def _stratified(labels: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return a fold for each event, (N,), with as many of either label in each, but for one."""
    fold = np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        fold[rows] = rng.permutation(np.arange(len(rows)) % folds)
    return fold
