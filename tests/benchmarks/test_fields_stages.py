"""The benchmarks of fields: masks of stars and edges, anomalies in parts, and tables of what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.rows import LeftOutError
from benchmarks.sky import masks, multiscale, nbody_fields

from simulacra.events import make_events, validate, variable
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "sky.json"


def test_masks_hide_two_edges_and_discs() -> None:
    fields = simulate_random_fields(RandomFieldSettings(pixels=32), seed=1, n_events=8)
    found = masks.masked(fields, "field", seed=2)
    validate(found)
    observed = found["observed"].values
    assert not observed[:, 0].any()
    assert not observed[:, :, 0].any()
    share = 1 - observed.mean(axis=(1, 2))
    assert (share >= masks.SHARE).all()
    assert (share < masks.SHARE + 0.03).all()
    assert (observed[0] != observed[1]).any()
    np.testing.assert_array_equal(found["field"].values[observed], fields["field"].values[observed])
    assert (found["field"].values[~observed] == 1e3).all()


def test_a_systematic_error_is_found_in_the_part_that_it_changes() -> None:
    rng = np.random.default_rng(1)
    redshift = np.linspace(0, 1, 48).astype(np.float32)

    def patches(seed: int) -> object:
        values = np.random.default_rng(seed).normal(size=(48, 16, 16)).astype(np.float32)
        return make_events(
            {
                "density": variable(values, "x", "y", units="1", long_name="density", role="feature"),
                "redshift": variable(redshift, units="1", long_name="redshift", role="condition"),
            },
            simulator="x", simulator_version="1", seed=1, settings={}, seconds_per_event=0.0,
        )  # fmt: skip

    def parts(field: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        sharp = (field[:, 1:] - field[:, :-1]).square().sum(dim=(1, 2))
        unrelated = torch.as_tensor(rng.normal(size=len(field))).float()
        return torch.stack([unrelated, sharp], dim=1)

    flows = {
        "all": parts, "unrelated": lambda x, c: parts(x, c)[:, 0], "sharp": lambda x, c: parts(x, c)[:, 1],
    }  # fmt: skip
    found = nbody_fields.anomalies(flows, patches(2), patches(3))  # type: ignore[arg-type]
    smoothed = {name: areas["smoothed by 0.5 pixels"][0] for name, areas in found.items()}
    assert smoothed["sharp"] == 1
    assert smoothed["all"] > 0.95
    assert smoothed["unrelated"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("stage", [masks, multiscale])
def test_without_the_models_a_stage_is_left_out(stage: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "NBODY", "none-such")
    with pytest.raises(LeftOutError, match=r"none-such (is|are) not shipped"):
        stage.measure(tmp_path, 1.0)  # type: ignore[attr-defined]


def test_the_goal_of_known_likelihoods_is_reached() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = [*found["multiscale"]["rows"][:2], *found["masks"]["rows"]]
    absolute = [one for row in rows for one in row["judged"] if one["name"].startswith("absolute difference")]
    assert len(absolute) == 4
    assert all(one["value"] + one["error"] < 1 for one in absolute)
