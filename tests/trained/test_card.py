"""Cards: all that a model says of itself, and the judgements of these very weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import simulacra
from simulacra.trained.card import SPLIT
from simulacra.trained.find import WEIGHTS
from simulacra.trained.judged_file import JudgedNumber, JudgedRecord, add_judged, judged_file
from simulacra.training.checkpoint import CheckpointError, read_model, save_tensors

SHIPPED = [*simulacra.shipped(), "dctr-z", "srgn-z"]


def record(weights: tuple[str, ...], command: str = "simulacra judge a b") -> JudgedRecord:
    number = JudgedNumber(name="AUC", value=0.6, error=0.01, truth=0.5, truth_error=0.01, limit=0.56, outcome="fail")
    return JudgedRecord(command=command, weights=weights, truth="a", events=300, headline="FAIL", numbers=(number,))


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained_run, tmp_path / "run")


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_model_has_a_card(name: str) -> None:
    card = simulacra.info(name)
    assert card.name == Path(card.path).stem == name
    assert card.makes in ("events", "weights", "scores")
    assert card.papers
    assert card.description
    assert card.data.simulator or name in ("cepheids-vae", "dust-flow", "dust-vae", "gd1-via-machinae", "nbody-density")
    assert card.data.events
    assert card.training.events >= 100
    assert card.training.seconds > 1
    assert card.versions["simulacra"] == "0.1.0"
    assert all(len(sha) == 64 for sha in card.weights)
    assert card.licence.startswith("BSD-3-Clause")
    assert all(one.units != "unknown" and one.low <= one.high for one in card.valid)
    assert card.judged
    assert json.loads(card.model_dump_json())["name"] == name


def test_the_card_names_the_weights_that_are_loaded() -> None:
    assert simulacra.info("calogan-eplus").weights == (simulacra.load("calogan-eplus").weights_sha256,)
    assert simulacra.info("srgn-z").weights == (simulacra.load("srgn-z").sha256,)
    assert simulacra.info("cepheids-vae").weights == (simulacra.load("cepheids-vae").weights_sha256,)


def test_ranges_have_their_units_and_choices() -> None:
    valid = {one.name: one for one in simulacra.info("jets-mpgan").valid}
    assert valid["jet_pt"].units == "GeV"
    assert valid["jet_class"].choices[:2] == ("gluon", "light quark")
    held = simulacra.info("parton-shower-dglap")
    assert held.hold_out == ("parton_energy:220:280",)
    assert simulacra.info("dctr-z").target is not None
    assert simulacra.info("cepheids-vae").data.seconds_per_event is None


def test_the_card_of_a_run(run: Path) -> None:
    card = simulacra.info(run)
    assert card == simulacra.info(run / "model.safetensors")
    assert (card.system, card.split, card.judged) == ("calogan", SPLIT, ())
    assert card.checked == "weights and metadata"
    assert card.licence == "not stated in the file"


def test_judgements_are_shown_only_of_these_weights(run: Path) -> None:
    file, own = judged_file(run / "model.safetensors"), simulacra.info(run).weights
    add_judged(file, record(own))
    assert [one.headline for one in simulacra.info(run).judged] == ["FAIL"]
    metadata, tensors = read_model(run / "model.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    save_tensors(run / "model.safetensors", tensors | {name: tensors[name] + 1}, metadata)
    card = simulacra.info(run)
    assert card.judged == ()
    assert card.notes == (
        "its weights have changed since they were judged: those numbers are not shown, judge it again",
    )


def test_judgements_of_weights_that_were_not_recorded_are_shown(run: Path) -> None:
    add_judged(judged_file(run / "model.safetensors"), record(()))
    assert simulacra.info(run).judged[0].weights == ()


def test_an_ensemble_has_one_card(run: Path, tmp_path: Path) -> None:
    for k in range(2):
        shutil.copytree(run, tmp_path / "ensemble" / f"member-{k}")
    card = simulacra.info(tmp_path / "ensemble")
    one = simulacra.info(run)
    assert card.weights == 2 * one.weights
    assert card.training.seconds == pytest.approx(2 * one.training.seconds)
    assert card.notes == ("an ensemble of 2",)
    add_judged(judged_file(tmp_path / "ensemble"), record(card.weights))
    assert len(simulacra.info(tmp_path / "ensemble").judged) == 1


def test_a_model_whose_system_is_missing_still_has_a_card(run: Path) -> None:
    metadata, tensors = read_model(run / "model.safetensors")
    metadata["experiment"]["system"]["kind"] = "gone"
    save_tensors(run / "model.safetensors", tensors, metadata)
    card = simulacra.info(run)
    assert card.makes == "unknown"
    assert card.valid[0].units == "unknown"
    assert card.notes[0].startswith("its system cannot be used here: there is no system of kind 'gone'")


@pytest.mark.parametrize("lost", ["experiment", "training", "description", "versions", "name"])
def test_a_file_that_does_not_say_enough_is_refused(run: Path, lost: str) -> None:
    metadata, tensors = read_model(run / "model.safetensors")
    del metadata[lost]
    save_tensors(run / "model.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match="does not say all that a model says of itself"):
        simulacra.info(run)


def test_a_number_that_is_none_is_refused(run: Path) -> None:
    metadata, tensors = read_model(run / "model.safetensors")
    metadata["training"]["steps"] = "many"
    save_tensors(run / "model.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match=r"training\.steps"):
        simulacra.info(run)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="'nothing' is neither a file, nor a run folder, nor one of"):
        simulacra.info("nothing")


def test_shipped_judgements_lie_beside_shipped_weights() -> None:
    for file in WEIGHTS.rglob("*.judged.json"):
        assert file.with_name(file.name.replace(".judged.json", ".safetensors")).is_file()
