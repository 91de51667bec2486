"""The summed mass predicted by a template whose density is known, and what is refused."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import simulacra
from multi_jet_events import toy_multi_jets
from simulacra.events import EventsError, take_part
from simulacra.observables.multi_jets import single_jets, with_jets
from simulacra.store import write_events
from simulacra.systems import jet_mass_template
from simulacra.trained import ExtrapolationWarning
from simulacra.trained.find import load_members

EDGES = np.linspace(50, 450, 9)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    write_events(single_jets(toy_multi_jets(900), 1, 2), folder / "jets.zarr")
    experiment = {
        "name": "toy",
        "data": {"path": str(folder / "jets.zarr")},
        "system": {"kind": "jet_mass_template", "bootstrap": True, "width": 8, "bins": 4},
        "training": {
            "steps": 150,
            "batch_size": 256,
            "learning_rate": 0.02,
            "validate_every": 50,
            "accelerator": "cpu",
        },
    }
    simulacra.train(experiment, folder / "run", members=2, progress=False)
    return folder / "run"


def test_the_summed_mass_of_a_known_density_lies_in_the_band(ensemble: Path) -> None:
    region = with_jets(toy_multi_jets(1500, seed=2), 3)
    found = simulacra.summed_jet_mass(ensemble, region.drop_vars("jet_mass"), EDGES, draws=10, seed=3)
    mass = (region["jet_mass"] * region["present"]).sum("jet").values
    seen = np.histogram(mass, EDGES)[0]
    # The jets' masses follow the template's density exactly; it was learned from few of them.
    pull = (seen - found["predicted"].values) / np.hypot(found["error"].values, 0.2 * found["predicted"].values)
    assert np.abs(pull).max() < 4
    assert (found["error"].values >= found["template_error"].values).all()
    assert (found["template_error"].values > 0).any()
    assert found.attrs == {"members": 2, "outside": 0.0}
    # The statistical error is that of sums of numbers that are 0 or 1: never above that of Poisson.
    assert (found["statistical_error"].values <= np.sqrt(found["predicted"].values) + 1e-9).all()


def test_members_see_other_jets_and_a_single_template_has_no_band(ensemble: Path) -> None:
    members = load_members(ensemble)
    region = with_jets(toy_multi_jets(200, seed=2), 3)
    alone = simulacra.summed_jet_mass(members[:1], region, EDGES, draws=4)
    assert (alone["template_error"].values == 0).all()
    np.testing.assert_allclose(
        simulacra.summed_jet_mass(members[:1], region, EDGES, draws=4)["predicted"], alone["predicted"]
    )


def test_jets_beyond_the_trained_range_are_told(ensemble: Path) -> None:
    region = with_jets(toy_multi_jets(200, seed=2), 3)
    far = region.assign(jet_pt=region["jet_pt"] * 3)
    with pytest.warns(ExtrapolationWarning, match="'jet_pt' from .* reaches outside the trained range"):
        found = simulacra.summed_jet_mass(ensemble, far, EDGES, draws=2)
    assert 0.3 < found.attrs["outside"] < 0.9


def test_what_makes_no_sense_is_refused(ensemble: Path) -> None:
    region = toy_multi_jets(20)
    for edges in ([100.0], [100, 100], [0, np.nan], [[0, 1]]):
        with pytest.raises(ValueError, match="two or more rising numbers"):
            simulacra.summed_jet_mass(ensemble, region, edges)
    with pytest.raises(ValueError, match="at least twice an event, not 1 times"):
        simulacra.summed_jet_mass(ensemble, region, EDGES, draws=1)
    with pytest.raises(ValueError, match="'calo-eplus' is of the system showerflow"):
        simulacra.summed_jet_mass("calo-eplus", region, EDGES)
    with pytest.raises(ValueError, match="there is no template"):
        simulacra.summed_jet_mass([], region, EDGES)
    with pytest.raises(EventsError, match="'jet_pt' is not there"):
        simulacra.summed_jet_mass(ensemble, region.drop_vars("jet_pt"), EDGES)


def test_a_bootstrap_sample_weights_each_training_jet_once_and_for_all() -> None:
    jets = single_jets(toy_multi_jets(400))
    training = take_part(jets, "train")
    settings = jet_mass_template.Settings(bootstrap=True)
    torch.manual_seed(1)
    trainer = jet_mass_template.Trainer(settings, training)
    weight = trainer.tensors(training)["weight"].numpy()
    assert set(np.unique(weight)) <= set(range(12))
    assert weight.mean() == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(trainer.tensors(training.isel(event=[5, 3]))["weight"], weight[[5, 3]])
    assert (trainer.tensors(take_part(jets, "validation"))["weight"] == 1).all()
    torch.manual_seed(2)
    other = jet_mass_template.Trainer(settings, training).tensors(training)["weight"].numpy()
    assert (other != weight).any()


def test_the_density_integrates_to_one_and_is_the_same_at_both_signs_of_eta() -> None:
    torch.manual_seed(1)
    jets = single_jets(toy_multi_jets(300))
    module = copy.deepcopy(jet_mass_template.Trainer(jet_mass_template.Settings(width=8), jets).family.average)
    log = torch.linspace(-5, 2, 4001)
    conditions = torch.tensor([[300.0, 1.2]]).expand(len(log), 2)
    with torch.no_grad():
        density = module.log_prob(torch.exp(log) * 300, conditions).exp() / module.scale[0]
        mirrored = module.log_prob(torch.exp(log) * 300, conditions * torch.tensor([1.0, -1.0]))
    assert float(torch.trapezoid(density, log)) == pytest.approx(1, abs=2e-3)
    torch.testing.assert_close(mirrored.exp() / module.scale[0], density)


def test_massless_jets_and_unequal_shapes_are_refused_for_training() -> None:
    jets = single_jets(toy_multi_jets(100))
    broken = jets.copy(deep=True)
    broken["jet_mass"].values[7] = 0
    with pytest.raises(EventsError, match=f"'jet_mass' is 0 GeV in event {int(jets['event'][7])}: .*above 0"):
        jet_mass_template.Trainer(jet_mass_template.Settings(), broken)
