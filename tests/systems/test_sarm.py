"""The sparse autoregressive model in two scales, and its validation by the likelihood."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from simulacra.events import take_part
from simulacra.systems.sarm import Settings, fold
from system_checks import CHECKS, Case, case_of
from toy_images import toy_images

SMALL = {"kind": "sarm", "windows": [3], "width": 8, "depth": 1, "value_reach": 1, "value_width": 6, "components": 2}


@pytest.fixture(scope="module")
def case() -> Case:
    return case_of(SMALL, toy_images(240, size=7, pixel_size=0.3))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_two_scales_keep_the_contract(case: Case, check: Any, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_the_score_is_the_likelihood_of_the_average(case: Case) -> None:
    events, trainer = take_part(case.events, "validation"), case.trainer
    tensors = trainer.tensors(events)
    with torch.no_grad():
        each = fold(trainer.family.average).log_prob(tensors["image"], tensors["conditions"])
    found = trainer.validate(events, torch.Generator().manual_seed(1)).values
    assert found["score"] == pytest.approx(-float(each.double().mean()), rel=1e-5)
    assert found["outside"] == 0
    assert found["shapes"] > 0


def test_an_image_outside_the_trained_range_is_counted_and_left_out(case: Case) -> None:
    events = take_part(case.events, "validation")
    image = events["image"].values.copy()
    image[0, 3, 3] = 1e6
    other = events.assign(image=(events["image"].dims, image, events["image"].attrs))
    found = case.trainer.validate(other, torch.Generator().manual_seed(1)).values
    assert found["outside"] == pytest.approx(1 / events.sizes["event"])
    assert np.isfinite(found["score"])


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="windows"):
        Settings(windows=(0,))
    with pytest.raises(ValueError, match=r"the windows \[4\] in an image of 7 pixels .* must be odd, rising"):
        case_of(SMALL | {"windows": [4]}, toy_images(40, size=7, pixel_size=0.3))
