r"""The members of a classifier two-sample test, with the training and test events of each.

*Cross-validation.* The events are divided into folds once per repetition. One member per fold is trained on the events
outside it and judges those inside. Each event is therefore judged by classifiers that were not trained on it.

*Growing.* Cross-validation gives no valid p-value. An event judged by one member has trained the others, so the folds'
scores are correlated, and a permutation of the labels of judged events, which ignores this, calls equal samples
different too often. For a score that is linear in the training labels, the sum over folds counts each pair of folds
twice, and its variance is up to twice that of the permutation. The growing members count each pair once: member k is
trained on the folds before fold k and judges fold k. Given these, the labels of fold k are exchangeable under the null
hypothesis, so the members' rank sums are those of independent random labels for any classifier. The last growing member
is one of the cross-validation; the others take little time, because they are trained on fewer events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Member:
    """The events of one classifier.

    Attributes
    ----------
    training:
        rows for training, (n,), in random order.
    held_out:
        rows to judge, (h,).
    validation:
        rows for early stopping, (v,), the first of ``held_out``; a part of ``training`` if None.
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
        those of the cross-validation, by repetition and fold; then further growing ones.
    growing:
        positions of the growing members in ``members``, by the number of their training folds.
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


def cross_validation(
    labels: np.ndarray, folds: int, repetitions: int, rng: np.random.Generator, *, paired: bool = False
) -> Plan:
    """Return a plan whose folds have equal numbers of events of each label, (N,), up to one.

    Parameters
    ----------
    paired:
        whether the events of both labels are pairs in their order, such as of equal conditions: both of a pair are then
        in one fold. Otherwise a classifier that knows one of them from training takes the other for it.

    Raises
    ------
    ValueError
        if there are fewer than two events of each sample per fold, or pairs of different numbers.
    """
    counts = np.bincount(labels, minlength=2)
    if folds < 2 or min(counts) < 2 * folds:
        raise ValueError(
            f"{folds} folds (at least 2) need at least {2 * folds} events of each sample, "
            f"not {counts[0]} and {counts[1]}"
        )
    if paired and counts[0] != counts[1]:
        raise ValueError(f"{counts[0]} and {counts[1]} events are no pairs")
    fold = np.stack([_stratified(labels, folds, rng, paired) for _ in range(repetitions)])
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
    """Return a member trained on the first part of each label and validated on the second, and the rows of the third.

    The CaloChallenge's split: the second part chooses the epoch and calibrates, and only the third part is quoted. The
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


def _stratified(labels: np.ndarray, folds: int, rng: np.random.Generator, paired: bool) -> np.ndarray:
    """Return a fold for each event, (N,), with equal numbers of each label, up to one."""
    fold = np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        if label and paired:
            fold[rows] = fold[labels == 0]
        else:
            fold[rows] = rng.permutation(np.arange(len(rows)) % folds)
    return fold
