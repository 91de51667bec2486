"""DCTR: one simulation reweighted into another on the full phase space, continuous in the simulator's parameters.

Andreassen and Nachman, arXiv:1907.08209. It reproduces the figures of reweighted observables (default Pythia with other
values of alphaS, aLund and probStoUD in e+e- -> Z -> hadrons at 91.2 GeV) and the table of fits of the three
parameters, one by one and together.

From the paper: a particle flow network on all particles' momenta and identities, the cross entropy of target against
source, parameters among the inputs, drawn for the source, the weights f/(1-f), the fit with the classifier's loss.
Different here: the network sees the particles relative to the event's axes
(:class:`~simulacra.representations.particle_clouds.ParticleClouds`); the log-odds are a difference, so the weights are
1 at the source's parameters by construction; an ensemble gives the networks' uncertainty; the log-odds are calibrated
on events that no member was trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from simulacra.kinds import collisions
from simulacra.kinds.collisions import CONDITIONS, first_events, reweighter_settings
from simulacra.reweighting.settings import ReweighterSettings

if TYPE_CHECKING:
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.systems.find import Read
    from simulacra.training.settings import Experiment

__all__ = ["CONDITIONS", "MAKES", "Settings", "example", "fit"]

MAKES: Final = "weights"


class Settings(ReweighterSettings):
    """Settings of a reweighter that ``simulacra train`` makes; ``data.path`` names the target.

    Attributes
    ----------
    source:
        store or file of the events to reweight.
    """

    kind: Literal["dctr"] = "dctr"
    source: Annotated[str, Field(min_length=1)]


def fit(experiment: Experiment, settings: Settings, run: Path, read: Read, *, progress: bool = True) -> Reweighter:
    """Train the reweighter of the experiment into ``run``, and calibrate its fits over the box on the validation part.

    If the validation part is too small, or the networks are too far from the true ratio, the reweighter has no
    calibration but a warning.
    """
    from simulacra.fits.box_calibration import calibrate_over_box
    from simulacra.fits.errors import FitError
    from simulacra.reweighting.fitting import fit_reweighter

    source = first_events(read(settings.source), experiment.data.max_events)
    target = first_events(read(experiment.data.path), experiment.data.max_events)
    trained = fit_reweighter(
        source,
        target,
        reweighter_settings(settings, experiment.training),
        run,
        name=experiment.name,
        seed=experiment.seed,
        progress=progress,
    )
    if not trained.bounds:
        return trained
    try:
        reweighter = calibrate_over_box(trained, target, source, part="validation")
    except FitError as error:
        trained.description["warnings"] = [
            *trained.description["warnings"],
            f"fits are not calibrated: {error}; simulacra calibrate can do it with more events",
        ]
        reweighter = trained
    reweighter.save(run / "reweighter.safetensors")
    return reweighter


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment on Pythia events, simulated into ``folder``."""
    source, target = collisions.example_samples(folder)
    return collisions.example(target, kind="dctr", source=str(source))
