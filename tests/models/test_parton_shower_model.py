"""The generator of parton showers: conservation, one distribution by both ways of drawing, and its probability."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from simulacra.models.parton_shower import PartonShower, ShowerCritic, splittings_of
from simulacra.observables.lund import clouds_of, decluster

N = 1500


def shower() -> PartonShower:
    torch.manual_seed(3)
    model = PartonShower(24, 1.0, 0.4, 6, 3)
    with torch.no_grad():
        for parameter in model.kernel.parameters():
            if parameter.ndim == 2:
                parameter.mul_(2.0)
    return model.eval()


def test_energy_and_transverse_momentum_are_conserved_and_kt_is_above_the_cutoff() -> None:
    model = shower()
    energies = torch.linspace(20, 150, N)[:, None]
    noise = torch.randn(N, model.latent, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        output = model(noise, energies).double()
    coupled = (output[..., 3] + output[..., 0]) / 2
    torch.testing.assert_close(coupled.sum(dim=1), energies[:, 0].double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(output[..., 1:3].sum(dim=1), torch.zeros(N, 2).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(output[..., :3].norm(dim=2), output[..., 3], rtol=1e-5, atol=1e-5)
    present = output[..., 3] > 0
    assert float(coupled[present].min()) > 1.0 / 0.4 * 0.99
    assert (present.sum(dim=1) < 24).all()


def test_both_ways_of_drawing_have_one_distribution() -> None:
    model, rng = shower(), torch.Generator().manual_seed(2)
    energies = torch.full((N, 1), 120.0)
    with torch.no_grad():
        energy, _ = model.shower(torch.randn(N, model.latent, generator=rng), energies)
        (event, grown, slope), _ = model.grow(energies, rng)
    counts = np.bincount(event.numpy(), minlength=N)
    # two tests at a false-alarm rate of 1e-3
    assert stats.ks_2samp((energy > 0).sum(dim=1).numpy(), counts).pvalue > 1e-3
    largest = clouds_of(event.numpy(), grown.numpy(), slope.numpy(), N)[0].max(axis=1)
    # Rounded, for an unsplit parton is 120 GeV in one and its logarithm's exponential in the other.
    assert stats.ks_2samp(energy.max(dim=1).values.numpy().round(2), largest.round(2)).pvalue > 1e-3


def test_the_gradient_of_the_log_probability_is_zero_on_average() -> None:
    model, rng = shower(), torch.Generator().manual_seed(4)
    gradients = []
    for _ in range(12):
        with torch.no_grad():
            _, decided = model.grow(torch.full((N, 1), 120.0), rng)
        model.zero_grad()
        model.kernel.log_probability(decided, N).mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    each = torch.stack(gradients).numpy()
    seen = np.abs(each).max(axis=0) > 0
    pull = each.mean(axis=0)[seen] / (each.std(axis=0, ddof=1)[seen] / np.sqrt(len(each)))
    # Student's distribution with 11 degrees of freedom: its variance is 11 / 9, and parameters are correlated.
    assert (pull**2).mean() < 3


def test_a_shower_that_cannot_split_is_its_first_parton() -> None:
    model = shower()
    with torch.no_grad():
        energy, _ = model.shower(torch.randn(5, model.latent), torch.full((5, 1), 4.0))
        (event, _, _), decided = model.grow(torch.full((5, 1), 4.0), torch.Generator())
    assert (energy > 0).sum(dim=1).tolist() == [1] * 5
    assert event.tolist() == list(range(5))
    assert model.kernel.log_probability(decided, 5).tolist() == [0.0] * 5


def test_the_critic_knows_no_order() -> None:
    model = shower()
    with torch.no_grad():
        partons, _ = model.grow(torch.full((40, 1), 150.0), torch.Generator().manual_seed(5))
        energy, slope, present = clouds_of(*(x.numpy() for x in partons), 40)
        critic = ShowerCritic(8)
        asked = torch.full((40,), 0.3)

        def logit(order: np.ndarray) -> torch.Tensor:
            found = decluster(energy[:, order], slope[:, order], present[:, order])
            return critic(torch.as_tensor(splittings_of(found, 1.0)), torch.as_tensor(found.present), asked)

        places = energy.shape[1]
        shuffled = np.random.default_rng(1).permutation(places)
        torch.testing.assert_close(logit(np.arange(places)), logit(shuffled), atol=1e-5, rtol=1e-4)
