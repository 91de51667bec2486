"""``simulacra demo sky``: judge a generator of fields beside fields whose likelihood is known, made here and now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.cli.demo_screen import judged, new_console, tell_verdicts

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from simulacra.trained import TrainedGenerator

MODEL: Final = "lognormal-fields"
FIELDS: Final = 1500
FITTED: Final = 3
#: seeds of trainings and benchmarks are far below
FIRST_SEED: Final = 900_000
NEXT: Final = (
    ("simulacra generate nbody-density -n 500 --condition redshift=0.5 sky.zarr", "N-body densities"),
    ("simulacra generate cepheids-vae -n 500 --condition period=5 stars.zarr", "light curves of Cepheids"),
    ("simulacra judge yours.zarr sky.zarr -o report/", "judge them beside your own simulation"),
)


def demonstrate(output: Path, seed: int) -> None:
    """Make fresh fields, generate as many with the same parameters, compare likelihoods, fit, judge; write the report.

    Raises
    ------
    ValueError
        if the model is not there.
    """
    import torch

    from simulacra.reports import write
    from simulacra.trained import load

    generator = load(MODEL)
    # The time is that of one thread, as everywhere.
    torch.set_num_threads(1)
    console, began = new_console(), time.monotonic()
    output.mkdir(parents=True, exist_ok=True)

    console.print("[bold]1  Lognormal random fields, whose likelihood is known[/]")
    truth = _simulate(seed)
    console.print(f"   {truth.sizes['event']:,} fresh fields of 64 x 64 pixels, with the parameters A and s")

    console.print(f"\n[bold]2  {generator.name}: as many fields with the same parameters[/]")
    events = _generate(console, generator, truth, seed)

    console.print("\n[bold]3  Its likelihood, and fits by it[/]")
    _tell_likelihoods(console, generator, truth)

    console.print("\n[bold]4  Judged beside fresh fields[/]")
    verdict = judged(truth, events, generator, seed)
    tell_verdicts(console, {generator.name: verdict}, "fresh fields")

    console.print("\n[bold]5  Next steps[/]")
    console.print(f"   {write(verdict, output / generator.name)}: the report, for a browser", soft_wrap=True)
    for command, what in NEXT:
        console.print(f"   {command}  [dim]# {what}[/]", soft_wrap=True)
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def _simulate(seed: int) -> xr.Dataset:
    from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields

    settings = RandomFieldSettings(form="lognormal", amplitude="log:0.6:1.6", spectral_index="uniform:-1.9:-1.1")
    return simulate_random_fields(settings, seed=FIRST_SEED + seed, n_events=FIELDS)


def _generate(console: Console, generator: TrainedGenerator, truth: xr.Dataset, seed: int) -> xr.Dataset:
    """Return a field for each of the truth, and print the time per field."""
    conditions = {name: truth[name].values for name in generator.trained_range}
    generator.sample(64, seed=seed)
    start = time.perf_counter()
    events = generator.sample(truth.sizes["event"], seed=seed, **conditions)
    each = 1000.0 * (time.perf_counter() - start) / truth.sizes["event"]
    training = generator.metadata["training"]
    console.print(
        f"   learned from {training['events']:,} other fields in {training['seconds'] / 60:.0f} minutes; {each:.2g} ms "
        "per field"
    )
    return events


def _tell_likelihoods(console: Console, generator: TrainedGenerator, truth: xr.Dataset) -> None:
    """Print how far the learned likelihood is from the exact one, and fits of some fields by it."""
    import torch

    from simulacra.simulators.random_fields import log_likelihood
    from simulacra.wording import with_error
    from simulacra.workflows.fit_field import fit_field

    some = truth.isel(event=slice(200))
    columns = np.column_stack([some[name].values for name in generator.trained_range]).astype(np.float32)
    with torch.inference_mode():
        field = torch.as_tensor(some["field"].values)
        learned = generator.module.log_prob(field, torch.as_tensor(columns)).numpy()  # type: ignore[operator]
    amplitude, index = columns.T.astype(np.float64)
    exact = log_likelihood(some["field"].values, amplitude, index, form="lognormal")
    off = 1e3 * (learned - exact) / some["field"][0].size
    console.print(
        f"   learned minus exact: {with_error(float(off.mean()), float(off.std() / np.sqrt(len(off))))} thousandths a "
        "pixel"
    )
    found = fit_field(generator, truth.isel(event=slice(FITTED)), progress=False)
    for row in range(FITTED):
        told = ", ".join(
            f"{short} = {with_error(float(found[name][row]), float(found[f'{name}_error'][row]))} (true "
            f"{float(truth[name][row]):.3f})"
            for short, name in (("A", "amplitude"), ("s", "spectral_index"))
        )
        console.print(f"   field {row}: {told}")
