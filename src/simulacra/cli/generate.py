"""``simulacra generate``: events of a trained generator into a store."""

from __future__ import annotations

import functools
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.cli.refined_events import Refinement
    from simulacra.store import Chunk
    from simulacra.trained import TrainedGenerator


RUNTIMES: Final = ("torch", "onnx")
ENERGY: Final = "log:1:100"


def generate(
    generator: Annotated[
        str, typer.Argument(help="Name of a shipped generator, a run folder, an ensemble's folder or a model file.")
    ],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    n_events: Annotated[
        int | None, typer.Option("-n", "--events", min=1, help="Number of events: 1000, or as many as --like has.")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            "--energy",
            help="Incident energy [GeV]: 50, uniform:1:100 or log:1:100 (the default of generators that take one).",
        ),
    ] = None,
    impact_x: Annotated[str | None, typer.Option("--impact-x", help="Impact point along eta \\[mm].")] = None,
    impact_y: Annotated[str | None, typer.Option("--impact-y", help="Impact point along phi \\[mm].")] = None,
    polar_angle: Annotated[str | None, typer.Option("--polar-angle", help="Polar angle \\[rad].")] = None,
    azimuthal_angle: Annotated[str | None, typer.Option("--azimuthal-angle", help="Azimuthal angle \\[rad].")] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", help="Store or file: make one event at the conditions of each of its events."),
    ] = None,
    file_format: Annotated[
        str,
        typer.Option("--format", help="store, or calochallenge: an HDF5 file that the challenge's evaluation reads."),
    ] = "store",
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            help="With --format calochallenge: voxels below this are empty [MeV]; by default that of the "
            "challenge's set.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same events.")] = 1,
    last_layer_draws: Annotated[
        int | None,
        typer.Option(
            "--last-layer-draws",
            min=2,
            help="Number of members drawn from the posterior of the last layer (trained with snapshots).",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Events in memory at a time; the events do not depend on it.")
    ] = 8192,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the events do not depend on it.")] = 1,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            help="torch, or onnx: faster, and equal within rounding; a generator without a graph is exported first.",
        ),
    ] = "torch",
    refine: Annotated[
        str | None,
        typer.Option(
            "--refine", metavar="FOLDER", help="Give the showers weights from this refiner (simulacra refine)."
        ),
    ] = None,
    unweight: Annotated[
        bool,
        typer.Option(
            "--unweight", help="With --refine: accept or reject showers by their weights; the result has no weights."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Generate events and stream them to disk in constant memory.

    If it was interrupted, run the same command again to continue where it stopped. The members of an ensemble, or the
    draws of a last layer, make the same number of events each, one member after the other; the variable 'member' gives
    the member of each event.
    """
    from simulacra.cli.submission import events_like, span, store_beside, write_submission
    from simulacra.store import write_store
    from simulacra.trained import ExtrapolationWarning, load_members

    if runtime not in RUNTIMES:
        raise ValueError(f"--runtime is one of {', '.join(RUNTIMES)}, not '{runtime}'")
    if unweight and refine is None:
        raise ValueError("--unweight goes by a refiner's weights: name it with --refine")
    if refine is not None and not unweight and file_format != "store":
        raise ValueError(f"a file of the format {file_format} holds no weights: add --unweight, or write a store")
    store = store_beside(output, file_format, overwrite=overwrite)
    taken: dict[str, str] = {}
    if like is not None:
        n_events, taken = events_like(like, tuple(load_members(generator)[0].trained_range), n_events)
    n_events = n_events or 1000
    members = members_of(generator, last_layer_draws, n_events)
    trained = members[0]
    asked = {
        "incident_energy": energy,
        "impact_x": impact_x,
        "impact_y": impact_y,
        "polar_angle": polar_angle,
        "azimuthal_angle": azimuthal_angle,
    }
    conditions = {name: value for name, value in asked.items() if value is not None} | taken
    if "incident_energy" in trained.trained_range:
        conditions.setdefault("incident_energy", ENERGY)
    for name, (low, high) in trained.trained_range.items():
        # Whatever was not asked for is drawn over the trained range, which is what a stand-in for the sample means.
        conditions.setdefault(name, f"uniform:{low!r}:{high!r}")
    # Every fault of the conditions shows before the store is begun.
    trained.check_conditions(conditions)
    asked_for = {name: span(value, name, tuple(conditions)) for name, value in conditions.items()}
    for bound in ("low", "high"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            one = trained.sample(1, seed=seed, **{name: getattr(value, bound) for name, value in asked_for.items()})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trained.warn_outside({name: (value.low, value.high) for name, value in asked_for.items()})
    for warning in said:
        typer.secho(f"warning: {warning.message}", fg="yellow", err=True)
    weights = ",".join(member.weights_sha256 for member in members)
    fingerprint = {"generator": trained.name, "weights": weights, "seed": seed, **conditions}
    refinement = None
    if refine is not None:
        from simulacra.cli.refined_events import refinement_of

        refinement, sentences = refinement_of(members, refine, asked_for, unweighted=unweight)
        fingerprint |= refinement.fingerprint
        for sentence in sentences:
            typer.secho(sentence, fg="yellow" if sentence.startswith("warning") else None, err=True)
    graphs = [runtime == "onnx" and has_graph(member) for member in members]
    if runtime != "torch":
        # Rounding differs: events of the two do not belong in one store, nor do those of a graph and of a whole file.
        fingerprint["runtime"] = f"{runtime}, by their graphs" if all(graphs) else runtime
    with tempfile.TemporaryDirectory() as folder:
        files = [
            exported(member, Path(folder) / f"{i}.onnx") if runtime == "onnx" and not graphs[i] else None
            for i, member in enumerate(members)
        ]
        sources = tuple(
            Source(str(member.path), member.last_layer_draw, member.weights_sha256, file, graph)
            for member, file, graph in zip(members, files, graphs, strict=True)
        )
        task = Generate(sources, tuple(conditions.items()), seed, n_events, refinement)
        summary = write_store(
            store,
            task,
            n_events=n_events,
            chunk_size=batch_size,
            fingerprint=fingerprint,
            workers=workers,
            label=trained.name,
            progress=not quiet,
            overwrite=overwrite,
            bytes_per_event=one.nbytes,
        )
    if store != output:
        cut = write_submission(store, output, threshold=threshold, like=like, overwrite=overwrite)
        typer.echo(f"voxels below {1000 * cut:.4g} keV are empty in {output}")
    made = summary.n_events - summary.n_resumed_events
    typer.echo(
        f"{summary.n_events} events of {trained.name} in {output}, {made / max(summary.seconds, 1e-9):.0f} events/s"
    )


def members_of(generator: str, last_layer_draws: int | None, n_events: int) -> tuple[TrainedGenerator, ...]:
    """Return the generators that share the work."""
    from simulacra.trained import load_members

    members = load_members(generator)
    if last_layer_draws is not None:
        if len(members) > 1:
            raise ValueError(f"'{generator}' is an ensemble already: --last-layer-draws is for one of its members")
        members = tuple(members[0].with_last_layer(draw) for draw in range(last_layer_draws))
    if len(members) > n_events:
        raise ValueError(f"{n_events} events are too few for {len(members)} members: ask for more (-n)")
    return members


def has_graph(trained: TrainedGenerator) -> bool:
    """Return whether a graph that ONNX Runtime opens lies beside the generator's weights and belongs to them."""
    from simulacra.deploy.graphs import graph_beside, open_graph

    if trained.last_layer_draw is not None:
        return False
    with warnings.catch_warnings():
        # That one is damaged or of other weights costs no more than an export here.
        warnings.simplefilter("ignore", UserWarning)
        return open_graph(graph_beside(trained.path), trained.module, trained.weights_sha256, threads=1) is not None


def exported(trained: TrainedGenerator, path: Path) -> str:
    """Export a generator and return the file's path."""
    from simulacra.cli.export import drawn_conditions, energies
    from simulacra.deploy.onnx import export

    conditions = drawn_conditions(trained)
    said = {"name": trained.name}
    export(trained.module, conditions.shape[1], path, said, conditions=conditions, above_zero=energies(trained))
    return str(path)


class Source(NamedTuple):
    """A member: its file, which draw of its last layer it is, what its weights are, and what ONNX Runtime makes of it.

    That is the file ``onnx``, or the ``graph`` beside its weights; torch makes the events if there is neither.
    """

    path: str
    draw: int | None
    weights_sha256: str
    onnx: str | None
    graph: bool = False


@functools.cache
def _loaded(source: Source) -> TrainedGenerator:
    from simulacra.trained import load

    trained = load(source.path)
    if source.draw is not None:
        trained = trained.with_last_layer(source.draw)
    if trained.weights_sha256 != source.weights_sha256:
        raise ValueError(f"{source.path} has changed since the first events were made: begin another store")
    if source.onnx is None and not source.graph:
        return trained
    from simulacra.deploy.graphs import graph_beside, open_graph
    from simulacra.deploy.runtime_module import RuntimeModule
    from simulacra.deploy.session import open_session

    if source.onnx is not None:
        session = open_session(source.onnx)
    elif (found := open_graph(graph_beside(trained.path), trained.module, trained.weights_sha256, threads=1)) is None:
        raise ValueError(f"{graph_beside(trained.path)} is gone since the first events were made: begin another store")
    else:
        session = found
    trained.module = RuntimeModule(session)
    return trained


@dataclass(frozen=True)
class Generate:
    """Makes one chunk of a generated store (picklable, so that processes can be given it).

    Of ``n_events`` events the members make equally many each, in their order.
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

        from simulacra.cli.submission import resolved
        from simulacra.events import variable
        from simulacra.trained import ExtrapolationWarning

        with warnings.catch_warnings():
            # Said once, before the store was begun.
            warnings.simplefilter("ignore", ExtrapolationWarning)
            conditions = resolved(dict(self.conditions), start, stop)
            place: dict[str, Any] = {"seed": self.seed, "first_event": start, **conditions}
            if self.refinement is None:
                events = _loaded(source).sample(stop - start, exact=True, **place)
            else:
                from simulacra.cli.refined_events import refined_events

                events = refined_events(_loaded(source), self.refinement, stop - start, **place)
        if len(self.sources) > 1:
            whose = np.full(stop - start, member, dtype=np.int32)
            # A label, no property of the event: as a mask it is neither asked for, nor judged.
            events["member"] = variable(whose, units="1", long_name="generator that made the event", role="mask")
        return events
