"""``simulacra generate``: events of a trained generator into a store."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.store import Chunk
    from simulacra.trained import TrainedGenerator


def generate(
    generator: Annotated[str, typer.Argument(help="Name of a shipped generator, a run folder or a model file.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    n_events: Annotated[int, typer.Option("-n", "--events", min=1, help="Number of events.")] = 1000,
    energy: Annotated[
        str, typer.Option("--energy", help="Incident energy [GeV]: 50, uniform:1:100 or log:1:100.")
    ] = "log:1:100",
    impact_x: Annotated[str | None, typer.Option("--impact-x", help="Impact point along eta [mm].")] = None,
    impact_y: Annotated[str | None, typer.Option("--impact-y", help="Impact point along phi [mm].")] = None,
    polar_angle: Annotated[str | None, typer.Option("--polar-angle", help="Polar angle [rad].")] = None,
    azimuthal_angle: Annotated[str | None, typer.Option("--azimuthal-angle", help="Azimuthal angle [rad].")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same events.")] = 1,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Events in memory at a time; the events do not depend on it.")
    ] = 8192,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the events do not depend on it.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Generate events, streamed to disk in constant memory. Interrupted, the same command goes on where it stopped."""
    from simulacra.conditions import Distribution
    from simulacra.store import write_store
    from simulacra.trained import ExtrapolationWarning, load

    trained = load(generator)
    asked = {
        "incident_energy": energy,
        "impact_x": impact_x,
        "impact_y": impact_y,
        "polar_angle": polar_angle,
        "azimuthal_angle": azimuthal_angle,
    }
    conditions = {name: value for name, value in asked.items() if value is not None}
    for name, (low, high) in trained.trained_range.items():
        # Whatever was not asked for is drawn over the trained range, which is what a stand-in for the sample means.
        conditions.setdefault(name, f"uniform:{low!r}:{high!r}")
    # Every fault of the conditions shows before the store is begun.
    trained.check_conditions(conditions)
    asked_for = {name: Distribution.parse(value) for name, value in conditions.items()}
    for bound in ("low", "high"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            trained.sample(1, seed=seed, **{name: getattr(value, bound) for name, value in asked_for.items()})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trained.warn_outside({name: (value.low, value.high) for name, value in asked_for.items()})
    for warning in said:
        typer.secho(f"warning: {warning.message}", fg="yellow", err=True)
    task = Generate(str(trained.path), trained.weights_sha256, tuple(conditions.items()), seed)
    fingerprint = {"generator": trained.name, "weights": trained.weights_sha256, "seed": seed, **conditions}
    summary = write_store(
        output,
        task,
        n_events=n_events,
        chunk_size=batch_size,
        fingerprint=fingerprint,
        workers=workers,
        label=trained.name,
        progress=not quiet,
        overwrite=overwrite,
    )
    made = summary.n_events - summary.n_resumed_events
    typer.echo(
        f"{summary.n_events} events of {trained.name} in {output}, {made / max(summary.seconds, 1e-9):.0f} events/s"
    )


@functools.cache
def _loaded(path: str, weights_sha256: str) -> TrainedGenerator:
    from simulacra.trained import load

    trained = load(path)
    if trained.weights_sha256 != weights_sha256:
        raise ValueError(f"{path} has changed since the first events were made: begin another store")
    return trained


@dataclass(frozen=True)
class Generate:
    """Makes one chunk of a generated store (picklable, so that processes can be given it)."""

    path: str
    weights_sha256: str
    conditions: tuple[tuple[str, str], ...]
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of the chunk."""
        from simulacra.trained import ExtrapolationWarning

        with warnings.catch_warnings():
            # Said once, before the store was begun.
            warnings.simplefilter("ignore", ExtrapolationWarning)
            conditions: dict[str, Any] = dict(self.conditions)
            return _loaded(self.path, self.weights_sha256).sample(
                chunk.stop - chunk.start, seed=self.seed, first_event=chunk.start, **conditions
            )
