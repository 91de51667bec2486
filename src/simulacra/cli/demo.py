"""``simulacra demo``: the whole idea on real Geant4 showers, or on real Pythia collisions, in a few minutes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

GENERATOR: Final = "calogan-eplus"
GEOMETRY: Final = "calogan"
SIMULATED: Final = 24
STEPS: Final = 400


def demo(
    what: Annotated[
        Literal["showers", "reweighting"],
        typer.Argument(help="Showers of Geant4 by a CaloGAN, or Pythia's events reweighted and fitted."),
    ] = "showers",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the report and the samples.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn.")] = 1,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of the short training.")] = STEPS,
) -> None:
    """Show the whole idea in 5 minutes: simulate, train briefly, generate and judge; or reweight, judge and fit."""
    if what == "reweighting":
        from simulacra.cli.demo_reweighting import demonstrate

        demonstrate(output / "reweighting", seed)
        return
    from rich.console import Console

    from simulacra import reference
    from simulacra.judges import judge
    from simulacra.trained import load

    console = Console(highlight=False)
    began = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    sample = reference.load(GENERATOR)

    console.rule("1  Geant4: what we want to stand in for", align="left")
    milliseconds = 1000.0 * float(sample.attrs["seconds_per_event"])
    console.print(
        f"{sample.sizes['event']} positron showers of 1 to 100 GeV in lead and liquid argon are shipped, made by "
        f"Geant4 {sample.attrs['simulator_version']} in {milliseconds:.0f} ms each."
    )
    milliseconds = _simulate(console, seed) or milliseconds

    console.rule("2  Training: what a minute of learning does", align="left")
    before, after = _train(output, seed, steps)
    console.print(
        f"Mean distance of the shower shapes from Geant4's, in widths of each: {before:.2f} early on, {after:.2f} "
        f"after {steps} steps."
    )

    console.rule("3  Generation: the shipped CaloGAN", align="left")
    generator = load(GENERATOR)
    training = generator.metadata["training"]
    console.print(
        f"{generator.name} learned from {training['events']} other Geant4 showers, {training['steps']} steps in "
        f"{training['seconds'] / 60:.0f} minutes."
    )
    generator.sample(64, incident_energy=50.0, seed=seed)
    energies = sample["incident_energy"].values
    start = time.perf_counter()
    generated = generator.sample(sample.sizes["event"], incident_energy=energies, seed=seed)
    each = 1000.0 * (time.perf_counter() - start) / sample.sizes["event"]
    console.print(
        f"{generated.sizes['event']} showers at the energies of the shipped ones, {each:.3f} ms each: "
        f"[bold]{milliseconds / each:,.0f} times[/] as fast."
    )

    console.rule("4  Judgement: Geant4 showers that it has never seen against its own", align="left")
    with console.status("judging") as status:
        verdict = judge(
            sample,
            generated,
            generator=generator,
            seed=seed,
            progress=lambda step, _share: status.update(f"judging: {step}"),
        )
    report = verdict.write(output / "report")
    times = {"geant4_milliseconds": milliseconds, "generator_milliseconds": each, "seconds": time.monotonic() - began}
    (output / "demo.json").write_text(json.dumps(times, indent=2) + "\n")
    console.print(f"[bold]{verdict.headline}[/]")
    for finding in verdict.plain_findings:
        if finding.judge == "classifier_auc":
            console.print(f"  {finding.sentence}")
    console.print(f"\n[bold]Open {report}[/] in a browser. Done in {(time.monotonic() - began) / 60:.1f} minutes.")


def _simulate(console: Console, seed: int) -> float | None:
    """Simulate a few showers if Geant4 is here; return the milliseconds that each took."""
    try:
        from simulacra.geometry import CalorimeterGeometry
        from simulacra.simulators.geant4 import Geant4Settings, simulate

        settings = Geant4Settings(geometry=CalorimeterGeometry.load(GEOMETRY), particle="e+", energy="log:1:100")
        with console.status(f"simulating {SIMULATED} showers"):
            fresh = simulate(settings, seed=seed, n_events=SIMULATED)
    except (ImportError, RuntimeError, ValueError) as error:
        console.print(f"[dim]Geant4 does not run here, so the shipped showers stand alone: {error}[/]")
        return None
    milliseconds = 1000.0 * float(fresh.attrs["seconds_per_event"])
    response = float((fresh["shower"].sum("cell") / (1000.0 * fresh["incident_energy"])).mean())
    console.print(
        f"Geant4 runs here: {SIMULATED} fresh showers took {milliseconds:.0f} ms each and deposited "
        f"{100 * response:.1f} % of the energy."
    )
    return milliseconds


def _train(output: Path, seed: int, steps: int) -> tuple[float, float]:
    """Train for a minute from nothing; return the validation score early on and at the end."""
    from simulacra.cli.train import run_experiment
    from simulacra.training.settings import Experiment, check

    settings = {
        "name": "demo",
        "seed": seed,
        "data": {"path": f"reference:{GENERATOR}"},
        "system": {
            "kind": "calogan",
            "critic_channels": [12, 8, 4],
            "gradient_penalty": 0.2,
            "observable_matching": 1.0,
        },
        "training": {
            "steps": steps,
            "batch_size": 64,
            "learning_rate": 1.5e-3,
            "validate_every": max(steps // 8, 1),
            "threads": 1,
        },
    }
    experiment = check(Experiment, settings, "the demo's experiment")
    run = output / f"training-{seed}-{steps}"
    run_experiment(experiment, run, "# the demo's own settings: see resolved.json\n")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return rows[0]["score"], min(row["score"] for row in rows)
