"""Systems with other settings than those of their examples: each may have some here, none needs to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simulacra import reference
from system_checks import CHECKS, Case, case_of
from tiny_calogan import FIVE, SYSTEM, toy_showers
from toy_jets import toy_jets

EPIC = {"kind": "epic", "width": 8, "blocks": 1, "pooled": 4, "jet_steps": 1, "particle_steps": 1}
MPGAN = {"kind": "mpgan", "latent": 3, "edge_widths": (4,), "critic_edge_widths": (4, 4), "node_width": 8, "hidden": 4}

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
                "section_steps": 1,
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
