"""``simulacra demo jets``: judge a generator of jets beside jets that Pythia makes here and now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simulacra.cli.demo_screen import judged, new_console, tell_verdicts

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from simulacra.trained import TrainedGenerator

MODEL: Final = "jets-epic"
PROCESS: Final = "jets"
PARTICLES: Final = 30
JETS: Final = 4000
WORKERS: Final = 2
#: seeds of trainings and benchmarks are far below
FIRST_SEED: Final = 900_000
NEXT: Final = (
    (
        f"simulacra generate {MODEL} -n 100000 --condition 'jet_class=top quark' tops.zarr",
        "generate any number of jets",
    ),
    ("simulacra simulate pythia --process jets -n 100000 --seed 1 jets.zarr", "simulate a sample"),
    ("simulacra judge jets.zarr yours.h5 -o report/", "judge your own jets, also JetNet's files"),
)


def demonstrate(output: Path, seed: int) -> None:
    """Simulate fresh jets, generate as many of the same classes and transverse momenta, judge; write the report.

    Raises
    ------
    simulacra.simulators.pythia_errors.PythiaError
        if Pythia is not installed; the message says how to get it.
    ValueError
        if the model is not there.
    """
    import torch

    from simulacra.simulators.pythia import require_package
    from simulacra.trained import load

    require_package()
    generator = load(MODEL)
    # The time is that of one thread, as everywhere.
    torch.set_num_threads(1)
    console, began = new_console(), time.monotonic()
    output.mkdir(parents=True, exist_ok=True)

    console.print("[bold]1  Pythia 8: jets of 1 TeV of five classes[/]")
    truth = _simulate(output / f"pythia-{seed}.zarr", seed)
    milliseconds = 1000.0 * float(truth.attrs["seconds_per_event"])
    console.print(
        f"   {truth.sizes['event']:,} fresh jets in proton collisions at 13 TeV, their {PARTICLES} hardest particles, "
        f"{milliseconds:.0f} ms each"
    )

    console.print(f"\n[bold]2  {generator.name}: as many jets of the same classes and transverse momenta[/]")
    events = _generate(console, generator, truth, seed, milliseconds)
    _tell_classes(console, truth, events)

    console.print("\n[bold]3  Judged beside Pythia[/]")
    verdict = judged(truth, events, generator, seed)
    tell_verdicts(console, {generator.name: verdict}, "Pythia")

    from simulacra.reports import write

    console.print("\n[bold]4  Next steps[/]")
    console.print(f"   {write(verdict, output / generator.name)}: the report, for a browser", soft_wrap=True)
    for command, what in NEXT:
        console.print(f"   {command}  [dim]# {what}[/]", soft_wrap=True)
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def _simulate(path: Path, seed: int) -> xr.Dataset:
    """Return fresh jets, those of the last call with this seed if they are there."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings
    from simulacra.store import open_events

    if not path.exists():
        settings = PythiaSettings.model_validate({"process": PROCESS, "leading_jet": {"particles": PARTICLES}})
        write_collisions(path, settings, seed=FIRST_SEED + seed, n_events=JETS, workers=WORKERS, chunk_size=500)
    return open_events(path).load()


def _generate(
    console: Console, generator: TrainedGenerator, truth: xr.Dataset, seed: int, milliseconds: float
) -> xr.Dataset:
    """Return a jet for each of the truth, and print the time per jet."""
    # Of fresh jets, a few are a fraction of a GeV beyond all that were learned from.
    conditions = {name: truth[name].values.clip(*ends) for name, ends in generator.trained_range.items()}
    generator.sample(64, seed=seed)
    start = time.perf_counter()
    events = generator.sample(truth.sizes["event"], seed=seed, **conditions)
    each = 1000.0 * (time.perf_counter() - start) / truth.sizes["event"]
    training = generator.metadata["training"]
    console.print(
        f"   learned from {training['events']:,} other jets in {training['seconds'] / 60:.0f} minutes; "
        f"{1000 * each:.0f} µs per jet, {milliseconds / each:,.0f} times as fast"
    )
    return events


def _tell_classes(console: Console, truth: xr.Dataset, events: xr.Dataset) -> None:
    """Print means of each class, of Pythia's jets and of generated ones."""
    import numpy as np
    from rich.table import Table

    from simulacra.observables.relative_jets import JET_CLASS
    from simulacra.wording import with_error

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for head in ("   mean", "particles, Pythia", "generated", "mass [GeV], Pythia", "generated"):
        table.add_column(head, justify="left" if head == "   mean" else "right", header_style="dim", no_wrap=True)
    for place, name in enumerate(JET_CLASS.choices):
        chosen = [sample.isel(event=sample["jet_class"].values == place) for sample in (truth, events)]
        columns = [one["present"].values.sum(axis=1) for one in chosen] + [one["jet_mass"].values for one in chosen]
        cells = [with_error(float(x.mean()), float(x.std() / np.sqrt(len(x)))) for x in columns]
        table.add_row(f"   {name}", *cells)
    console.print(table)
