"""Pseudo-experiments: whether a fit is unbiased, and whether its intervals contain the truth as often as they should.

The error of a bias is the scatter over the square root of the number of experiments, as for independent experiments.
Samples cut from one pool are disjoint. A common reference sample moves all estimates together, by at most the
reference's share of each interval; the error given here does not include this.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings as python_warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.journal import Journal
from simulacra.fits.result import Fit
from simulacra.fits.uncertainty import CENTRAL

Drawn = TypeVar("Drawn")
Progress = Callable[[str, float], None]

LEAST: Final = 2
"""Fewest experiments with a scatter."""


@dataclass(frozen=True)
class ParameterCoverage:
    """Bias, scatter and coverage of a fit for one parameter.

    Attributes
    ----------
    name:
        of the parameter.
    experiments, failed:
        numbers of fits with and without a result.
    bias, bias_error:
        mean of estimate minus truth, in the parameter's unit.
    bias_percent, bias_percent_error:
        the same in % of the truth's mean; NaN if that is 0.
    scatter, mean_error:
        standard deviation of estimate minus truth, and the mean of the fits' errors.
    pull_mean, pull_mean_error, pull_width, pull_width_error:
        of (estimate - truth) / error; 0 and 1 are ideal.
    coverage, coverage_low, coverage_high:
        share of the 68.3 % intervals that contain the truth, and its 68.3 % Clopper-Pearson interval. A failed fit
        counts as an interval that misses.
    """

    name: str
    experiments: int
    failed: int
    bias: float
    bias_error: float
    bias_percent: float
    bias_percent_error: float
    scatter: float
    mean_error: float
    pull_mean: float
    pull_mean_error: float
    pull_width: float
    pull_width_error: float
    coverage: float
    coverage_low: float
    coverage_high: float


@dataclass(frozen=True)
class Coverage:
    """The results of T successful pseudo-experiments.

    Attributes
    ----------
    parameters:
        names, (F,).
    truths, estimates, errors:
        (T, F), in the parameters' units.
    intervals:
        (T, F, 2): low and high end.
    failures:
        the error message of each failed experiment, by its number.
    warned:
        number of fits that warned.
    """

    parameters: tuple[str, ...]
    truths: np.ndarray
    estimates: np.ndarray
    errors: np.ndarray
    intervals: np.ndarray
    failures: Mapping[int, str]
    warned: int

    @property
    def pulls(self) -> np.ndarray:
        """(estimate - truth) / error, (T, F)."""
        pulls: np.ndarray = (self.estimates - self.truths) / self.errors
        return pulls

    def of(self, name: str) -> ParameterCoverage:
        """Return the summary of one parameter.

        Raises
        ------
        ValueError
            if there is no such parameter, or there are fewer than two experiments.
        """
        if name not in self.parameters:
            raise ValueError(f"'{name}' was not fitted; the parameters are {', '.join(self.parameters)}")
        count = len(self.estimates)
        if count < LEAST:
            raise ValueError(f"{count} pseudo-experiments gave a result; a bias and its error need {LEAST}")
        p = self.parameters.index(name)
        off = self.estimates[:, p] - self.truths[:, p]
        bias, bias_error = float(off.mean()), float(off.std(ddof=1) / math.sqrt(count))
        truth = float(self.truths[:, p].mean())
        percent = 100 / abs(truth) if truth else math.nan
        pull = self.pulls[:, p]
        width = float(pull.std(ddof=1))
        low, high = self.intervals[:, p, 0], self.intervals[:, p, 1]
        inside = int(np.sum((low <= self.truths[:, p]) & (self.truths[:, p] <= high)))
        tried = count + len(self.failures)
        return ParameterCoverage(
            name=name,
            experiments=count,
            failed=len(self.failures),
            bias=bias,
            bias_error=bias_error,
            bias_percent=bias * percent,
            bias_percent_error=bias_error * percent,
            scatter=float(off.std(ddof=1)),
            mean_error=float(self.errors[:, p].mean()),
            pull_mean=float(pull.mean()),
            pull_mean_error=width / math.sqrt(count),
            pull_width=width,
            pull_width_error=width / math.sqrt(2 * (count - 1)),
            coverage=inside / tried,
            coverage_low=clopper_pearson(inside, tried)[0],
            coverage_high=clopper_pearson(inside, tried)[1],
        )

    def to_json(self) -> dict[str, Any]:
        """Return results and summaries as plain JSON values."""
        return {
            "parameters": list(self.parameters),
            "truths": self.truths.tolist(),
            "estimates": self.estimates.tolist(),
            "errors": self.errors.tolist(),
            "intervals": self.intervals.tolist(),
            "failures": {str(number): said for number, said in self.failures.items()},
            "warned": self.warned,
            "summaries": [_plain(self.of(name)) for name in self.parameters],
        }


def _plain(summary: ParameterCoverage) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in vars(summary).items()
    }


def clopper_pearson(inside: int, tried: int, content: float = CENTRAL) -> tuple[float, float]:
    """Return the exact binomial interval of a share, which contains the true share at least that often.

    Raises
    ------
    ValueError
        if ``tried`` is 0 or ``inside`` is larger.
    """
    from scipy.stats import beta

    if not 0 <= inside <= tried or tried == 0:
        raise ValueError(f"{inside} of {tried} is not a share")
    tail = (1 - content) / 2
    low = 0.0 if inside == 0 else float(beta.ppf(tail, inside, tried - inside + 1))
    high = 1.0 if inside == tried else float(beta.ppf(1 - tail, inside + 1, tried - inside))
    return low, high


def disjoint_samples(pool: int, size: int, *, seed: int, samples: int | None = None) -> list[np.ndarray]:
    """Return the positions, (size,) each, of samples cut from a pool of events without overlap.

    Raises
    ------
    ValueError
        if the pool is too small.
    """
    most = pool // size if size > 0 else 0
    wanted = most if samples is None else samples
    if wanted < 1 or wanted > most:
        raise ValueError(
            f"a pool of {pool} events holds {most} disjoint samples of {size}, not {max(wanted, 1)}; "
            "make more events, or smaller or fewer samples"
        )
    shuffled = np.random.default_rng(seed).permutation(pool)
    return [np.sort(shuffled[i * size : (i + 1) * size]) for i in range(wanted)]


def pseudo_experiments(
    fit_one: Callable[[Drawn], Fit],
    samples: Sequence[Drawn],
    truths: Mapping[str, float] | Sequence[Mapping[str, float]],
    *,
    journal: Path | None = None,
    run: Mapping[str, Any] | None = None,
    workers: int = 1,
    scheduler: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Coverage:
    """Fit each sample and compare with its truth.

    Parameters
    ----------
    fit_one:
        fits one sample.
    samples:
        one per experiment, disjoint; of any type that ``fit_one`` takes.
    truths:
        the true parameters, by name, the same for all samples or one set per sample.
    journal:
        file for the results of each experiment; a run with the same file continues from them.
    run:
        what must be the same to continue: settings, seeds and hashes of the inputs, as JSON values.
    workers:
        processes; with more than one, ``fit_one`` and the samples are pickled.
    scheduler:
        a Dask cluster in the place of the processes (:func:`simulacra.campaigns.executor_for`); ``fit_one`` travels
        with each sample, so it should hold the names of large files and not their events.
    progress:
        called with a sentence and the share that is done.

    Raises
    ------
    ValueError
        if there are no samples, or the number of truths differs.
    FitError
        if the journal belongs to another run, more than half of the fits failed, or a fit raised something else than
        a ``FitError`` in another process.
    """
    if not samples:
        raise ValueError("there are no samples to fit; give at least two")
    each = [truths] * len(samples) if isinstance(truths, Mapping) else list(truths)
    if len(each) != len(samples):
        raise ValueError(f"{len(each)} truths for {len(samples)} samples")
    told = [{name: float(value) for name, value in truth.items()} for truth in each]
    kept = None if journal is None else Journal(journal, {"truths": told, **dict(run or {})})
    results: dict[int, dict[str, Any]] = {} if kept is None else dict(kept.done)
    missing = [
        _Experiment(number, sample, truth)
        for number, (sample, truth) in enumerate(zip(samples, told, strict=True))
        if number not in results
    ]
    with contextlib.closing(_fitted(fit_one, missing, workers, scheduler)) as fitted:
        if missing:
            _tell(progress, len(results), len(samples))
        for number, result in fitted:
            results[number] = result
            if kept is not None:
                kept.add(number, result)
            if len(results) < len(samples):
                _tell(progress, len(results), len(samples))
    if progress is not None:
        progress("pseudo-experiments are done", 1.0)
    return _collected([results[number] for number in range(len(samples))])


def _tell(progress: Progress | None, done: int, of: int) -> None:
    if progress is not None:
        progress(f"pseudo-experiment {done + 1} of {of}", done / of)


@dataclass(frozen=True, eq=False)
class _Experiment:
    number: int
    sample: Any
    truth: dict[str, float]

    def __str__(self) -> str:
        return f"pseudo-experiment {self.number}"


@dataclass(frozen=True)
class _FitOne:
    """Fits one experiment (picklable if ``fit_one`` is, for other processes)."""

    fit_one: Callable[[Any], Fit]

    def __call__(self, experiment: _Experiment) -> dict[str, Any]:
        return _result(self.fit_one, experiment.sample, experiment.truth)


def _fitted(
    fit_one: Callable[[Any], Fit],
    experiments: Sequence[_Experiment],
    workers: int,
    scheduler: str | os.PathLike[str] | None,
) -> Generator[tuple[int, dict[str, Any]]]:
    """Yield number and result of each experiment."""
    task = _FitOne(fit_one)
    if scheduler is None and workers == 1:
        for experiment in experiments:
            yield experiment.number, task(experiment)
        return
    from simulacra.campaigns import executor_for
    from simulacra.store.executors import executor_of
    from simulacra.store.workers import ChunkError

    try:
        with (
            executor_for(scheduler, workers) as found,
            contextlib.closing(executor_of(found).run(task, experiments)) as done,
        ):
            for experiment, result in done:
                yield experiment.number, result
    except ChunkError as failure:
        raised = FitError(f"{failure.chunk} failed: {failure}")
        if failure.trace:
            raised.add_note(failure.trace)
        raise raised from failure


def _result(fit_one: Callable[[Drawn], Fit], sample: Drawn, truth: Mapping[str, float]) -> dict[str, Any]:
    """Return the result of one experiment as JSON values."""
    try:
        with python_warnings.catch_warnings():
            # The fit holds its warnings itself; a hundred of the same on the screen help nobody.
            python_warnings.simplefilter("ignore", FitWarning)
            fit = fit_one(sample)
    except FitError as error:
        return {"failure": str(error)}
    missing = [name for name in fit.parameters if name not in truth]
    if missing:
        raise ValueError(f"the truth of {', '.join(missing)} is not given")
    return {
        "parameters": list(fit.parameters),
        "truth": [truth[name] for name in fit.parameters],
        "estimate": list(fit.values.values()),
        "error": list(fit.errors.values()),
        "interval": [list(interval) for interval in fit.intervals.values()],
        "warnings": list(fit.warnings),
    }


def _collected(results: Sequence[Mapping[str, Any]]) -> Coverage:
    failures = {number: str(result["failure"]) for number, result in enumerate(results) if "failure" in result}
    answers = [result for result in results if "failure" not in result]
    if 2 * len(failures) > len(results):
        number, said = next(iter(failures.items()))
        raise FitError(f"{len(failures)} of {len(results)} fits failed; number {number} says: {said}")
    names = tuple(answers[0]["parameters"])
    if any(tuple(answer["parameters"]) != names for answer in answers):
        raise ValueError("the fits have different free parameters; fit the same ones in all experiments")
    truths, estimates, errors, intervals = (
        np.array([answer[key] for answer in answers]) for key in ("truth", "estimate", "error", "interval")
    )
    return Coverage(
        names, truths, estimates, errors, intervals, failures, sum(bool(answer["warnings"]) for answer in answers)
    )
