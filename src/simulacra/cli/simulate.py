"""``simulacra simulate``: events from a simulator into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulacra.cli.options import Scheduler, pairs

if TYPE_CHECKING:
    from simulacra.store import WriteSummary

app = typer.Typer(help="Simulate events into a Zarr store.", no_args_is_help=True)

DRAWN = "a number, uniform:LOW:HIGH or log:LOW:HIGH"


@app.callback()
def _simulators() -> None:
    """Keep ``geant4`` a separate command, for any number of simulators."""


@app.command()
def geant4(
    out: Annotated[Path, typer.Argument(help="The store to write, such as showers.zarr.")],
    geometry: Annotated[
        str, typer.Option(help="Shipped geometry (calogan, calochallenge, calochallenge-3) or a TOML file.")
    ],
    particle: Annotated[str, typer.Option(help="Particle, by its name in Geant4: gamma, e-, e+, pi+ ...")],
    energy: Annotated[str, typer.Option(help=f"Kinetic energy in GeV: {DRAWN}.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of showers.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same showers, with any number of workers.")],
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    impact_x: Annotated[str, typer.Option(help=f"x of the impact on the front face in mm: {DRAWN}.")] = "0",
    impact_y: Annotated[str, typer.Option(help=f"y of the impact on the front face in mm: {DRAWN}.")] = "0",
    polar_angle: Annotated[str, typer.Option(help=f"Angle of incidence to the z axis in rad: {DRAWN}.")] = "0",
    azimuthal_angle: Annotated[str, typer.Option(help=f"Angle of incidence from the x axis in rad: {DRAWN}.")] = "0",
    physics: Annotated[str, typer.Option(help="Physics list: auto, FTFP_BERT or electromagnetic.")] = "auto",
    chunk_size: Annotated[int, typer.Option(min=1, help="Showers per chunk; another size gives other showers.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Simulate showers with Geant4. If it was killed, run the same command again to continue."""
    from simulacra.workflows.simulate import simulate

    summary = simulate(
        "geant4",
        out,
        n_events,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        chunk_size=chunk_size,
        overwrite=overwrite,
        geometry=geometry,
        particle=particle,
        energy=energy,
        impact_x=impact_x,
        impact_y=impact_y,
        polar_angle=polar_angle,
        azimuthal_angle=azimuthal_angle,
        physics_list=physics,
    )
    _say(summary, f"{particle} showers", "per shower")


@app.command()
def pythia(
    out: Annotated[Path, typer.Argument(help="The store to write, such as collisions.zarr.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of events.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events, with any number of workers.")],
    process: Annotated[
        str | None,
        typer.Option(
            help="z-to-dijets, qcd-dijets, z-plus-jet, top-pairs or minimum-bias; of which each event is its leading "
            "jet, at 1 TeV: gluon-jets, light-quark-jets, top-jets, w-jets, z-jets, or jets for these in turn; or its "
            "image, at 250 to 300 GeV: qcd-jet-images, w-jet-images, or jet-images for these in turn; or the "
            "image of the calorimeter around its muon: b-muon-images, prompt-muon-images, or muon-images for these in "
            "turn; multi-jets, jets without particles; pile-up, the visible particles of minimum-bias collisions."
        ),
    ] = None,
    card: Annotated[Path | None, typer.Option(help="Pythia card (.cmnd); overrides the process.")] = None,
    set_values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Pythia setting; overrides the card. Repeatable."),
    ] = None,
    lhe: Annotated[Path | None, typer.Option(help="Les Houches event file with the hard processes.")] = None,
    lhe_weight: Annotated[
        list[str] | None,
        typer.Option(
            help="Weight of the LHE file to keep as a variation, by name or pattern such as 'MUR*'. Repeatable. "
            "By default all, if there are at most 20."
        ),
    ] = None,
    shower: Annotated[str, typer.Option(help="Parton shower: simple or vincia.")] = "simple",
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=f"Parameter to draw: NAME is alphaS, aLund, probStoUD ... or a Pythia key, VALUE {DRAWN}. Repeatable.",
        ),
    ] = None,
    events_per_draw: Annotated[int, typer.Option(min=1, help="Number of events with the same drawn parameters.")] = 250,
    variation: Annotated[
        list[str] | None,
        typer.Option(help="Variation to keep as an exact weight, such as 'up fsr:muRfac=0.5'. Repeatable."),
    ] = None,
    jets: Annotated[float | None, typer.Option(help="Radius of anti-kT jets; no jets if not given.")] = None,
    n_jets: Annotated[int, typer.Option(min=1, help="Number of jets to keep.")] = 2,
    jet_min_pt: Annotated[float, typer.Option(min=0, help="Lowest transverse momentum of a jet in GeV.")] = 0.0,
    leading_jet: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH",
            help="Make each event the leading jet of a collision, in coordinates relative to it, if its transverse "
            "momentum in GeV is in this range. The radius is that of --jets, 0.8 if not given.",
        ),
    ] = None,
    jet_particles: Annotated[
        int | None, typer.Option(min=1, help="Particles to keep of a leading jet, the hardest ones; 150 if not given.")
    ] = None,
    image_rotation: Annotated[
        str | None,
        typer.Option(
            help="Make each event the image of a collision's leading jet, turned by a cubic spline (spline) or not "
            "(none); the processes of images turn by a spline if not given."
        ),
    ] = None,
    pile_up: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Mean number of minimum-bias collisions in an image around a muon: 0 for none; 50 if not given.",
        ),
    ] = None,
    max_particles: Annotated[
        int | None, typer.Option(min=1, help="Most particles per event; the default depends on the process.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Events per chunk; another size gives other events.")] = 2500,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Simulate collisions with Pythia 8. If it was killed, run the same command again to continue."""
    from simulacra.workflows.simulate import simulate

    leading = _leading_jet(leading_jet, jets, jet_particles)
    clustered = jets if leading_jet is None else None
    summary = simulate(
        "pythia",
        out,
        n_events,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        chunk_size=chunk_size,
        overwrite=overwrite,
        process=process,
        card="" if card is None else card,
        values=pairs("--set", set_values or ()),
        shower=shower,
        vary=pairs("--vary", vary or ()),
        events_per_draw=events_per_draw,
        variations=tuple(variation or ()),
        max_particles=max_particles,
        jets=None if clustered is None else {"radius": clustered, "n_jets": n_jets, "min_pt": jet_min_pt},
        leading_jet=leading or None,
        jet_image=None if image_rotation is None else {"rotation": image_rotation},
        muon_image=None if pile_up is None else {"pile_up": pile_up},
        lhe=lhe,
        lhe_weights=None if lhe_weight is None else tuple(lhe_weight),
    )
    _say(summary, f"{process or 'Pythia'} events", "per event")


@app.command()
def shower(
    out: Annotated[Path, typer.Argument(help="The store to write, such as showers.zarr.")],
    energy: Annotated[str, typer.Option(help=f"Light-cone energy of the first gluon in GeV: {DRAWN}.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of showers.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same showers, with any number of workers.")],
    coupling: Annotated[float, typer.Option(help="The strong coupling, which does not run.")] = 0.25,
    largest_angle: Annotated[float, typer.Option(help="Angle at which the shower starts, in rad.")] = 0.4,
    cutoff: Annotated[float, typer.Option(help="Lowest transverse momentum of a splitting in GeV.")] = 1.0,
    ordering: Annotated[
        float, typer.Option(help="Exponent a of the ordering variable E^a theta: 0 for angle, 1 for kT.")
    ] = 0.0,
    hard_enhancement: Annotated[
        float, typer.Option(help="h of the factor 1 + h (4 z (1 - z))^2 on the Altarelli-Parisi function.")
    ] = 0.0,
    splittings: Annotated[
        bool, typer.Option("--splittings", help="Also keep z, angle and energy of every splitting: not for training.")
    ] = False,
    max_partons: Annotated[int, typer.Option(min=2, help="Places for partons in an event.")] = 48,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Showers per chunk; another size gives other showers.")] = 5000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Make parton showers of a toy with a known kernel. If it was killed, run the same command again to continue."""
    from simulacra.workflows.simulate import simulate

    summary = simulate(
        "shower",
        out,
        n_events,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        chunk_size=chunk_size,
        overwrite=overwrite,
        parton_energy=energy,
        coupling=coupling,
        largest_angle=largest_angle,
        cutoff=cutoff,
        ordering=ordering,
        hard_enhancement=hard_enhancement,
        splittings=splittings,
        max_partons=max_partons,
    )
    _say(summary, "parton showers", "per shower")


@app.command()
def hemispheres(
    out: Annotated[Path, typer.Argument(help="The store to write, such as hemispheres.zarr.")],
    energy: Annotated[str, typer.Option(help=f"Energy of both gluons in GeV: {DRAWN}.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of hemispheres.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events, with any number of workers.")],
    cutoff: Annotated[float, typer.Option(help="Lowest transverse momentum of Pythia's shower in GeV.")] = 1.0,
    max_partons: Annotated[int, typer.Option(min=2, help="Places for partons in an event.")] = 48,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Events per chunk; another size gives other events.")] = 2500,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Simulate the showers of gluons with Pythia 8, without hadrons. A killed run continues with the same command."""
    from simulacra.workflows.simulate import simulate

    summary = simulate(
        "hemispheres",
        out,
        n_events,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        chunk_size=chunk_size,
        overwrite=overwrite,
        gluon_energy=energy,
        cutoff=cutoff,
        max_partons=max_partons,
    )
    _say(summary, "gluon hemispheres", "per event")


@app.command()
def fields(
    out: Annotated[Path, typer.Argument(help="The store to write, such as fields.zarr.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of fields.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same fields, with any number of workers.")],
    form: Annotated[str, typer.Option(help="gaussian or lognormal.")] = "gaussian",
    amplitude: Annotated[str, typer.Option(help=f"Power at k = 0.5 rad per pixel: {DRAWN}.")] = "0.3",
    spectral_index: Annotated[str, typer.Option(help=f"Index of the power spectrum: {DRAWN}.")] = "-1.5",
    pixels: Annotated[int, typer.Option(min=4, help="Number of pixels along an axis.")] = 64,
    axes: Annotated[int, typer.Option(min=1, max=3, help="Number of axes.")] = 2,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Fields per chunk.")] = 256,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Make Gaussian or lognormal random fields, whose likelihood is known. A killed run continues."""
    from simulacra.workflows.simulate import simulate

    summary = simulate(
        "fields",
        out,
        n_events,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        chunk_size=chunk_size,
        overwrite=overwrite,
        form=form,
        amplitude=amplitude,
        spectral_index=spectral_index,
        pixels=pixels,
        axes=axes,
    )
    _say(summary, f"{form} fields", "per field")


@app.command()
def detector(
    particles: Annotated[Path, typer.Argument(help="Store of particles, such as one from simulate pythia.")],
    out: Annotated[Path, typer.Argument(help="The store to write, such as seen.zarr.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events, with any number of workers.")],
    settings: Annotated[str, typer.Option(help="Shipped detector (lep-like) or a TOML file.")] = "lep-like",
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Scheduler = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Simulate a parametric detector on particles. If it was killed, run the same command again to continue."""
    from simulacra.simulators.detector_settings import DetectorSettings
    from simulacra.workflows.simulate import simulate

    loaded = DetectorSettings.load(settings)
    summary = simulate(
        "detector",
        out,
        seed=seed,
        particles=particles,
        settings=settings,
        workers=workers,
        scheduler=scheduler,
        overwrite=overwrite,
    )
    _say(summary, f"events as a {loaded.name} detector sees them", "per event")


def _leading_jet(pt: str | None, radius: float | None, particles: int | None) -> dict[str, float]:
    """Return the settings of the leading jet that options give; {} if none does."""
    found: dict[str, float] = {} if particles is None else {"particles": particles}
    if pt is None:
        return found
    try:
        low, high = map(float, pt.split(":"))
    except ValueError:
        raise ValueError(f"--leading-jet takes LOW:HIGH in GeV, such as 800:1600, not '{pt}'") from None
    return found | {"min_pt": low, "max_pt": high} | ({} if radius is None else {"radius": radius})


def _say(summary: WriteSummary, what: str, each: str) -> None:
    """Say what was written, and how long it took."""
    resumed = f" ({summary.n_resumed_events:,} were there)" if summary.n_resumed_events else ""
    typer.echo(
        f"{summary.n_events:,} {what} in {summary.path}{resumed}: "
        f"{summary.seconds_per_event:.3g} s of one core {each}, {summary.seconds:.1f} s in all"
    )
