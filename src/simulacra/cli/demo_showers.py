"""``simulacra demo``: compare two generators with Geant4 on the same showers, on one screen."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulacra.cli.demo_screen import new_console, tell_verdicts

if TYPE_CHECKING:
    from queue import Queue

    import xarray as xr
    from rich.console import Console

    from simulacra.judges.verdict import Verdict

GEOMETRY: Final = "calogan"
SAMPLE: Final = "calogan-eplus"
#: the generators, described in a few words
GENERATORS: Final = {"calogan-eplus": "CaloGAN of 2017", "calo-eplus": "flow matching in one step"}
SIMULATED: Final = 24
SIMULATED_QUICKLY: Final = 6
JUDGED_QUICKLY: Final = 1000
SHORT: Final = 60
"""Longest reason in a line of the demo, in characters."""
NEXT: Final = (
    ("simulacra generate calo-eplus -n 100000 --energy log:1:100 showers.zarr", "generate any number of showers"),
    ("simulacra judge yours.zarr generated.zarr -o report/", "judge your own two files"),
    ("simulacra demo reweighting", "turn one Pythia into another, and fit it"),
)


def demonstrate(output: Path, seed: int, *, quick: bool) -> None:
    """Judge both generators on the same Geant4 showers; print a screen, write both reports, a comparison, a picture."""
    from simulacra import reference

    console = new_console()
    began = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    truth = reference.load(SAMPLE).load()
    if quick:
        truth = truth.isel(event=slice(JUDGED_QUICKLY))
    n = truth.sizes["event"]

    console.print("[bold]1  Geant4: the simulation that a generator should replace[/]")
    milliseconds = 1000.0 * float(truth.attrs["seconds_per_event"])
    console.print(
        f"   {n:,} showers of e+ of 1 to 100 GeV in lead and liquid argon, {truth.sizes['cell']} cells, "
        f"{milliseconds:.0f} ms each,\n   by Geant4 {truth.attrs['simulator_version']}; shipped, and not used in any "
        "training."
    )
    per_energy = _simulate(console, seed, SIMULATED_QUICKLY if quick else SIMULATED)
    if per_energy is not None:
        milliseconds = per_energy * float(truth["incident_energy"].mean())

    console.print(f"\n[bold]2  Two generators, trained on other Geant4 showers: {n:,} showers at the same energies[/]")
    events = _generate(console, truth, seed, milliseconds)

    console.print("\n[bold]3  Judged on the same showers[/]")
    verdicts = _judge(truth, events, output, seed)
    tell_verdicts(console, verdicts, "Geant4")

    page = _compare(truth, events, verdicts, output)
    console.print("\n[bold]4  Next steps[/]")
    console.print(f"   {page}: both compared with Geant4 in one figure, with links to both reports", soft_wrap=True)
    for command, what in NEXT:
        console.print(f"   {command}  [dim]# {what}[/]", soft_wrap=True)
    if quick:
        console.print(
            f"   [dim]--quick judged {n:,} of {reference.load(SAMPLE).sizes['event']:,} showers: verdicts are less "
            "certain[/]"
        )
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def _simulate(console: Console, seed: int, n: int) -> float | None:
    """Simulate a few showers if Geant4 is available; return the milliseconds per GeV."""
    try:
        from simulacra.geometry import CalorimeterGeometry
        from simulacra.simulators.geant4 import Geant4Settings, simulate

        settings = Geant4Settings(geometry=CalorimeterGeometry.load(GEOMETRY), particle="e+", energy="log:1:100")
        with console.status(f"simulating {n} showers"):
            fresh = simulate(settings, seed=seed, n_events=n)
    except (ImportError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0]
        reason = first if len(first) <= SHORT else f"{first[:SHORT].rsplit(' ', 1)[0]} ..."
        console.print(f"   [dim]Geant4 does not run here (the demo does not need it): {reason}[/]", soft_wrap=True)
        return None
    # The time of a shower is proportional to its energy, which varies much among a few showers.
    milliseconds = 1000.0 * n * float(fresh.attrs["seconds_per_event"]) / float(fresh["incident_energy"].sum())
    response = float((fresh["shower"].sum("cell") / (1000.0 * fresh["incident_energy"])).mean())
    console.print(
        f"   Geant4 runs here, too: {n} new showers took {milliseconds:.1f} ms per GeV; {100 * response:.1f} % of the "
        "energy is in the cells."
    )
    return milliseconds


def _generate(console: Console, truth: xr.Dataset, seed: int, milliseconds: float) -> dict[str, xr.Dataset]:
    """Return showers of each generator at the truth's energies, and print the time per shower."""
    import torch
    from rich.table import Table

    from simulacra.trained import load

    # The time is that of one thread, as everywhere.
    torch.set_num_threads(1)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "", "learned from", "in", "ms per shower", "times as fast"):
        table.add_column(head, justify="left" if not head else "right", header_style="dim", no_wrap=True)
    energies = truth["incident_energy"].values
    made = {}
    for name, what in GENERATORS.items():
        generator = load(name)
        generator.sample(64, incident_energy=50.0, seed=seed)
        start = time.perf_counter()
        made[name] = generator.sample(truth.sizes["event"], incident_energy=energies, seed=seed)
        each = 1000.0 * (time.perf_counter() - start) / truth.sizes["event"]
        training = generator.metadata["training"]
        learned = f"{training['events']:,} showers", f"{training['seconds'] / 60:.0f} min"
        table.add_row(f"   {name}", what, *learned, f"{each:.3f}", f"{milliseconds / each:,.0f}")
    console.print(table)
    return made


def _judge(
    truth: xr.Dataset,
    events: Mapping[str, xr.Dataset],
    output: Path,
    seed: int,
    judge_one: Callable[..., Verdict] | None = None,
) -> dict[str, Verdict]:
    """Judge each generator in a separate process, and write its report."""
    from simulacra.progress import step_progress

    context = multiprocessing.get_context("spawn")
    with step_progress("judging", show=True) as tell, context.Manager() as manager:
        told: Queue[tuple[str, str, float]] = manager.Queue()
        shares = dict.fromkeys(events, 0.0)
        with ProcessPoolExecutor(len(events), context, _begin, (list(sys.path),)) as pool:
            running = {
                name: pool.submit(judge_one or _judge_one, name, truth, made, output / name, seed, told)
                for name, made in events.items()
            }
            while not all(future.done() for future in running.values()):
                wait(running.values(), timeout=0.2)
                while not told.empty():
                    name, step, shares[name] = told.get()
                    tell(f"judging {name}: {step}", sum(shares.values()) / len(shares))
            return {name: future.result() for name, future in running.items()}


def _begin(search_path: list[str]) -> None:
    """Prepare a process: one thread, because two processes run at once."""
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path[:] = search_path


def _judge_one(
    name: str, truth: xr.Dataset, events: xr.Dataset, folder: Path, seed: int, told: Queue[tuple[str, str, float]]
) -> Verdict:
    from simulacra.judges import judge
    from simulacra.reports import write
    from simulacra.trained import load

    generator = load(name)
    verdict = judge(
        truth,
        events,
        generator=generator,
        n_train=int(generator.metadata["training"]["events"]),
        seed=seed,
        progress=lambda step, share: told.put((name, step, 0.9 * share)),
    )
    told.put((name, "drawing the report", 0.9))
    write(verdict, folder)
    return verdict


def _compare(
    truth: xr.Dataset, events: Mapping[str, xr.Dataset], verdicts: Mapping[str, Verdict], output: Path
) -> Path:
    """Write the comparison with the figure, and the figure by itself; return the page's path."""
    from simulacra.judges.comparison import compare
    from simulacra.reports.beside_truth import beside_truth_figure
    from simulacra.reports.comparison_page import write_comparison
    from simulacra.whole_files import write_whole
    from simulacra.workflows.compare import stated_cost

    picture = beside_truth_figure(verdicts)
    write_whole(output / "beside-geant4.svg", picture.decode("utf-8"))
    costs: dict[str, Any] = {name: stated_cost(made) for name, made in events.items()}
    comparison = compare(verdicts, costs, truth_cost=stated_cost(truth))
    reports = {name: f"{name}/report.html" for name in verdicts}
    return write_comparison(comparison, output, reports=reports, beside_truth=picture)
