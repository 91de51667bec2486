"""The judge refuses impossible jets as truth, says so of generated ones, and knows no other classes than the five."""

from typing import Any

import pytest

import simulacra
from simulacra.events import EventsError
from simulacra.judges.kinds.clouds import KIND
from toy_jets import toy_jets

PLANTED: dict[str, tuple[float, str]] = {
    "pt_rel": (-0.2, "'pt_rel' is -0.2 for particle 0 of event 5, one of 1 such particles"),
    "present": (False, "event 5 is one of 1 jets without particles"),
    "jet_mass": (-80.0, "'jet_mass' is -80 GeV in event 5, one of 1 such jets"),
}


def planted(name: str, value: float) -> Any:
    jets = toy_jets(300)
    values = jets[name].values
    values[(5, 0) if name == "pt_rel" else 5] = value
    return jets


@pytest.mark.parametrize("name", PLANTED)
def test_impossible_jets_are_no_truth(name: str) -> None:
    value, said = PLANTED[name]
    with pytest.raises(EventsError, match=f"the truth: {said}"):
        simulacra.judge(planted(name, value), toy_jets(300, 2), progress=False)


@pytest.mark.parametrize("name", PLANTED)
def test_generated_ones_are_judged_and_said(name: str) -> None:
    value, said = PLANTED[name]
    _, warnings = KIND.made_alike([toy_jets(300, 2), planted(name, value)])
    assert len(warnings) == 1
    assert warnings[0].startswith(f"A generated sample holds impossible jets: {said}")
    assert KIND.made_alike([toy_jets(300, 2), toy_jets(300)])[1] == []


@pytest.mark.parametrize("truth", [True, False])
def test_a_class_that_does_not_exist_is_refused(truth: bool) -> None:
    wrong, right = planted("jet_class", 7), toy_jets(300, 2)
    said = r"'jet_class' is 7 in event 5, one of 1 such events: it must be 0 \(gluon\), .*, 4 \(Z_boson\)"
    with pytest.raises(EventsError, match=said):
        simulacra.judge(*((wrong, right) if truth else (right, wrong)), progress=False)


def test_such_events_are_not_written(tmp_path: Any) -> None:
    for name in ("jets.zarr", "jets.h5"):
        with pytest.raises(EventsError, match="'jet_class' is 7 in event 5"):
            simulacra.write(planted("jet_class", 7), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["phi_rel", "eta_rel", "pt_rel", "present"])
def test_a_missing_variable_of_jets_is_named(name: str) -> None:
    for truth in (True, False):
        wrong, right = toy_jets(300).drop_vars(name), toy_jets(300, 2)
        said = f"{'the truth' if truth else 'a generated sample'}: missing '{name}' of jets"
        with pytest.raises(EventsError, match=said):
            simulacra.judge(*((wrong, right) if truth else (right, wrong)), progress=False)
