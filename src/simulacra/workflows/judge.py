"""Judge generated events, given as events, arrays, files or a generator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.judges.verdict import Verdict

    #: events, plain arrays, or a store or file of events
    Sample = xr.Dataset | np.ndarray | Mapping[str, np.ndarray] | str | os.PathLike[str]


def judge(truth: Sample, generated: Sample, **options: Any) -> Verdict:
    """Judge generated events against the truth.

    Parameters
    ----------
    truth:
        events; plain arrays, (events, features) or (events, ...), or arrays by name; or a store or a file.
    generated:
        the same, or a generator (shipped name, run folder, model file), which then draws events at the truth's
        conditions.
    options:
        those of :func:`simulacra.judges.judging.judge`: ``use``, ``train``, ``hold_out``, ``seed``,
        ``max_events`` and others.

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
    from simulacra.workflows.judged_events import judged_of

    true = read(truth) if isinstance(truth, str | os.PathLike) else truth
    if isinstance(train := options.get("train"), str | os.PathLike):
        options["train"] = read(train)
    if not isinstance(generated, str | os.PathLike):
        return judge_events(true, generated, **options)
    from simulacra.judges.plain_arrays import as_events

    found = judged_of(
        as_events(true, "truth"),
        os.fspath(generated),
        read,
        generator=None,
        hold_out=options.get("hold_out"),
        most=options.get("max_events", 50_000),
        seed=options.get("seed", 0),
    )
    return judge_events(true, found.events, **{**found.options(), **options})
