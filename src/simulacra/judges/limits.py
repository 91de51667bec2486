r"""The limits for events of every kind, with the reason for each, and the uses with these limits.

A full stand-in has the same limit for classifiers on observables as on cells, values or particles. With the densities t
and g of truth and generated events, the total variation

.. math:: V = \sup_S |T(S) - G(S)| = \max_x (\mathrm{TPR}(x) - x)

is the largest error of the efficiency of any selection S on the classifier's inputs, and the share of events that would
have to be replaced. The best classifier's ROC curve is concave and passes a point V above the diagonal, so its area a
is at least (1 + V) / 2: :math:`V \le 2 a - 1`. If the log ratio is Gaussian, as for many small differences,
:math:`V = 2 \Phi(\Phi^{-1}(a) / \sqrt 2) - 1`.
"""

from __future__ import annotations

from typing import Final

from simulacra.judges.criteria import Criterion, Use

#: of the best classifier, for all inputs
FULL_STAND_IN_AUC: Final = 0.60

_AUC_REASON: Final = (
    "If the best classifier has an AUC of 0.60, no selection efficiency is wrong by more than 20 percentage points, "
    "and about 14 % of the events would have to be replaced (7 % at 0.55, 37 % at 0.75). The best generators "
    "published for the CaloChallenge reach 0.53 to 0.63. The limit is the same for all inputs of the classifier, "
    "because a difference in the correlations of observables matters as much as one in cells."
)

_SHAPES: Final = Criterion(
    "wasserstein_distance",
    (),
    "Worst observable, W₁ in σ",
    0.10,
    "1",
    "Look at the histograms of the worst observables: cuts on them have wrong efficiencies on generated events. Train "
    "longer, or correct them with weights from a classifier.",
    reason=(
        "A shift of 0.1 standard deviations moves at most 4 % of the events of a Gaussian across any cut on that "
        "observable. This is about the usual uncertainty of a selection efficiency."
    ),
)


def area(observables: tuple[str, ...], title: str, advice: str) -> Criterion:
    """Return the limit on the best classifier's AUC for these classifiers."""
    return Criterion(
        "classifier_auc", observables, title, FULL_STAND_IN_AUC, "1", advice, reason=_AUC_REASON, biased=False
    )


_AUC_OBSERVABLES: Final = area(
    ("observables (trees)", "observables (perceptron)"),
    "AUC on observables, better classifier",
    "Do not use generated events in multivariate methods trained on the truth: single distributions may agree while "
    "their correlations do not.",
)
_CONDITIONS: Final = Criterion(
    "conditional_wasserstein_distance",
    (),
    "Worst bin of a condition, W₁ in σ",
    0.30,
    "1",
    "Avoid the bins of the condition marked below, or continue training with more events there: distributions over all "
    "conditions hide differences in a part of them.",
    reason=(
        "A bin holds about a sixth of the events, so a shift of 0.3 standard deviations in one bin moves the whole "
        "distribution by 0.05, half of the limit there. At most 12 % of the bin's events cross any cut on that "
        "observable, 2 % of all events. With 2,500 truth events, the worst of 180 bins of observables differs by 0.2 "
        "by chance alone."
    ),
)
_MODES: Final = Criterion(
    "lost_modes",
    (),
    "Truth in lost modes",
    0.02,
    "%",
    "A part of the truth is not generated at all, and weights cannot bring it back: train with a family that does not "
    "lose modes, or with more noise and a larger batch; choose the checkpoint by the alarm of modes.",
    reason=("Weights cannot bring lost modes back. A loss of 2 % is as large as that from a known efficiency of 98 %."),
)
_DIVERSITY: Final = Criterion(
    "missing_diversity",
    (),
    "Diversity missing at fixed condition",
    0.10,
    "%",
    "Generated events of one condition are too similar: their statistical power is lower than their number. Train with "
    "minibatch discrimination or a family with a likelihood.",
    reason=(
        "If the diversity is a tenth too small, the spread is too small by about a tenth, and so are errors that are "
        "computed from it."
    ),
    biased=False,
)
_COPIES: Final = Criterion(
    "copies_of_training",
    (),
    "Copies of training events",
    0.01,
    "%",
    "Training events were memorised: the generated sample is worth no more than the training sample. Stop earlier, "
    "make the networks smaller, or train on more events.",
    reason=(
        "A copy adds nothing to the training sample. With 1 % of copies, the error of a mean grows by less than 1 %."
    ),
    biased=False,
)

_COMMON: Final = (_SHAPES, _CONDITIONS, _MODES, _COPIES)


def uses_of(
    whole: str, *areas: Criterion, selections: tuple[Criterion, ...] = (), full: tuple[Criterion, ...] = ()
) -> tuple[Use, ...]:
    """Return the two uses for events of every kind: selections on single observables, and a full stand-in.

    Parameters
    ----------
    whole:
        comparison of a full stand-in, such as "value by value".
    areas:
        limits on classifiers of the whole event.
    selections, full:
        further criteria of a kind for the two uses, which come first.
    """
    return (
        Use("shapes", "selections on single observables", (*selections, *_COMMON)),
        Use("cells", f"a full stand-in, {whole}", (*full, *_COMMON, _AUC_OBSERVABLES, _DIVERSITY, *areas)),
    )
