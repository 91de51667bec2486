"""The functions of the workflows show all their options."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import simulacra
from simulacra.errors import is_explained


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


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "refine by nothing": (lambda p: simulacra.refine("calo-eplus", None, p), "events must be a dataset, or the path"),  # type: ignore[arg-type]
    "refine half": (lambda p: simulacra.refine("calo-eplus", "x", p, times=1.5), "per true one must be a whole number"),  # type: ignore[arg-type]
    "refine a number": (lambda p: simulacra.refine(5, "x", p), "the model must be a path or a name, not int"),  # type: ignore[arg-type]
    "reweight a list": (lambda p: simulacra.reweight([1], "x", p), "events must be a dataset, or the path .* not list"),  # type: ignore[arg-type]
    "reweight at a text": (
        lambda p: simulacra.reweight("x", None, p, existing="dctr-z", at={"alphaS": "x"}),  # type: ignore[dict-item]
        "'alphaS' must be a finite number, not 'x'",
    ),
    "reweight by a text": (lambda p: simulacra.reweight("x", "y", p, clipping="none"), "clipping must be a policy"),  # type: ignore[arg-type]
    "reweight by a seed": (lambda p: simulacra.reweight("x", "y", p, seed="x"), "the seed must be a whole number"),  # type: ignore[arg-type]
    "fit an array": (lambda p: simulacra.fit(np.zeros(3), "x"), "events must be a dataset, or the path"),  # type: ignore[arg-type]
    "fit at a list": (lambda p: simulacra.fit("x", "y", fixed=["alphaS"]), "the fixed parameters must be numbers by"),  # type: ignore[arg-type]
    "export to nothing": (lambda p: simulacra.export("calogan-eplus", None), "the output must be a path or a name"),  # type: ignore[arg-type]
    "export none": (lambda p: simulacra.export("calogan-eplus", p, batch=0), "per call must be at least 1, not 0"),
    "export halves": (lambda p: simulacra.export("calogan-eplus", p, precision="half"), "one of float32, int8"),  # type: ignore[arg-type]
    "simulate halves": (
        lambda p: simulacra.simulate("pythia", p, 1.5, seed=1, process="z-to-dijets"),  # type: ignore[arg-type]
        "the number of events must be a whole number, not 1.5",
    ),
    "simulate from a number": (
        lambda p: simulacra.simulate("detector", p, seed=1, particles=5),  # type: ignore[arg-type]
        "the store of particles must be a path or a name, not int",
    ),
    "generate none": (lambda p: simulacra.generate("calogan-eplus", p, 0), "the number of events must be at least 1"),
    "generate halves": (lambda p: simulacra.generate("calogan-eplus", p, 1.5), "must be a whole number, not 1.5"),  # type: ignore[arg-type]
    "generate at a list": (
        lambda p: simulacra.generate("calogan-eplus", p, 3, conditions=["x"]),  # type: ignore[arg-type]
        "conditions are a mapping",
    ),
    "judge by a text": (lambda p: simulacra.judge("x", "y", max_events="x"), "events must be a whole number, not 'x'"),  # type: ignore[arg-type]
    "load a long name": (lambda p: simulacra.load("\u00e9" * 300), "the model, .* is too long: a name has 255 bytes"),
    "load nothing": (lambda p: simulacra.load(None), "the model must be a path or a name, not NoneType"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused_in_our_words(case: str, tmp_path: Path) -> None:
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as caught:
        call(tmp_path / "output")
    assert is_explained(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_events_are_not_generated_over_what_they_are_made_from(tmp_path: Path) -> None:
    like = tmp_path / "like.h5.zarr"
    simulacra.generate("calogan-eplus", like, 5, progress=False)
    before = simulacra.open_events(like).load()
    for output, layout in ((like, "store"), (like / "more.zarr", "store"), (tmp_path / "like.h5", "calochallenge")):
        with pytest.raises(ValueError, match="would overwrite its own source"):
            simulacra.generate("calogan-eplus", output, like=like, file_format=layout, overwrite=True, progress=False)
    assert simulacra.open_events(like).load().identical(before)
    model = tmp_path / "model.h5"
    model.write_bytes(b"weights")
    for models in ({"generator": model}, {"generator": "calogan-eplus", "refine": model, "unweight": True}):
        with pytest.raises(ValueError, match="holds the model"):
            simulacra.generate(output=model, file_format="calochallenge", overwrite=True, progress=False, **models)  # type: ignore[arg-type]
    assert model.read_bytes() == b"weights"
