"""One contract for every family that learns from events alone, and each family's numbers where they are known."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simulacra.generators.distillation import Distillation
from simulacra.generators.flow import NormalisingFlow, SplineFlow
from simulacra.generators.flow_matching import FlowMatching, transport
from simulacra.generators.points import PointFamily
from simulacra.generators.variational import Autoencoder, Variational
from simulacra.networks.velocity import Velocity

SIZE, CONTEXT = 4, 2


class Table(nn.Module):
    """The points of a batch as they are, learned by one network."""

    def __init__(self, network: nn.Module, steps: int = 1) -> None:
        super().__init__()
        self.network, self.steps = network, steps

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.network}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        assert stage == "generator"
        return batch["points"], batch["context"]

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        assert stage == "generator"
        return transport(self.network, noise, context, self.steps, "euler")


def velocity() -> Velocity:
    network = Velocity(SIZE, CONTEXT, 16, 2, 8)
    network.variance.copy_(torch.tensor([0.1, 0.5, 1.0, 3.0]))
    return network


def distilled() -> Distillation:
    # A teacher that has learned something: an untrained one is linear.
    teacher = velocity()
    nn.init.normal_(teacher.last.weight, std=0.3)
    return Distillation(Table(copy.deepcopy(teacher)), Table(teacher, steps=8))


FAMILIES: dict[str, Callable[[], PointFamily]] = {
    "flow matching": lambda: FlowMatching(Table(velocity())),
    "coupling flow": lambda: NormalisingFlow(Table(SplineFlow(SIZE, CONTEXT, transforms=2, width=16))),
    "autoregressive flow": lambda: NormalisingFlow(
        Table(SplineFlow(SIZE, CONTEXT, coupling="autoregressive", transforms=2, width=16))
    ),
    "autoencoder": lambda: Variational(Table(Autoencoder(SIZE, CONTEXT, code=3, width=16))),
    "distillation": distilled,
}


def made(family: PointFamily, n: int, seed: int = 5) -> Tensor:
    network = family.average.network
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, getattr(network, "latent", SIZE), generator=rng)
    context = torch.zeros(n, CONTEXT)
    with torch.no_grad():
        return transport(network, noise, context, 2) if isinstance(network, Velocity) else network(noise, context)


def batch(n: int = 64) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {"points": torch.randn(n, SIZE, generator=rng), "context": torch.randn(n, CONTEXT, generator=rng)}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> PointFamily:
    torch.manual_seed(2)
    return FAMILIES[request.param]()


def trained(family: PointFamily, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(family.players()["generator"].parameters(), lr=3e-3)
    losses = []
    rng = torch.Generator().manual_seed(3)
    for step in range(steps):
        optimizer.zero_grad()
        loss, _ = family("generator", batch(), step, rng)
        loss.backward()
        optimizer.step()
        family.after_step(step)
        losses.append(float(loss.detach()))
    return losses


def test_loss_is_a_finite_scalar_and_a_function_of_the_seed(family: PointFamily) -> None:
    first, again, other = (
        family("generator", batch(), 0, torch.Generator().manual_seed(seed))[0].detach() for seed in (3, 3, 4)
    )
    assert first.shape == ()
    assert bool(torch.isfinite(first))
    assert float(first) == float(again)
    assert float(first) != float(other) or isinstance(family, NormalisingFlow)


def test_gradients_reach_every_weight_and_only_those_in_training(family: PointFamily) -> None:
    family("generator", batch(), 0, torch.Generator().manual_seed(3))[0].backward()
    for name, weight in family.players()["generator"].named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().sum()) > 0, name
    assert all(weight.grad is None for weight in family.average.parameters())


def test_training_lowers_the_loss_and_moves_the_average(family: PointFamily) -> None:
    before = copy.deepcopy(family.average.state_dict())
    losses = trained(family, 60)
    # Noise of a batch's loss is some percent; the loss of 64 points that are always the same falls by more.
    assert sum(losses[-10:]) < sum(losses[:10])
    moved = [n for n, w in family.average.state_dict().items() if w.is_floating_point() and not w.equal(before[n])]
    assert {n.rsplit(".", 1)[0] for n, _ in family.average.named_parameters()} >= {n.rsplit(".", 1)[0] for n in moved}
    assert moved


def test_samples_have_the_shape_and_are_a_function_of_the_seed(family: PointFamily) -> None:
    trained(family, 2)
    points = made(family, 7)
    assert points.shape == (7, SIZE)
    assert bool(torch.isfinite(points).all())
    assert points.equal(made(family, 7))
    assert not points.equal(made(family, 7, seed=6))


def test_saved_weights_make_the_same_samples(family: PointFamily) -> None:
    trained(family, 2)
    points, state = made(family, 7), copy.deepcopy(family.average.state_dict())
    trained(family, 3)
    assert not points.equal(made(family, 7))
    family.average.load_state_dict(state)
    assert points.equal(made(family, 7))


# Flow matching


def test_an_untrained_velocity_carries_noise_to_the_normal_distribution_of_its_variance() -> None:
    network, noise = velocity().double().requires_grad_(False), batch()["points"].double()
    points = transport(network, noise, torch.zeros(64, CONTEXT).double(), 200)
    torch.testing.assert_close(points, noise * network.variance.sqrt(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_solvers_have_their_order(solver: Any, order: int) -> None:
    network, noise = velocity().double().requires_grad_(False), batch()["points"].double()
    nn.init.zeros_(network.last.weight)
    context = torch.zeros(64, CONTEXT).double()
    exact = noise * network.variance.sqrt()
    errors = [float((transport(network, noise, context, n, solver) - exact).abs().max()) for n in (128, 256)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_the_loss_of_the_true_velocity_is_one_and_of_a_wrong_one_more() -> None:
    """Of normal points with the network's variances the weighted error is chi-squared of mean 1 a component."""
    network = velocity()
    n = 20_000
    points = torch.randn(n, SIZE, generator=torch.Generator().manual_seed(7)) * network.variance.sqrt()
    data = {"points": points, "context": torch.zeros(n, CONTEXT)}
    loss = FlowMatching(Table(network))("generator", data, 0, torch.Generator().manual_seed(8))[0]
    # The error of a mean of 80,000 squares is 0.005; precision stops short for the narrowest at small angles only.
    assert float(loss.detach()) == pytest.approx(1.0, abs=0.025)
    data["points"] = 2 * points
    wrong = FlowMatching(Table(network))("generator", data, 0, torch.Generator().manual_seed(8))[0]
    assert float(wrong.detach()) > 1.2


# Normalising flows


@pytest.mark.parametrize("coupling", ["coupling", "autoregressive"])
def test_log_prob_is_the_base_density_times_the_jacobian(coupling: Any) -> None:
    torch.manual_seed(4)
    flow = SplineFlow(3, CONTEXT, coupling=coupling, transforms=2, width=16).double()
    points, context = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, CONTEXT, dtype=torch.float64)
    for x, c in zip(points, context, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda y, c=c: flow.inverse(y[None], c[None])[0], x)
        noise = flow.inverse(x[None], c[None])[0]
        expected = -0.5 * noise.square().sum() - 1.5 * math.log(2 * math.pi) + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(flow.log_prob(x[None], c[None])[0], expected)
    back = flow(flow.inverse(points, context), context)
    torch.testing.assert_close(back, points, rtol=1e-6, atol=1e-6)


def test_density_of_a_flow_integrates_to_one() -> None:
    torch.manual_seed(4)
    flow = SplineFlow(1, CONTEXT, coupling="autoregressive", transforms=2, width=16)
    x = torch.linspace(-8, 8, 4001)[:, None]
    with torch.no_grad():
        density = flow.log_prob(x, torch.ones(len(x), CONTEXT)).exp()
    assert float(torch.trapezoid(density, x.flatten())) == pytest.approx(1.0, abs=1e-3)


def test_a_coupling_flow_of_one_component_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 components"):
        SplineFlow(1, CONTEXT)


# Autoencoders


def test_bound_of_an_autoencoder_that_encodes_nothing_is_the_normal_density() -> None:
    network = Autoencoder(SIZE, CONTEXT, code=3, width=16)
    for last in (network.encoder[-1], network.decoder[-1]):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    loss = Variational(Table(network))("generator", batch(), 0, torch.Generator().manual_seed(1))[0]
    expected = (0.5 * batch()["points"].square() + 0.5 * math.log(2 * math.pi)).mean()
    torch.testing.assert_close(loss.detach(), expected)


# Distillation


def test_a_student_that_does_what_its_teacher_does_has_no_loss() -> None:
    student = distilled()
    student.model.steps = student._teacher[0].steps
    assert float(student("generator", batch(), 0, torch.Generator().manual_seed(1))[0].detach()) == 0
    assert student.average.network is not student._teacher[0].network


def test_distillation_neither_trains_nor_saves_the_teacher() -> None:
    torch.manual_seed(2)
    student = distilled()
    teacher = copy.deepcopy(student._teacher[0].state_dict())
    losses = trained(student, 150)
    # One step of the teacher's own weights is far off; a student gets nearer.
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert all(w.equal(teacher[name]) for name, w in student._teacher[0].state_dict().items())
    assert not any("teacher" in name for name in student.state_dict())
