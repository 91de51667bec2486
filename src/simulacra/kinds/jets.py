"""The common part of systems of jets: conditions, tensors, mirror images, validation by observables of jets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import EventsError, validate
from simulacra.kinds.description import columns_of, describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation
from simulacra.observables.jet_clouds import jet_observables_of
from simulacra.observables.relative_jets import (
    JET_CLASS,
    OF_PARTICLES,
    hardest_particles,
    jet_variable,
    refuse_impossible_jets,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

CONDITIONS: Final[Mapping[str, Condition]] = {
    "jet_class": JET_CLASS,
    "jet_pt": Condition("GeV", "transverse momentum of the jet", kind="empirical", positive=True),
}
#: attributes of the training sample that generated jets also have
CARRIES: Final = ()
PARTICLE_VARIABLES: Final = OF_PARTICLES
#: observables by which a checkpoint is chosen: not those that are reported (mass, particles, energy flow, Frechet)
CHOSEN_BY: Final = (
    "multiplicity",
    "summed_pt",
    "leading_pt_1",
    "leading_pt_2",
    "leading_pt_3",
    "width",
    "pt_dispersion",
    "d2",
)
#: number of jets of the validation part that are judged
MOST_VALIDATED: Final = 20_000


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, (N, 3 P + 2).

    Its columns are eta, phi and pT of P particles relative to the jet, all 0 of absent ones; the jet's pseudorapidity
    and its mass [TeV].
    """
    particles = output[:, :-2].reshape(len(output), len(PARTICLE_VARIABLES), -1)
    columns = {name: np.ascontiguousarray(particles[:, i]) for i, name in enumerate(PARTICLE_VARIABLES)}
    columns["present"] = columns["pt_rel"] > 0
    # Far below the trained transverse momenta jets are wider than half a turn.
    if (beyond := np.abs(columns["phi_rel"]) > np.pi).any():
        columns["phi_rel"][beyond] = (columns["phi_rel"][beyond] + np.pi) % np.float32(2 * np.pi) - np.pi
    columns |= {"jet_eta": output[:, -2].copy(), "jet_mass": 1000 * output[:, -1]}
    return {name: jet_variable(values, name) for name, values in columns.items()}


class Jets:
    """The training jets of a system.

    Parameters
    ----------
    events:
        the training part.
    particles:
        number of places for particles; if there are more, the softest particles are left out.

    Raises
    ------
    simulacra.events.EventsError
        if the events are no jets in relative coordinates, lack a condition, or hold jets that are impossible.

    Warns
    -----
    UserWarning
        if jets have more particles.
    """

    def __init__(self, events: xr.Dataset, particles: int) -> None:
        if "jet_class" not in events:
            raise EventsError(
                "missing condition 'jet_class'; for a file in JetNet's layout, simulacra.read(path, particle='t') sets "
                "it (g, q, t, w or z), and docs/jets.md joins several such files"
            )
        validate(events, conditions=tuple(CONDITIONS), features=(*PARTICLE_VARIABLES, "jet_eta", "jet_mass"))
        refuse_impossible_jets(events)
        self.particles = particles
        number = np.count_nonzero(events["present"].values, axis=1)
        if (beyond := number > particles).any():
            share = f"{100 * beyond.mean():.1f} %"
            warnings.warn(
                f"{share} of the jets have more than {particles} particles, up to {number.max()}: "
                f"only the {particles} hardest of each are learned; set system.particles for more",
                stacklevel=2,
            )
        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES)
        self.validation = EventValidation(tuple(CONDITIONS), observed, binned=("jet_class",), weighted=False)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``cloud`` (N, P, 3), ``attributes`` (N, 13) and ``conditions`` (N, 2) in physical units."""
        from simulacra.representations.jet_attributes import attributes_of

        physical = self.physical(events)
        cloud, jet = physical["cloud"], physical.pop("jet")
        return physical | {"attributes": attributes_of(cloud, jet)}

    def physical(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``cloud`` (N, P, 3), ``conditions`` (N, 2), and ``jet`` (N, 3): multiplicity, mass / pT, and eta."""
        import torch

        cloud = torch.as_tensor(self._cloud(events))
        conditions = columns_of(events, tuple(CONDITIONS))
        number = (cloud[..., 2] > 0).sum(dim=1).to(cloud.dtype)
        eta, mass = (torch.as_tensor(events[name].values.astype(np.float32)) for name in ("jet_eta", "jet_mass"))
        jet = torch.stack([number, mass / conditions[:, 1], eta], dim=1)
        return {"cloud": cloud, "jet": jet, "conditions": conditions}

    def _cloud(self, events: xr.Dataset) -> np.ndarray:
        """Return eta, phi and pT of the hardest particles, (N, P, 3) float32; 0 where there is none."""
        kept = hardest_particles(events[[*PARTICLE_VARIABLES, "present"]], self.particles)
        there = kept["present"].values.astype(bool) & (kept["pt_rel"].values > 0)
        cloud = np.stack([np.where(there, kept[name].values, 0) for name in PARTICLE_VARIABLES], axis=2).astype(
            np.float32
        )
        beyond = self.particles - cloud.shape[1]
        return np.pad(cloud, ((0, 0), (0, max(0, beyond)), (0, 0)))

    def validate(self, model: nn.Module, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge a model by observables of its jets at the conditions of ``events``."""
        some = events.isel(event=slice(MOST_VALIDATED))
        made = to_variables(sampled(model, columns_of(some, tuple(CONDITIONS)), rng), self.description)
        hardest = self._cloud(some)
        conditions = some[list(CONDITIONS)]
        columns = {name: hardest[..., i] for i, name in enumerate(PARTICLE_VARIABLES)}
        columns["present"] = hardest[..., 2] > 0
        truth = conditions.assign({name: (("event", "place"), values) for name, values in columns.items()})
        return self.validation.check(truth, conditions.assign(made))


def observed(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables by which a checkpoint is chosen, (N,) each, by name."""
    cloud = [np.asarray(events[name].values) for name in (*PARTICLE_VARIABLES, "present")]
    found = jet_observables_of(*cloud)
    return {name: found[name] for name in CHOSEN_BY}


def example(folder: Path, **system: Any) -> dict[str, Any]:
    """Return an experiment on a few jets that are simulated into the folder; it trains in seconds."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings

    settings = PythiaSettings.model_validate({"process": "jets", "leading_jet": {"particles": 30}})
    path = folder / "jets.zarr"
    write_collisions(path, settings, seed=1, n_events=600, progress=False)
    return {
        "name": f"example-{system['kind']}",
        "data": {"path": str(path)},
        "system": system,
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
