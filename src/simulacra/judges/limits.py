r"""The limits that events of every kind are held against, with the reason for each, and the uses that set them.

A full stand-in may be told from the truth as rarely by its observables as by its cells, values or particles. With the
densities t and g of truth and generated events, the total variation

.. math:: V = \sup_S |T(S) - G(S)| = \max_x (\mathrm{TPR}(x) - x)

is the most by which the efficiency of any selection S, on anything that the classifier sees, can be wrong, and the
share of events that would have to be replaced. The best classifier's ROC curve is concave and passes a point V above
the diagonal, so that its area a is at least (1 + V) / 2: :math:`V \le 2 a - 1`. Where the log ratio is Gaussian, as for
many small differences, :math:`V = 2 \Phi(\Phi^{-1}(a) / \sqrt 2) - 1`.
"""

from __future__ import annotations

from typing import Final

from simulacra.judges.criteria import Criterion, Use


def largest_efficiency_error(auc: float) -> float:
    """Return the most by which any selection's efficiency can be wrong where the best classifier has this AUC."""
    return max(0.0, 2 * auc - 1)


def gaussian_total_variation(auc: float) -> float:
    """Return the share of events to be replaced where the log ratio of the densities is Gaussian, for an AUC."""
    from scipy.stats import norm

    return max(0.0, float(2 * norm.cdf(norm.ppf(auc) / 2**0.5) - 1))


#: of the best classifier, on whatever it looks at
FULL_STAND_IN_AUC: Final = 0.60

_AUC_REASON: Final = (
    "At an AUC of 0.60 of the best classifier no selection's efficiency is wrong by more than 20 "
    "percentage points, and about 14 % of the events would have to be replaced (7 % at 0.55, 37 % at "
    "0.75). The best generators published for the CaloChallenge reach 0.53 to 0.63. The limit is the same"
    " whatever the classifier looks at, for a difference in correlations of observables is worth as much "
    "as one in cells."
)

_SHAPES: Final = Criterion(
    "wasserstein_distance",
    (),
    "Worst observable, W₁ in σ",
    0.10,
    "1",
    "Look at the histograms of the worst observables: cuts on them have other efficiencies on generated events. Train "
    "longer, or correct them with weights from a classifier.",
    reason=(
        "A shift of 0.1 standard deviations moves at most 4 % of the events of a Gaussian across any cut on "
        "that observable: as much as the uncertainties that selection efficiencies usually carry."
    ),
)


def area(observables: tuple[str, ...], title: str, advice: str) -> Criterion:
    """Return the limit on the best classifier's AUC, on what these classifiers look at."""
    return Criterion(
        "classifier_auc", observables, title, FULL_STAND_IN_AUC, "1", advice, reason=_AUC_REASON, biased=False
    )


_AUC_OBSERVABLES: Final = area(
    ("observables (trees)", "observables (perceptron)"),
    "AUC on observables, better classifier",
    "Do not feed generated events to multivariate methods that are trained on the truth: single distributions may "
    "agree where their correlations do not.",
)
_CONDITIONS: Final = Criterion(
    "conditional_wasserstein_distance",
    (),
    "Worst bin of a condition, W₁ in σ",
    0.30,
    "1",
    "Keep out of the bins of the condition that stand out below, or train on with more events there: the distributions "
    "over all conditions hide what happens in a part of them.",
    reason=(
        "A bin holds about a sixth of the events, so that 0.3 standard deviations in it move the distribution over all "
        "by 0.05, half of the limit there. Of the bin's events at most 12 % cross any cut on that observable, 2 % of "
        "all. Of 2,500 truth events the worst of 180 bins of observables lies 0.2 from others by chance alone."
    ),
)
_MODES: Final = Criterion(
    "lost_modes",
    (),
    "Truth in lost modes",
    0.02,
    "%",
    "Some of what the truth does is not generated at all, and no weights bring it back: train on with a family that "
    "does not lose modes, or with more noise and a larger batch; choose the checkpoint by the alarm of the modes.",
    reason=(
        "What is missing is missing for good, since weights cannot bring it back: a share of 2 % is what an "
        "efficiency of 98 % known without error would leave."
    ),
)
_DIVERSITY: Final = Criterion(
    "missing_diversity",
    (),
    "Diversity missing at fixed condition",
    0.10,
    "%",
    "Generated events of one condition are too much alike: their number stands for more than they tell. Train on with "
    "minibatch discrimination or a family with a likelihood.",
    reason=(
        "Events that are a tenth too alike understate the spread, and so the errors that are taken from it, "
        "by about that much."
    ),
    biased=False,
)
_COPIES: Final = Criterion(
    "copies_of_training",
    (),
    "Copies of training events",
    0.01,
    "%",
    "Events were learned by heart: the generated sample is worth no more than the training sample. Stop earlier, make "
    "the networks smaller, or train on more events.",
    reason=("A copy adds nothing to the training sample: of 1 % copies the error of a mean grows by less than 1 %."),
    biased=False,
)

_COMMON: Final = (_SHAPES, _CONDITIONS, _MODES, _COPIES)


def uses_of(
    whole: str, *areas: Criterion, selections: tuple[Criterion, ...] = (), full: tuple[Criterion, ...] = ()
) -> tuple[Use, ...]:
    """Return the two uses that events of every kind have: selections on single observables, and a full stand-in.

    Parameters
    ----------
    whole:
        how a full stand-in is compared, such as "value by value".
    areas:
        limits on classifiers of all that an event holds.
    selections, full:
        what a kind asks of the one and of the other before anything else.
    """
    return (
        Use("shapes", "selections on single observables", (*selections, *_COMMON)),
        Use("cells", f"a full stand-in, {whole}", (*full, *_COMMON, _AUC_OBSERVABLES, _DIVERSITY, *areas)),
    )
