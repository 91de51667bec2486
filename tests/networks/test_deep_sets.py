"""Networks of particles, tables and ratios: what they must not see, and what must reach them."""

import pytest
import torch
from torch import nn

from simulacra.networks.deep_sets import ParticleFlowNetwork, perceptron
from simulacra.networks.feature_network import FeatureNetwork
from simulacra.networks.ratio_head import RatioHead

SPECIES = 5


def network(**options: object) -> ParticleFlowNetwork:
    torch.manual_seed(1)
    defaults: dict[str, object] = {"particle_widths": (16, 12), "event_widths": (8,), "summary": 6}
    return ParticleFlowNetwork(3, SPECIES, **(defaults | options))  # type: ignore[arg-type]


def clouds(n: int = 4, particles: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and species; event 0 is full, event 1 empty, the others in between."""
    rng = torch.Generator().manual_seed(2)
    features = torch.randn(n, particles, 3, generator=rng)
    species = torch.randint(1, SPECIES, (n, particles), generator=rng)
    for event, number in enumerate([particles, 0, 3, 1][:n]):
        species[event, number:] = 0
    return features.masked_fill(species[..., None] == 0, 0.0), species


def test_the_order_of_the_particles_does_not_matter() -> None:
    features, species = clouds()
    summary = network()(features, species)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(network()(features[:, order], species[:, order]), summary, rtol=0, atol=1e-5)
    # Features that are not moved along with their identities are another event.
    assert (network()(features[:, order], species) - summary)[0].abs().max() > 1e-3


def test_padding_does_not_matter_whatever_stands_in_it() -> None:
    features, species = clouds()
    wide = torch.full((4, 20, 3), 1e3)
    wide[:, :7] = features
    more = torch.zeros(4, 20, dtype=species.dtype)
    more[:, :7] = species
    torch.testing.assert_close(network()(wide, more), network()(features, species), rtol=0, atol=1e-6)


def test_an_event_does_not_hang_on_those_beside_it() -> None:
    features, species = clouds()
    together = network()(features, species)
    alone = torch.cat([network()(features[i : i + 1], species[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


def test_an_empty_event_has_the_summary_of_nothing() -> None:
    features, species = clouds()
    summary = network()(features, species)
    nothing = network().event(torch.zeros(1, 12))
    torch.testing.assert_close(summary[1:2], nothing)
    only_empty = network()(features[1:2], species[1:2])
    torch.testing.assert_close(only_empty, nothing)


def test_numbers_of_particles_and_identities_matter() -> None:
    features, species = clouds()
    summary = network()(features, species)
    twice = network()(torch.cat([features, features], 1), torch.cat([species, species], 1))
    assert (twice - summary)[0].abs().max() > 1e-3
    other = species.clone()
    other[0, 0] = 1 + species[0, 0] % (SPECIES - 1)
    changed = (network()(features, other) - summary).detach().abs().amax(dim=1)
    assert changed[0] > 1e-4
    assert float(changed[1:].max()) == 0


def test_sums_are_divided_by_the_typical_number() -> None:
    features, species = clouds()
    one, other = network(), network(typical_number=4.0)
    other.load_state_dict({**one.state_dict(), "typical_number": torch.tensor(4.0)})
    both = [m.event[0].register_forward_hook for m in (one, other)]
    inputs: list[torch.Tensor] = []
    for register in both:
        register(lambda _module, given, _output: inputs.append(given[0]))
    one(features, species)
    other(features, species)
    torch.testing.assert_close(inputs[0], 4.0 * inputs[1])
    one.set_typical_number(4.0)
    torch.testing.assert_close(one(features, species), other(features, species))


def test_half_precision_features_pass() -> None:
    features, species = clouds()
    halves = features.half()
    torch.testing.assert_close(network()(halves, species.to(torch.uint8)), network()(halves.float(), species))


@pytest.mark.parametrize("widths", [(16,), (16, 12), (16, 16, 16)])
def test_gradient_reaches_each_parameter(widths: tuple[int, ...]) -> None:
    module = network(particle_widths=widths)
    features, species = clouds(n=3, particles=9)
    species[0, :4] = torch.arange(1, SPECIES)
    module(features, species).square().sum().backward()
    for name, parameter in module.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, name
        # The column of "absent" is never used.
        used = gradient[1:] if name == "identity.weight" else gradient
        assert bool((used != 0).any(dim=-1).all()) if name == "identity.weight" else bool((used != 0).any()), name
    assert float(module.identity.weight.grad[0].abs().max()) == 0  # type: ignore[index]


def test_perceptrons_end_in_a_linear_layer_unless_asked() -> None:
    assert [type(layer) for layer in perceptron([2, 3, 1])] == [nn.Linear, nn.SiLU, nn.Linear]
    assert [type(layer) for layer in perceptron([2, 3], last_activation=True)] == [nn.Linear, nn.SiLU]
    assert FeatureNetwork(3, widths=(), summary=4)(torch.ones(5, 3)).shape == (5, 4)


# the head


def head(parameters: int) -> RatioHead:
    torch.manual_seed(4)
    return RatioHead(6, parameters, (8, 8))


def test_shapes_of_the_head() -> None:
    z, reference = torch.randn(5, 6), torch.zeros(2)
    assert head(0)(z).shape == (5,)
    assert head(2)(z, torch.randn(5, 2), reference).shape == (5,)
    assert head(2)(z[:, None].expand(-1, 3, -1), torch.randn(5, 3, 2), reference).shape == (5, 3)
    assert head(2)(z[:0], torch.randn(0, 2), reference).shape == (0,)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1e3])
def test_the_ratio_is_one_at_the_reference_whatever_the_weights(scale: float) -> None:
    module = head(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(scale)
    z = torch.randn(50, 6, generator=torch.Generator().manual_seed(5))
    reference = torch.tensor([0.3, -0.7])
    at_reference = module(z, reference.expand(50, 2), reference)
    torch.testing.assert_close(at_reference, torch.zeros(50), rtol=0, atol=0)
    assert module(z, (reference + 0.1).expand(50, 2), reference).abs().max() > 0


def test_gradient_reaches_the_heads_parameters_but_for_the_last_offset() -> None:
    module = head(2)
    module(torch.randn(5, 6), torch.randn(5, 2), torch.zeros(2)).square().sum().backward()
    blind = [n for n, p in module.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    # What is added to both terms of the difference cancels.
    assert blind == ["network.4.bias"]
