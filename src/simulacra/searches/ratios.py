"""How much denser a signal region is at each of its stars than its side bands promise, by methods of the literature.

Every star is scored by models that have not seen it: the stars are divided into folds. The stars' own fluctuations then
do not raise their scores.

* ``flows``: the ratio of two flows (ANODE, arXiv:2001.04990; Via Machinae, arXiv:2104.12789).
* ``cwola``: a classifier of stars in the signal region against those in the side bands, which does not see the searched
  proper motion (arXiv:2305.03761).
* ``cathode``: a classifier of stars in the signal region against stars drawn from the flow of the side bands at the
  region's proper motions (arXiv:2109.00546).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from simulacra.searches.regions import Region
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch

    from simulacra.models.density_ratio import DensityRatio

Method = Literal["flows", "cwola", "cathode"]

#: share of the training stars that decides when training stops
HELD_OUT: Final = 0.2
#: steps between two looks at the held-out stars
LOOK: Final = 25
#: stars that CATHODE draws for each star of the region
DRAWN: Final = 4
LARGEST_GRADIENT: Final = 5.0


class RatioSettings(CheckedSettings):
    """How ratios are learned.

    ``retrainings`` models of each fold, with other initial weights and held-out stars, give the mean of their ln R.
    ``steps``, ``batch_size``, ``learning_rate``, ``transforms``, ``bins`` and ``width`` are those of each flow.
    """

    method: Method = "flows"
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    retrainings: Annotated[int, Field(ge=1, le=50)] = 3
    steps: Annotated[int, Field(ge=1)] = 200
    batch_size: Annotated[int, Field(ge=1)] = 512
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    transforms: Annotated[int, Field(ge=1)] = 2
    bins: Annotated[int, Field(ge=2)] = 8
    width: Annotated[int, Field(ge=1)] = 32


@dataclass(frozen=True)
class Scored:
    """Scores of the stars of a region.

    Attributes
    ----------
    rows:
        places of the region's stars in the table, (N,).
    scores:
        ln R of each, the mean over the retrainings, (N,).
    by_retraining:
        the same by each retraining alone, (retrainings, N).
    """

    rows: np.ndarray
    scores: np.ndarray
    by_retraining: np.ndarray


def cross_fitted(
    inputs: np.ndarray,
    positions: int,
    motion: np.ndarray,
    region: Region,
    settings: RatioSettings,
    seed: int,
    tell: Callable[[float], None] | None = None,
) -> Scored:
    """Score the stars of a region by models that were trained on other stars.

    Parameters
    ----------
    inputs:
        (N, F) of all stars, of which the first ``positions`` are positions in the window.
    motion:
        the searched proper motion of each, (N,) [mas/yr].
    seed:
        of folds and initial weights.
    tell:
        called with the completed share.
    """
    rng = np.random.default_rng(seed)
    inside = region.inside(motion)
    fold = rng.integers(settings.folds, size=len(motion))
    rows, scores, done = [], [], 0
    for k in range(settings.folds):
        held, found = np.flatnonzero((fold == k) & inside), []
        for _ in range(settings.retrainings):
            score = _trained(inputs, positions, motion, fold != k, region, settings, int(rng.integers(2**31)))
            found.append(score(inputs[held], motion[held]))
            done += 1
            if tell is not None:
                tell(done / (settings.folds * settings.retrainings))
        rows.append(held)
        scores.append(np.stack(found))
    by_retraining = np.concatenate(scores, axis=1)
    return Scored(np.concatenate(rows), by_retraining.mean(axis=0), by_retraining)


Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _trained(
    inputs: np.ndarray,
    positions: int,
    motion: np.ndarray,
    used: np.ndarray,
    region: Region,
    settings: RatioSettings,
    seed: int,
) -> Score:
    """Return the score of stars by their inputs and proper motions, from a model trained on the ``used`` ones."""
    inside, beside = used & region.inside(motion), used & region.beside(motion)
    if settings.method == "cwola":
        return _classifier(inputs[inside], inputs[beside], seed)
    ratio = _flows(inputs, positions, motion, inside, beside, settings, seed)
    if settings.method == "cathode":
        return _classifier(inputs[inside], _drawn(ratio, np.repeat(motion[inside], DRAWN), seed), seed)

    def score(stars: np.ndarray, at: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            return np.asarray(ratio(torch.as_tensor(stars), _column(at)))

    return score


def _drawn(ratio: DensityRatio, motion: np.ndarray, seed: int) -> np.ndarray:
    """Return stars as the side bands promise them at proper motions (N,), (N, F)."""
    import torch

    with torch.no_grad():
        noise = torch.randn(len(motion), ratio.size, generator=torch.Generator().manual_seed(seed))
        return np.asarray(ratio.background(noise, _column(motion)))


def _column(values: np.ndarray) -> torch.Tensor:
    import torch

    return torch.as_tensor(values, dtype=torch.float32)[:, None]


def _flows(
    inputs: np.ndarray,
    positions: int,
    motion: np.ndarray,
    inside: np.ndarray,
    beside: np.ndarray,
    settings: RatioSettings,
    seed: int,
) -> DensityRatio:
    """Return trained flows of the signal region (not for CATHODE) and of its side bands."""
    import torch

    from simulacra.models.density_ratio import DensityRatio

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ratio = DensityRatio(
            inputs.shape[1], positions, transforms=settings.transforms, bins=settings.bins, width=settings.width
        )
    near = inside | beside
    ratio.fit(torch.as_tensor(inputs[near]), _column(motion[near]))
    if positions:
        # Edges are those of the whole window, not of its stars in these bands.
        ratio.low.copy_(torch.as_tensor(inputs[:, :positions].min(axis=0)))
        ratio.high.copy_(torch.as_tensor(inputs[:, :positions].max(axis=0)))
    rng = np.random.default_rng(seed)
    flows = [(ratio.outside, beside)] + ([(ratio.inside, inside)] if settings.method == "flows" else [])
    for flow, of in flows:
        with torch.no_grad():
            points, context = ratio.points(torch.as_tensor(inputs[of])), ratio.context(_column(motion[of]))
        _fit_flow(flow, points, context, settings, rng)
    return ratio.eval()


def _fit_flow(
    flow: Any, points: torch.Tensor, context: torch.Tensor, settings: RatioSettings, rng: np.random.Generator
) -> None:
    """Fit a flow by maximum likelihood, and keep the weights that are best on held-out stars."""
    import torch

    held = rng.random(len(points)) < HELD_OUT
    train, other = (np.flatnonzero(rows) for rows in (~held, held))
    optimizer = torch.optim.Adam(flow.parameters(), lr=settings.learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    best, kept = np.inf, flow.state_dict()
    for step in range(settings.steps):
        rows = rng.choice(train, min(settings.batch_size, len(train)), replace=False)
        loss = -flow.log_prob(points[rows], context[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        decay.step()
        if step % LOOK == LOOK - 1 or step == settings.steps - 1:
            with torch.no_grad():
                found = -float(flow.log_prob(points[other], context[other]).mean())
            if found < best:
                best, kept = found, {name: one.clone() for name, one in flow.state_dict().items()}
    flow.load_state_dict(kept)


def _classifier(signal: np.ndarray, background: np.ndarray, seed: int) -> Score:
    """Return the log-odds of a classifier of two samples, each of which counts half."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    stars = np.concatenate([signal, background])
    labels = np.repeat([1, 0], [len(signal), len(background)])
    weights = np.repeat([0.5 / len(signal), 0.5 / len(background)], [len(signal), len(background)]) * len(labels)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0, max_iter=200,
        early_stopping=True, n_iter_no_change=15, random_state=seed,
    )  # fmt: skip
    trees.fit(stars, labels, sample_weight=weights)
    return lambda inputs, _: np.asarray(trees.decision_function(inputs))
