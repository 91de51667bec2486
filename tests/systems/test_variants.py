"""Systems with other settings than those of their examples: each may have some here, none needs to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from multi_jet_events import toy_collisions, toy_multi_jets
from simulacra import reference
from simulacra.events import variable
from simulacra.observables.multi_jets import single_jets
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
from simulacra.systems.variable_star import toy_stars
from system_checks import CHECKS, Case, case_of
from tiny_calogan import FIVE, SYSTEM, toy_showers
from toy_images import toy_images
from toy_jets import toy_jets

EPIC = {"kind": "epic", "width": 8, "blocks": 1, "pooled": 4, "jet_steps": 1, "particle_steps": 1}
LAGAN = {"kind": "lagan", "latent": 8, "channels": (2, 2, 2), "critic_channels": (2, 2, 2)}
STARS = {"kind": "variable_star", "code": 2, "width": 8, "blocks": 2, "observations": 20, "points": 32}
FIELDS = simulate_random_fields(RandomFieldSettings(pixels=9, amplitude="1", spectral_index="-1"), seed=1, n_events=300)
PLANES = FIELDS.drop_vars(["amplitude", "spectral_index"])
PILE_UP = {"kind": "pile_up", "particles": 12, "width": 8, "blocks": 1, "pooled": 4, "collision_steps": 1}
TRENF = {"kind": "trenf", "layers": 2, "knots": 5, "pieces": 6, "hidden": 8}
MULTISCALE = {"kind": "multiscale_field", "scales": 1, "width": 4, "layers": 1, "knots": 5, "pieces": 6, "hidden": 8}
MPGAN = {"kind": "mpgan", "latent": 3, "edge_widths": (4,), "critic_edge_widths": (4, 4), "node_width": 8, "hidden": 4}


def toy_fields(n: int) -> xr.Dataset:
    settings = RandomFieldSettings(pixels=8, amplitude="uniform:0.1:0.3", spectral_index="uniform:-2:-1")
    return simulate_random_fields(settings, seed=1, n_events=n)


def masked_fields(n: int) -> xr.Dataset:
    """Return fields with a mask each, of a tenth of the pixels."""
    observed = np.random.default_rng(1).random((n, 8, 8)) > 0.1
    mask = variable(observed, "x", "y", units="1", long_name="whether a pixel is observed", role="mask")
    return toy_fields(n).assign(observed=mask)


VARIANTS: dict[str, list[tuple[dict[str, Any], xr.Dataset]]] = {
    "calogan": [
        (SYSTEM, toy_showers(120)),
        (SYSTEM | {"conditions": FIVE}, toy_showers(120, five_conditions=True)),
        (SYSTEM | {"reflections": False, "observable_matching": 0.0, "power": 3}, toy_showers(120)),
    ],
    "showerflow": [
        ({"kind": "showerflow", "width": 16, "blocks": 1, "knots": 3, "section_steps": 2}, toy_showers(240)),
        (
            {
                "kind": "showerflow",
                "width": 16,
                "blocks": 1,
                "knots": 3,
                "section_steps": 2,
                "cell_steps": 1,
                "conditions": FIVE,
                "reflections": False,
            },
            toy_showers(240, five_conditions=True),
        ),
        ({"kind": "showerflow", "family": "flow", "width": 16, "blocks": 1, "knots": 3}, toy_showers(240)),
        ({"kind": "showerflow", "family": "autoencoder", "width": 16, "knots": 3}, toy_showers(240)),
    ],
    "epic": [
        (EPIC | {"particles": 12}, toy_jets(400)),
        (EPIC | {"particles": 8, "particle_steps": 2}, toy_jets(400, particles=8, classes=1)),
    ],
    "lagan": [
        (LAGAN, toy_images(300, size=9)),
        (LAGAN | {"observable_matching": 0.0, "power": 3, "flipped_class": 0.0}, toy_images(300, size=12)),
    ],
    "field_vae": [
        ({"kind": "field_vae", "code": 4, "width": 4, "levels": 1}, PLANES),
        (
            {"kind": "field_vae", "code": 4, "width": 4, "levels": 2, "scatter": "pixels", "turns": False},
            PLANES.isel(x=slice(8)),
        ),
    ],
    "field_flow": [
        ({"kind": "field_flow", "width": 6, "blocks": 1, "steps": 1}, PLANES),
        (
            {"kind": "field_flow", "width": 6, "blocks": 1, "steps": 1, "solver": "euler", "turns": False},
            PLANES.isel(x=slice(8)),
        ),
    ],
    "variable_star": [
        (STARS | {"architecture": "recurrent", "classes": True}, toy_stars(300, seed=1, observations=32)),
        (STARS | {"colour": False}, toy_stars(300, seed=1, observations=32).drop_vars(["colour", "stellar_class"])),
    ],
    "pile_up": [
        (PILE_UP, toy_collisions(400)),
        (PILE_UP | {"particles": 8, "solver": "euler", "particle_steps": 2}, toy_collisions(400, places=8)),
    ],
    "jet_mass_template": [
        ({"kind": "jet_mass_template", "width": 8, "bins": 4, "transforms": 2}, single_jets(toy_multi_jets(200))),
    ],
    "trenf": [(TRENF | {"boundary": boundary}, masked_fields(300)) for boundary in ("periodic", "open")],
    "multiscale_field": [
        (MULTISCALE | {"boundary": "open"}, toy_fields(200)),
        (MULTISCALE, toy_fields(200)[["field"]]),
    ],
    "mpgan": [
        (MPGAN | {"particles": 12}, toy_jets(400)),
        (MPGAN | {"particles": 8, "gradient_penalty": 0.0}, toy_jets(400, particles=8, classes=1)),
    ],
    "grindhammer_peters": [
        ({"kind": "grindhammer_peters"}, reference.load("calogan-eplus").isel(event=np.arange(120)))
    ],
}
CASES = [(kind, i) for kind, variants in VARIANTS.items() for i in range(len(variants))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    kind, i = request.param
    return case_of(*VARIANTS[kind][i])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_variant_keeps_the_contract(case: Case, check: Any, tmp_path: Path) -> None:
    check(case, tmp_path)
