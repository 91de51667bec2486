"""Judge generated events, given as events, arrays, files or a generator."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.judges.case import SamplesEvents
    from simulacra.judges.learning_curves import LearningCurves
    from simulacra.judges.verdict import Verdict
    from simulacra.progress import Progress
    from simulacra.statistics.classifiers.classifier import TrainingProtocol

    #: events, plain arrays, or a store or file of events
    Given = xr.Dataset | np.ndarray | Mapping[str, np.ndarray] | str | os.PathLike[str]


def judge(
    truth: Given,
    generated: Given,
    *,
    train: xr.Dataset | str | os.PathLike[str] | None = None,
    members: Sequence[xr.Dataset] = (),
    generator: SamplesEvents | None = None,
    use: str = "cells",
    hold_out: str | None = None,
    n_train: int | None = None,
    learning_curves: LearningCurves | None = None,
    protocol: TrainingProtocol = "cross-validation",
    seed: int = 0,
    max_events: int = 50_000,
    cell_threshold: float = 0.01,
    scheduler: str | os.PathLike[str] | None = None,
    progress: Progress | bool = True,
) -> Verdict:
    """Judge generated events against the truth.

    Parameters
    ----------
    truth:
        events; plain arrays, (events, features) or (events, ...), or arrays by name; or a store or a file.
    generated:
        the same, or a generator (shipped name, run folder, model file), which then draws events at the truth's
        conditions.
    train:
        true events that the generator was trained on, or their store or file: needed to judge memorisation; as further
        truth they sharpen what truth against truth scores.
    members:
        events of further generators, trained alike from other seeds: with them the model's uncertainty is judged.
    generator:
        the generator, for scans at fixed noise and extrapolation.
    use:
        the stated use: "energy", "shapes" or "cells".
    hold_out:
        a band of a condition, such as "incident_energy:30:50", that the generator was not trained on.
    n_train:
        number of true events that the generator was trained on, if it is not that of ``train``.
    learning_curves:
        of the training, for the report.
    protocol:
        of the perceptrons: "cross-validation" or "calochallenge".
    seed:
        of all random numbers.
    max_events:
        largest number of events of each sample, chosen at random.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    scheduler:
        a Dask cluster that draws the events of a generator (:func:`simulacra.campaigns.executor_for`):
        "tcp://HOST:PORT", "local", or a settings file. The judges run in this process.
    progress:
        whether to show a progress bar, or a function that is called with each step and the completed share.

    Returns
    -------
    simulacra.judges.Verdict
        to be written as a page by ``simulacra.reports.write(verdict, folder)``.

    Raises
    ------
    simulacra.judges.JudgeError
        if the samples cannot be compared, or there are too few events.
    simulacra.events.EventsError
        if a sample breaks the conventions (NaN, negative energies).

    Examples
    --------
    >>> import numpy as np, simulacra
    >>> rng = np.random.default_rng(1)
    >>> verdict = simulacra.judge(rng.normal(size=(400, 2)), rng.normal(1, 1, size=(400, 2)), seed=1)
    >>> verdict.headline
    'FAIL: not good enough for a full stand-in, all features together.'
    """
    from simulacra.formats import read
    from simulacra.judges.judging import judge as judge_events
    from simulacra.judges.plain_arrays import as_events
    from simulacra.progress import step_progress
    from simulacra.workflows.judged_events import judged_of

    seed, max_events = whole_number(seed, "the seed"), whole_number(max_events, "the largest number of events", 1)
    true = as_events(read(truth) if isinstance(truth, str | os.PathLike) else truth, "truth")
    own: dict[str, Any] = {"members": members, "generator": generator, "learning_curves": learning_curves}
    if isinstance(generated, str | os.PathLike):
        found = judged_of(
            true,
            os.fspath(generated),
            read,
            generator=None,
            hold_out=hold_out,
            most=max_events,
            seed=seed,
            scheduler=scheduler,
        )
        generated = found.events
        own = found.options() | {name: value for name, value in own.items() if value}
    with contextlib.ExitStack() as stack:
        shown = progress if callable(progress) else stack.enter_context(step_progress("judging", show=progress))
        return judge_events(
            true,
            generated,
            train=read(train) if isinstance(train, str | os.PathLike) else train,
            use=use,
            hold_out=hold_out,
            n_train=n_train,
            protocol=protocol,
            seed=seed,
            max_events=max_events,
            cell_threshold=cell_threshold,
            progress=shown,
            **own,
        )
