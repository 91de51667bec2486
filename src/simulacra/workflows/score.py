"""Scores of given events: written into a store in constant memory, resumable, and judged."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from simulacra.judges.scored_samples import Scores
    from simulacra.judges.scores import ScoreVerdict
    from simulacra.progress import Progress
    from simulacra.store import Chunk, WriteSummary
    from simulacra.trained import TrainedScore

    #: events or scores, or a store or file of either
    Given = Scores | str | os.PathLike[str]


def score(
    model: str | os.PathLike[str] | TrainedScore,
    events: str | os.PathLike[str] | xr.Dataset,
    output: str | os.PathLike[str],
    *,
    batch_size: int = 8192,
    workers: int = 1,
    device: str = "cpu",
    overwrite: bool = False,
    progress: bool = True,
) -> WriteSummary:
    """Write the score of each event into a store. If interrupted, the same call continues where it stopped.

    The store holds the variable ``score`` and the events' indices, conditions and weights.

    Parameters
    ----------
    model:
        a trained score, or the run folder or model file of one.
    events:
        a store or a file of any known format, or events.
    output:
        the Zarr store to write.
    batch_size:
        events in memory at a time; the scores do not depend on it.
    workers:
        processes; the scores do not depend on it.
    device:
        the device on which torch computes the scores.
    overwrite:
        replace an existing store.
    progress:
        whether to show a progress bar.

    Raises
    ------
    ValueError
        if the model makes no scores, the batch size or the device makes no sense, or the output is the store of the
        events or lies in it.
    simulacra.events.EventsError
        if the events lack a variable that the score depends on, or have it in units that do not convert.
    simulacra.store.StoreError
        if the store cannot be written, or some events cannot be scored, with the chunk and the event.

    Warns
    -----
    ExtrapolationWarning
        if conditions reach outside the trained range.

    Examples
    --------
    With ``SIMULACRA_SYSTEMS=tests/systems/toys``, the folder of ``toy_score``:

    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> experiment = simulacra.systems.scoring_system("toy_score").example(folder)
    >>> lines = simulacra.train(experiment, folder / "run", progress=False)
    >>> summary = simulacra.score(folder / "run", folder / "stars.zarr", folder / "scores.zarr", progress=False)
    >>> simulacra.open_events(folder / "scores.zarr")["score"].dims
    ('event',)
    """
    import xarray as xr

    from simulacra.events import SOURCE
    from simulacra.settings import path_of, whole_number
    from simulacra.store import refuse_source, write_store

    whole_number(batch_size, "the number of events at a time", 1)
    if not isinstance(device, str):
        raise ValueError(f"the device must be a name such as 'cpu' or 'cuda', not {device!r}")  # noqa: TRY004 - likewise
    if not isinstance(events, xr.Dataset | str | os.PathLike):
        raise ValueError(  # noqa: TRY004 - as for any other argument
            f"events to score are a dataset, a store or a file, not {type(events).__name__}"
        )
    trained = load_score(model)
    source = events if isinstance(events, xr.Dataset) else Path(events)
    found = source if isinstance(source, xr.Dataset) else _opened(source, _changed(source))
    if (origin := found.encoding.get(SOURCE)) is not None:
        refuse_source(origin, path_of(output, "the output"))
    needed = trained.looked_at(found)
    if not found.sizes.get("event"):
        raise ValueError("there are no events to score")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        one = trained.scored(found.isel(event=slice(1)))
    trained.warn_of_extrapolation(needed)
    # A device that is not there is refused before the store is started.
    _loaded(str(trained.path), trained.weights_sha256, device)
    if isinstance(source, xr.Dataset) and workers > 1:
        # An open file cannot be sent to another process, so its events are read first.
        source = source[list(dict.fromkeys([*needed, *(name for name in one if name in source)]))].load()
    return write_store(
        output,
        Score(str(trained.path), trained.weights_sha256, device, source),
        n_events=found.sizes["event"],
        chunk_size=batch_size,
        fingerprint={
            "score": trained.name,
            "weights": trained.weights_sha256,
            "events": _digest(source, needed, batch_size),
            **({} if device == "cpu" else {"device": device}),
        },
        workers=workers,
        progress=progress,
        label=trained.name,
        overwrite=overwrite,
        bytes_per_event=one.nbytes,
        contiguous=False,
    )


def load_score(model: str | os.PathLike[str] | TrainedScore) -> TrainedScore:
    """Return a trained score.

    Raises
    ------
    ValueError, CheckpointError
        if there is none, or the model makes something else.
    """
    from simulacra.trained import TrainedModel, TrainedScore, load

    trained = model if isinstance(model, TrainedModel) else load(model)
    if isinstance(trained, TrainedScore):
        return trained
    made = "events" if isinstance(trained, TrainedModel) else "weights"
    raise ValueError(f"'{model}' makes {made}, not scores: give a model whose system makes scores (simulacra systems)")


@dataclass(frozen=True)
class Score:
    """Scores the events of a chunk (picklable, so that processes can be given it).

    ``events`` are a store or file, or the events themselves.
    """

    model: str
    weights_sha256: str
    device: str
    events: Path | xr.Dataset

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the scores of the chunk's events."""
        from simulacra.trained import ExtrapolationWarning

        events = _opened(self.events, _changed(self.events)) if isinstance(self.events, Path) else self.events
        with warnings.catch_warnings():
            # The warning was given once, before the store was started.
            warnings.simplefilter("ignore", ExtrapolationWarning)
            return _loaded(self.model, self.weights_sha256, self.device).scored(
                events.isel(event=slice(chunk.start, chunk.stop))
            )


@functools.lru_cache(maxsize=1)
def _loaded(path: str, weights_sha256: str, device: str) -> TrainedScore:
    trained = load_score(path)
    if trained.weights_sha256 != weights_sha256:
        raise ValueError(f"{path} has changed since the first events were scored: start another store")
    trained.to(device)
    return trained


@functools.lru_cache(maxsize=1)
def _opened(path: Path, changed: int) -> xr.Dataset:  # noqa: ARG001 - a replaced file is opened again
    from simulacra.formats import read

    return read(path)


def _changed(path: Path) -> int:
    """Return the time of the last change of a store or a file; 0 if it is missing, which the reader reports."""
    place = path / "zarr.json" if path.is_dir() else path
    return place.stat().st_mtime_ns if place.exists() else 0


def _digest(source: Path | xr.Dataset, needed: xr.Dataset, batch_size: int) -> str:
    """Return a hash that identifies these events: of their indices and values, or of the plan of their store.

    The plan determines the values, so they need not be read twice.
    """
    from simulacra.store.read import read_plan
    from simulacra.trained.score import provenance

    plan = read_plan(source)[0] if isinstance(source, Path) and source.is_dir() else None
    told = [provenance(needed), {name: [str(a.dtype), list(a.shape)] for name, a in needed.data_vars.items()}]
    digest = hashlib.sha256(json.dumps([*told, plan and plan.to_json()]).encode())
    digest.update(needed["event"].values.tobytes())
    for start in range(0, needed.sizes["event"] if plan is None else 0, batch_size):
        for array in needed.isel(event=slice(start, start + batch_size)).data_vars.values():
            digest.update(array.values.tobytes())
    return digest.hexdigest()


def judge_score(
    background: Given,
    signal: Given,
    null: Given | None = None,
    *,
    model: str | os.PathLike[str] | TrainedScore | None = None,
    seed: int = 0,
    max_events: int = 200_000,
    replicates: int = 200,
    progress: Progress | None = None,
) -> ScoreVerdict:
    """Judge a score: how much cuts on it improve a signal's significance, and how they change the background.

    Parameters
    ----------
    background, signal:
        scores, (N,), of events not used in the score's training; or arrays (N,) by name: ``score``, ``weight`` if there
        are weights, and conditions; or the output of :func:`score`. With a model also events, or a store or file of
        them. A higher score means less like the background.
    null:
        the same for a second background, whose scores should have the same distribution.
    model:
        a trained score, or the run folder or model file of one; None if the samples are scores already.
    seed:
        the same seed gives the same numbers.
    max_events:
        of each sample; of more, this number is chosen at random.
    replicates:
        number, for errors, chance and p-values.
    progress:
        called with each step and the completed share.

    Returns
    -------
    simulacra.judges.scores.ScoreVerdict
        to be written as a page by ``simulacra.reports.write(verdict, folder)``.

    Raises
    ------
    simulacra.judges.JudgeError
        if a sample has too few events, a value that is not finite, or events of another sample.
    ValueError
        if the model makes no scores, or a sample holds the scores of another model.
    simulacra.events.EventsError
        if events lack what the score depends on, or break the conventions.

    Examples
    --------
    >>> import numpy as np, simulacra
    >>> rng = np.random.default_rng(1)
    >>> background, signal = rng.normal(size=4000), rng.normal(2, 1, size=1000)
    >>> simulacra.judge_score(background, signal).outcome
    'pass'
    """
    import numpy as np

    from simulacra.judges.scores import judge_score as judge_scores
    from simulacra.progress import silent
    from simulacra.settings import whole_number

    tell = progress or silent
    trained = None if model is None else load_score(model)
    whole_number(max_events, "the largest number of events", 1)
    rng = np.random.default_rng(whole_number(seed, "the seed"))
    tell("scores", 0.0)
    first, second = (scores_of(trained, sample, max_events, rng) for sample in (background, signal))
    return judge_scores(
        first,
        second,
        None if null is None else scores_of(trained, null, max_events, rng),
        seed=seed,
        max_events=max_events,
        replicates=replicates,
        progress=lambda step, share: tell(step, 0.2 + 0.8 * share),
    )


def scores_of(model: TrainedScore | None, sample: Given, most: int, rng: np.random.Generator) -> Scores:
    """Return the scores of a sample's events, or of ``most`` random ones; given scores are not computed again.

    Raises
    ------
    ValueError
        if given scores are from another model, or arrays are given with a model.
    """
    import xarray as xr

    from simulacra.formats import read
    from simulacra.judges.samples import some_rows

    events = read(sample) if isinstance(sample, str | os.PathLike) else sample
    if not isinstance(events, xr.Dataset):
        if model is not None:
            raise ValueError("arrays are scores already: judge them without a model, or give events to score")
        return events
    n = events.sizes.get("event", 0)
    rows = some_rows(n, most, rng)
    some = events if len(rows) == n else events.isel(event=rows)
    if model is None:
        return some.load()
    made_by = events.attrs.get("weights_sha256")
    if "score" not in events.data_vars or made_by is None:
        return model.scored(some)
    if made_by != model.weights_sha256:
        where = f"'{sample}'" if isinstance(sample, str | os.PathLike) else "the sample"
        raise ValueError(f"{where} holds the scores of '{events.attrs['simulator']}', not of '{model.name}'")
    return some.load()
