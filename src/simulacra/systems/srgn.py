"""SRGN: parameters fitted at detector level with weights made at particle level.

Andreassen, Hsu, Nachman, Suaysom and Suresh, arXiv:2010.03569. It reproduces the fits of Pythia's parameters behind a
detector, by the nested optimisation and by the classifier that is continuous in the parameters.

From the paper: weights w(x_P, theta) of the particles before the detector, a classifier behind it, and the estimate
theta* = argmax_theta min_g of its loss. Different here: in the nested form g is a logistic regression on the summary of
the detector-level network, whose minimum is exact and convex (:mod:`simulacra.fits.detector_level`); in the
one-classifier form both classes come from the same events (:mod:`simulacra.reweighting.transfer`), so no second
detector simulation is needed.
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
    """Settings of a detector-level log ratio; ``data.path`` names the events behind the detector.

    Attributes
    ----------
    particle:
        store or file of the same events before the detector.
    reweighter:
        the particle-level reweighter: a shipped one's name, a file or a run folder.
    """

    kind: Literal["srgn"] = "srgn"
    particle: Annotated[str, Field(min_length=1)]
    reweighter: Annotated[str, Field(min_length=1)]


def fit(experiment: Experiment, settings: Settings, run: Path, read: Read, *, progress: bool = True) -> Reweighter:
    """Train the detector-level log ratio of the experiment into ``run``."""
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.reweighting.transfer import fit_transferred

    return fit_transferred(
        first_events(read(experiment.data.path), experiment.data.max_events),
        first_events(read(settings.particle), experiment.data.max_events),
        Reweighter.load(settings.reweighter),
        reweighter_settings(settings, experiment.training),
        run,
        name=experiment.name,
        seed=experiment.seed,
        progress=progress,
    )


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment on Pythia events, simulated with a detector into ``folder``."""
    from simulacra.simulators.detector import write_detector
    from simulacra.simulators.detector_settings import DetectorSettings

    particle, _ = collisions.example_samples(folder)
    seen = folder / "seen.zarr"
    write_detector(particle, seen, DetectorSettings.load("lep-like"), seed=3, progress=False)
    return collisions.example(seen, kind="srgn", particle=str(particle), reweighter="dctr-z")
