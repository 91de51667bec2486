"""The functions of the workflows show all their options."""

from __future__ import annotations

import inspect
import pydoc
from pathlib import Path

import numpy as np
import pytest

import simulacra


@pytest.mark.parametrize("name", ["export", "fit", "generate", "judge", "judge_score", "refine", "reweight", "score"])
def test_help_names_each_option_with_its_default_and_says_what_it_is(name: str) -> None:
    function = getattr(simulacra, name)
    parameters = inspect.signature(function).parameters
    assert len(parameters) > 3
    assert not any(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) for one in parameters.values())
    shown = pydoc.render_doc(function, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    documented = {
        option.strip()
        for line in inspect.getdoc(function).splitlines()  # type: ignore[union-attr]
        if line.endswith(":")
        for option in line[:-1].split(",")
    }
    for option in parameters.values():
        assert option.name in documented
        assert option.default is option.empty or f"{option.name}: " in shown


def test_an_option_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="colour"):
        simulacra.refine("calo-eplus", "x.zarr", tmp_path, colour=1)  # type: ignore[call-arg]


def test_a_judge_tells_its_progress_to_a_function() -> None:
    rng = np.random.default_rng(1)
    told: list[tuple[str, float]] = []
    simulacra.judge(
        rng.normal(size=(300, 2)),
        rng.normal(size=(300, 2)),
        progress=lambda step, share: told.append((step, share)),
    )
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[-1] == ("done", 1.0)
    assert any(step.startswith("with weights: classifier") for step, _ in told)
