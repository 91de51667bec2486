"""Events of a trained generator into a store, in constant memory, resumable."""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.store import Chunk, WriteSummary
    from simulacra.trained import TrainedGenerator
    from simulacra.workflows.refined_events import Refinement

Runtime = Literal["torch", "onnx"]
RUNTIMES: Final = ("torch", "onnx")
#: events that are made and written at a time, and their size in memory [bytes]
MOST_AT_A_TIME: Final = 8192
BYTES_AT_A_TIME: Final = 2**27


def generate(
    generator: str | os.PathLike[str],
    output: str | os.PathLike[str],
    n_events: int | None = None,
    *,
    conditions: Mapping[str, str | float] | None = None,
    like: str | os.PathLike[str] | None = None,
    file_format: str = "store",
    threshold: float | None = None,
    seed: int = 1,
    last_layer_draws: int | None = None,
    batch_size: int | None = None,
    workers: int = 1,
    scheduler: str | os.PathLike[str] | None = None,
    runtime: Runtime = "torch",
    device: str = "cpu",
    refine: str | os.PathLike[str] | None = None,
    unweight: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> WriteSummary:
    """Generate events into a store. If it was interrupted, the same call continues where it stopped.

    The members of an ensemble, or the draws of a last layer, make the same number of events each, one member after the
    other; the variable ``member`` gives the member of each event.

    Parameters
    ----------
    generator:
        name of a shipped generator, a run folder, an ensemble's folder or a model file.
    output:
        the Zarr store to write, or a file of another ``file_format``.
    n_events:
        1000 if None, or as many as the sample of ``like`` has.
    conditions:
        a number or a distribution for each condition, as text: ``{"incident_energy": "log:1:100"}``. Others are drawn
        from the distribution in the training sample.
    like:
        a store or a file: make one event at the conditions of each of its events.
    file_format:
        "store", or "calochallenge": an HDF5 file that the challenge's evaluation reads.
    threshold:
        for "calochallenge": voxels below this are empty [MeV]; by default that of the challenge's set.
    seed:
        the same seed gives the same events.
    last_layer_draws:
        number of members drawn from the posterior of the last layer (trained with snapshots).
    batch_size:
        events in memory at a time; the events do not depend on it. By default 8192, fewer if they are large.
    workers:
        processes; the events do not depend on it.
    scheduler:
        a Dask cluster in the place of the processes (:func:`simulacra.campaigns.executor_for`): "tcp://HOST:PORT",
        "local", or a settings file.
    runtime:
        "torch", or "onnx": faster, and equal within rounding; a generator without a graph is exported first.
    device:
        where torch makes the events.
    refine:
        folder of a refiner that gives weights to the events.
    unweight:
        accept or reject events by the refiner's weights; the result has no weights.
    overwrite:
        replace an existing store.
    progress:
        whether to show a progress bar.

    Raises
    ------
    ValueError
        if the options are not compatible with each other or the generator.
    simulacra.store.StoreError
        if the store cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> summary = simulacra.generate(
    ...     "calogan-eplus", folder / "showers.zarr", 100, conditions={"incident_energy": 50}, progress=False
    ... )
    >>> simulacra.open_events(folder / "showers.zarr")["shower"].dims
    ('event', 'cell')
    """
    if not isinstance(conditions, Mapping | None):
        raise ValueError(f"conditions are a mapping, such as {{'incident_energy': 50}}, not {conditions!r}")  # noqa: TRY004
    asked = {name: str(value) for name, value in (conditions or {}).items()}
    options = Generation(
        str(generator),
        Path(output),
        n_events,
        conditions=asked,
        like=None if like is None else Path(like),
        file_format=file_format,
        threshold=threshold,
        seed=seed,
        last_layer_draws=last_layer_draws,
        batch_size=batch_size,
        workers=workers,
        scheduler=scheduler,
        runtime=runtime,
        device=device,
        refine=None if refine is None else str(refine),
        unweight=unweight,
        overwrite=overwrite,
    )
    return options.prepared().write(progress)


@dataclass(frozen=True)
class Generation:
    """The options of a generation, as in :func:`generate`."""

    generator: str
    output: Path
    n_events: int | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    like: Path | None = None
    file_format: str = "store"
    threshold: float | None = None
    seed: int = 1
    last_layer_draws: int | None = None
    batch_size: int | None = None
    workers: int = 1
    scheduler: str | os.PathLike[str] | None = None
    runtime: Runtime = "torch"
    device: str = "cpu"
    refine: str | None = None
    unweight: bool = False
    overwrite: bool = False

    def prepared(self) -> PreparedGeneration:
        """Load the generator, and check all options before the store is started.

        Raises
        ------
        ValueError
            if the options are not compatible with each other or the generator.

        Warns
        -----
        ExtrapolationWarning
            if conditions reach outside the trained range.
        """
        from simulacra.store import refuse_source
        from simulacra.store.objects import address_of
        from simulacra.trained import ExtrapolationWarning, load_members
        from simulacra.workflows.submission import LIKE, events_like, resolved, span, store_beside

        if self.runtime not in RUNTIMES:
            raise ValueError(f"--runtime is one of {', '.join(RUNTIMES)}, not '{self.runtime}'")
        if self.runtime == "onnx" and self.device != "cpu":
            raise ValueError(f"ONNX Runtime makes events only on the CPU, not on '{self.device}'")
        if self.n_events is not None:
            whole_number(self.n_events, "the number of events", 1)
        if self.last_layer_draws is not None:
            whole_number(self.last_layer_draws, "the number of draws of the last layer", 1)
        if self.unweight and self.refine is None:
            raise ValueError("--unweight needs a refiner: name it with --refine")
        if self.refine is not None and not self.unweight and self.file_format != "store":
            raise ValueError(
                f"a file of the format {self.file_format} cannot hold weights: add --unweight, or write a store"
            )
        if self.file_format != "store" and address_of(self.output) is not None:
            raise ValueError(
                f"a file of the format {self.file_format} is written to a disk, not to '{address_of(self.output)}'"
            )
        store = store_beside(self.output, self.file_format, overwrite=self.overwrite)
        models = [Path(one).resolve() for one in (self.generator, self.refine) if one is not None]
        if self.output.exists() and self.output.resolve() in models:
            raise ValueError(f"'{self.output}' holds the model: choose another path for the events")
        taken: dict[str, str] = {}
        n_events = self.n_events
        if self.like is not None:
            for output in (self.output, store):
                refuse_source(self.like, output)
            n_events, taken = events_like(self.like, tuple(load_members(self.generator)[0].trained_range), n_events)
        n_events = n_events or 1000
        members = members_of(self.generator, self.last_layer_draws, n_events)
        trained = members[0]
        trained.to(self.device)
        conditions = trained.conditions.completed(dict(self.conditions) | taken)
        texts = {name: str(value) for name, value in conditions.items()}
        asked_for = {
            name: span(value, name, tuple(texts)) if value.startswith(LIKE) else trained.conditions.parse(name, value)
            for name, value in texts.items()
        }
        if self.like is not None:
            taken_over = resolved(taken, 0, n_events)
            try:
                trained.conditions.columns(n_events, self.seed, 0, taken_over)
            except ValueError as error:
                raise ValueError(f"'{self.like}': {error}") from None
        for bound in ("low", "high"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExtrapolationWarning)
                ends = {name: getattr(value, bound) for name, value in asked_for.items()}
                one = trained.sample(1, seed=self.seed, **ends)
        if self.file_format == "calochallenge" and "shower" not in one:
            made = ", ".join(str(name) for name in one.data_vars if name not in trained.trained_range)
            raise ValueError(f"a file of the CaloChallenge holds showers; '{trained.name}' makes {made}: write a store")
        trained.warn_outside({name: (value.low, value.high) for name, value in asked_for.items()})
        fingerprint = {
            "generator": trained.name,
            "weights": ",".join(member.weights_sha256 for member in members),
            "seed": self.seed,
            **texts,
        }
        refinement, sentence = None, ""
        if self.refine is not None:
            from simulacra.workflows.refined_events import refinement_of

            refinement, sentence = refinement_of(members, self.refine, asked_for, unweighted=self.unweight)
            fingerprint |= refinement.fingerprint
        graphs = tuple(self.runtime == "onnx" and has_graph(member) for member in members)
        # Rounding differs: events of several runtimes, devices, or of a graph and a whole file do not belong together.
        if self.runtime != "torch":
            fingerprint["runtime"] = f"{self.runtime}, by their graphs" if all(graphs) else self.runtime
        if self.device != "cpu":
            fingerprint["device"] = self.device
        return PreparedGeneration(
            self, store, n_events, members, graphs, texts, fingerprint, one.nbytes, refinement, sentence
        )


@dataclass(frozen=True)
class PreparedGeneration:
    """A generation with the loaded generator and checked options."""

    asked: Generation
    store: Path
    n_events: int
    members: tuple[TrainedGenerator, ...]
    graphs: tuple[bool, ...]
    conditions: Mapping[str, str]
    fingerprint: Mapping[str, Any]
    bytes_per_event: int
    refinement: Refinement | None
    refinement_sentence: str

    @property
    def name(self) -> str:
        """The generator's name."""
        return self.members[0].name

    def write(self, progress: bool = True) -> WriteSummary:
        """Make the events and stream them to disk in constant memory.

        Raises
        ------
        simulacra.store.StoreError
            if the store cannot be written.
        """
        from simulacra.campaigns import executor_for
        from simulacra.store import folder_for_tasks, write_store

        asked = self.asked
        with executor_for(asked.scheduler, asked.workers) as executor, folder_for_tasks(executor) as folder:
            files = [
                exported(member, folder / f"{i}.onnx") if asked.runtime == "onnx" and not graph else None
                for i, (member, graph) in enumerate(zip(self.members, self.graphs, strict=True))
            ]
            sources = tuple(
                Source(str(member.path), member.last_layer_draw, member.weights_sha256, file, graph, asked.device)
                for member, file, graph in zip(self.members, files, self.graphs, strict=True)
            )
            return write_store(
                self.store,
                Generate(sources, tuple(self.conditions.items()), asked.seed, self.n_events, self.refinement),
                n_events=self.n_events,
                chunk_size=asked.batch_size or events_at_a_time(self.bytes_per_event),
                fingerprint=dict(self.fingerprint),
                workers=executor,
                label=self.name,
                progress=progress,
                overwrite=asked.overwrite,
                bytes_per_event=self.bytes_per_event,
            )

    def as_file(self) -> float | None:
        """Write the store's events in the requested format, and remove the store.

        Returns
        -------
        float or None
            the threshold below which voxels are empty [MeV]; None for a store.
        """
        from simulacra.workflows.submission import write_submission

        asked = self.asked
        if self.store == asked.output:
            return None
        return write_submission(
            self.store, asked.output, threshold=asked.threshold, like=asked.like, overwrite=asked.overwrite
        )


def events_at_a_time(bytes_per_event: int) -> int:
    """Return how many events are made and written at a time: 8192, or as many as take 128 MiB."""
    return int(max(1, min(MOST_AT_A_TIME, BYTES_AT_A_TIME // max(1, bytes_per_event))))


def members_of(generator: str, last_layer_draws: int | None, n_events: int) -> tuple[TrainedGenerator, ...]:
    """Return the generators that share the work."""
    from simulacra.trained import load_members

    members = load_members(generator)
    if last_layer_draws is not None:
        if len(members) > 1:
            raise ValueError(f"'{generator}' is already an ensemble: --last-layer-draws is for one of its members")
        members = tuple(members[0].with_last_layer(draw) for draw in range(last_layer_draws))
    if len(members) > n_events:
        raise ValueError(f"{n_events} events are too few for {len(members)} members: ask for more (-n)")
    return members


def has_graph(trained: TrainedGenerator) -> bool:
    """Return whether a graph next to the generator's weights belongs to them and opens in ONNX Runtime."""
    from simulacra.deploy.graphs import graph_beside, open_graph

    if trained.last_layer_draw is not None:
        return False
    with warnings.catch_warnings():
        # That one is damaged or of other weights costs no more than an export here.
        warnings.simplefilter("ignore", UserWarning)
        return open_graph(graph_beside(trained.path), trained.module, trained.weights_sha256, threads=1) is not None


def exported(trained: TrainedGenerator, path: Path) -> str:
    """Export a generator and return the file's path."""
    from simulacra.workflows.export import export

    export(trained, path)
    return str(path)


class Source(NamedTuple):
    """A member: its file, the number of the draw of its last layer, the hash of its weights, and its ONNX.

    That is the file ``onnx``, or the ``graph`` next to its weights; torch makes the events if there is neither.
    """

    path: str
    draw: int | None
    weights_sha256: str
    onnx: str | None
    graph: bool = False
    device: str = "cpu"


@functools.cache
def loaded(source: Source) -> TrainedGenerator:
    """Return a member, once loaded in each process."""
    from simulacra.trained import load_generator

    trained = load_generator(source.path)
    if source.draw is not None:
        trained = trained.with_last_layer(source.draw)
    if trained.weights_sha256 != source.weights_sha256:
        raise ValueError(f"{source.path} has changed since the first events were made: start another store")
    if source.onnx is None and not source.graph:
        trained.to(source.device)
        return trained
    from simulacra.deploy.graphs import graph_beside, open_graph
    from simulacra.deploy.runtime_module import RuntimeModule
    from simulacra.deploy.session import open_session

    if source.onnx is not None:
        session = open_session(source.onnx)
    elif (found := open_graph(graph_beside(trained.path), trained.module, trained.weights_sha256, threads=1)) is None:
        raise ValueError(
            f"{graph_beside(trained.path)} has disappeared since the first events were made: start another store"
        )
    else:
        session = found
    trained.module = RuntimeModule(session)
    return trained


@dataclass(frozen=True)
class Generate:
    """Makes one chunk of a generated store (picklable, for other processes).

    The members make the same number of the ``n_events`` events each, in their order.
    """

    sources: tuple[Source, ...]
    conditions: tuple[tuple[str, str], ...]
    seed: int
    n_events: int
    refinement: Refinement | None = None

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of the chunk."""
        import xarray as xr

        pieces = []
        for member, source in enumerate(self.sources):
            first, last = (self.n_events * k // len(self.sources) for k in (member, member + 1))
            start, stop = max(chunk.start, first), min(chunk.stop, last)
            if start < stop:
                pieces.append(self._events(source, member, start, stop))
        if len(pieces) == 1:
            return pieces[0]
        seconds = sum(piece.attrs["seconds_per_event"] * piece.sizes["event"] for piece in pieces)
        joined = xr.concat(pieces, "event", combine_attrs="override")
        return joined.assign_attrs(seconds_per_event=seconds / (chunk.stop - chunk.start))

    def _events(self, source: Source, member: int, start: int, stop: int) -> xr.Dataset:
        import numpy as np

        from simulacra.events import variable
        from simulacra.trained import ExtrapolationWarning
        from simulacra.workflows.submission import resolved

        with warnings.catch_warnings():
            # Said once, before the store was begun.
            warnings.simplefilter("ignore", ExtrapolationWarning)
            conditions = resolved(dict(self.conditions), start, stop)
            place: dict[str, Any] = {"seed": self.seed, "first_event": start, **conditions}
            if self.refinement is None:
                events = loaded(source).sample(stop - start, exact=True, **place)
            else:
                from simulacra.workflows.refined_events import refined_events

                events = refined_events(loaded(source), self.refinement, stop - start, **place)
        # Conditions like those of a sample are arrays here, whose lengths differ from chunk to chunk.
        settings = json.loads(events.attrs["settings"]) | dict(self.conditions)
        events.attrs["settings"] = json.dumps(settings, sort_keys=True)
        if len(self.sources) > 1:
            whose = np.full(stop - start, member, dtype=np.int32)
            # A label, no property of the event: as a mask it is neither asked for, nor judged.
            events["member"] = variable(whose, units="1", long_name="generator that made the event", role="mask")
        return events
