"""What Pythia is asked for: bad settings refused, cards read, draws and seeds a function of the chunk. No Pythia."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from simulacra.conditions import Distribution
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.simulators import PythiaSettings
from simulacra.simulators.pythia import runs_of
from simulacra.simulators.pythia_processes import process_named, processes
from simulacra.simulators.pythia_settings import card_lines
from simulacra.store import Chunk

Z = {"process": "z-to-dijets"}
VARIED = {**Z, "vary": {"alphaS": "uniform:0.10:0.18", "aLund": "uniform:0.3:0.9"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "nothing to simulate: name a process \\(z-to-dijets, qcd-dijets"),
        ({"process": "z-to-quarks"}, "no process 'z-to-quarks'; there are z-to-dijets"),
        ({**Z, "lhe": "x.lhe"}, "leave out the process 'z-to-dijets'"),
        ({**Z, "shower": "dire"}, "'simple' or 'vincia'"),
        ({**Z, "values": {"Random:seed": "3"}}, "give the seed by --seed"),
        ({**Z, "values": {"PartonShowers:model": "2"}}, "choose the shower"),
        ({**Z, "values": {"UncertaintyBands:List": "{x}"}}, "give variations by name"),
        ({**Z, "values": {"A:b\nRandom:seed": "3"}}, "one KEY and one VALUE"),
        ({**Z, "values": {"A:b = 1 !": "3"}}, "one KEY and one VALUE"),
        ({**Z, "values": {"A:b": ""}}, "at least 1"),
        ({**Z, "vary": {"alphaS": "uniform:0.2:0.1"}}, "above the upper bound"),
        ({**Z, "vary": {"alphaS": "nan"}}, "bounds must be finite"),
        ({**Z, "vary": {"alphaS": "gauss:0.1:0.2"}}, "neither a number"),
        ({**Z, "vary": {"A:b": "1", "A_b": "2"}}, "varied twice"),
        ({**Z, "events_per_draw": 0}, "greater than or equal to 1"),
        ({**Z, "max_particles": 0}, "greater than or equal to 1"),
        ({**Z, "variations": ["up fsr:muRfac=0.5", "UP fsr:muRfac=2"]}, "the variation 'up' is given twice"),
        ({**Z, "jets": {"radius": float("nan")}}, "finite number"),
        ({**Z, "jets": {"radius": 0}}, "greater than 0"),
        ({**Z, "leading_jet": {"min_pt": 5, "max_pt": 5}}, "5 GeV is not below 5 GeV"),
        ({**Z, "leading_jet": {"min_pt": 5}, "jets": {}}, "cannot be made with jets of each event"),
        ({"lhe": "x.lhe", "leading_jet": {}}, "cannot be made with an LHE file"),
        ({"process": "top-jets", "jets": {}}, "cannot be made with jets of each event"),
        ({"process": "multi-jets", "jets": {}}, "several jets without particles alone cannot be made with jets"),
        ({"lhe": "x.lhe", "visible": {}}, "visible particles alone cannot be made with an LHE file"),
        ({"process": "pile-up", "multi_jet": {}}, "one of several jets without particles and visible particles only"),
        ({**Z, "multi_jet": {"fewest": 3, "most": 2}}, "of 3 jets or more no collision can keep all: 'most' is 2"),
        ({**Z, "multi_jet": {"min_pt": 0}}, "greater than 0"),
        ({**Z, "visible": {"min_pt": -1}}, "greater than or equal to 0"),
        ({**Z, "jet_image": {"min_pt": 5, "max_pt": 5}}, "5 GeV is not below 5 GeV"),
        ({**Z, "jet_image": {"rotation": "linear"}}, "'spline' or 'none'"),
        ({**Z, "muon_image": {"min_pt": 5, "max_pt": 5}}, "5 GeV is not below 5 GeV"),
        ({**Z, "muon_image": {"pixel_size": 0.2}}, "33 pixels of 0.2 are more than the whole circle"),
        ({**Z, "muon_image": {"pile_up": -1}}, "greater than or equal to 0"),
        ({"process": "muon-images", "jet_image": {}}, "images of leading jets and calorimeters around muons only"),
        ({"process": "muon-images", "jets": {}}, "calorimeters around muons alone cannot be made with jets of each"),
        ({"process": "top-jets", "jet_image": {}}, "a leading jet or the image of one, not both"),
        ({"process": "jet-images", "jets": {}}, "cannot be made with jets of each event"),
        ({**Z, "card": "include = other.cmnd"}, "put the lines of the other file into the card"),
        ({**Z, "card": "A:b = {1,\n2"}, "the card ends within the braces of line 1"),
        ({**Z, "card": "/* open\nA:b = 1"}, "the card ends within a comment"),
        ({**Z, "colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PythiaSettings.model_validate(fields)


def test_a_card_is_read_as_pythia_reads_it(tmp_path: Path) -> None:
    text = (
        "! a comment\n/* more\nBeams:eCM = 1 */\nMain:numberOfEvents = 5\nRandom:seed = 7\nBeams:eCM = 91.2 ! GeV\n"
        "A:list = {one,\n  two}\n\n  23:onMode = off\n"
    )
    assert list(card_lines(text)) == ["Beams:eCM = 91.2", "A:list = {one, two}", "23:onMode = off"]
    card = tmp_path / "Karte für Z.cmnd"
    card.write_text(text)
    assert PythiaSettings(card=card).card == text
    card.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValidationError, match="is not a text"):
        PythiaSettings(card=card)
    with pytest.raises(ValidationError, match="there is no card"):
        PythiaSettings(card=tmp_path / "missing.cmnd")


def test_every_process_has_room_and_asks_for_something() -> None:
    assert processes().keys() >= {"z-to-dijets", "qcd-dijets", "z-plus-jet", "top-pairs", "minimum-bias"}
    assert PythiaSettings(process="z-to-dijets").room == 192
    assert PythiaSettings(process="z-to-dijets", max_particles=64).room == 64
    assert all(
        process.max_particles >= 192 and (len(process.settings) > 3 or len(process.mixture) > 1)
        for process in processes().values()
    )


def test_what_is_kept_of_collisions_is_the_process_s_unless_it_is_set() -> None:
    several = PythiaSettings.model_validate({"process": "multi-jets", "multi_jet": {"fewest": 3}})
    assert several.several_jets is not None
    assert (several.several_jets.fewest, several.several_jets.radius) == (3, 1.0)
    assert several.record()["multi_jet"]["fewest"] == 3
    assert "visible" not in several.record()
    particles = PythiaSettings(process="pile-up").visible_particles
    assert particles is not None
    assert (particles.min_pt, particles.max_abs_eta, particles.particles) == (0.2, 5.0, 400)
    assert PythiaSettings(process="z-to-dijets").several_jets is None


def test_a_process_of_jets_says_which_jets_are_taken() -> None:
    assert PythiaSettings(process="z-to-dijets").jet is None
    jet = PythiaSettings(process="top-jets").jet
    assert jet is not None
    assert (jet.min_pt, jet.max_pt, jet.radius, jet.particles) == (800, 1600, 0.8, 150)
    fewer = PythiaSettings.model_validate({"process": "top-jets", "leading_jet": {"particles": 30}}).jet
    assert fewer == jet.model_copy(update={"particles": 30})
    assert {p.jet_class for p in processes().values() if p.jet_class} == set(JET_CLASS.choices)
    mixed = PythiaSettings(process="jets")
    assert [process_named(str(part.process)).jet_class for part in mixed.parts] == list(JET_CLASS.choices)
    assert {part.jet for part in mixed.parts} == {mixed.jet}


def test_a_process_of_images_around_muons_says_how_they_are_made() -> None:
    mixed = PythiaSettings.model_validate({"process": "muon-images", "muon_image": {"pile_up": 20}})
    assert mixed.muon is not None
    assert (mixed.muon.pile_up, mixed.muon.pixels, mixed.image) == (20, 33, None)
    assert [part.signal for part in mixed.parts] == ["background", "signal"]
    assert {part.muon for part in mixed.parts} == {mixed.muon}
    assert mixed.record()["muon_image"]["pile_up"] == 20


def test_a_process_of_images_says_how_they_are_made() -> None:
    assert PythiaSettings(process="z-to-dijets").image is None
    mixed = PythiaSettings.model_validate({"process": "jet-images", "jet_image": {"rotation": "none"}})
    assert mixed.image is not None
    assert (mixed.image.min_pt, mixed.image.max_pt, mixed.image.pixels) == (250, 300, 25)
    assert [part.signal for part in mixed.parts] == ["background", "signal"]
    assert {part.image for part in mixed.parts} == {mixed.image}
    assert mixed.record()["jet_image"]["rotation"] == "none"
    assert "jet_image" not in PythiaSettings(process="top-jets").record()


def test_a_parameter_is_known_by_short_name_and_key() -> None:
    names = PythiaSettings(
        process="z-to-dijets", vary={"alphaS": 0.14, "StringPT:sigma": Distribution("log", 0.2, 0.4)}
    )
    first, second = names.parameters
    assert (first.variable, first.key, first.units) == ("StringPT_sigma", "StringPT:sigma", "GeV")
    assert (second.variable, second.key, second.units) == ("alphaS", "TimeShower:alphaSvalue", "1")
    assert names.record()["vary"] == {"alphaS": "0.14", "StringPT_sigma": "log:0.2:0.4"}
    assert PythiaSettings(process="z-to-dijets", shower="vincia").key_of("alphaS") == "Vincia:alphaSvalue"
    assert PythiaSettings(process="z-to-dijets", values={"A:b": True, "A:c": 0.5}).values == {"A:b": "on", "A:c": "0.5"}


def test_draws_are_a_function_of_seed_and_chunk() -> None:
    settings = PythiaSettings.model_validate(VARIED)
    runs = runs_of(settings, 1, Chunk(2, 5000, 7500))
    assert [(run.start, run.stop) for run in runs] == [(5000 + 250 * i, 5250 + 250 * i) for i in range(10)]
    cut = runs_of(settings, 1, Chunk(2, 5000, 5600))
    assert [run.stop for run in cut] == [5250, 5500, 5600]
    assert [(r.values, r.seed(0), r.seed(1)) for r in cut] == [(r.values, r.seed(0), r.seed(1)) for r in runs[:3]]
    other_order = PythiaSettings.model_validate({**VARIED, "vary": dict(reversed(VARIED["vary"].items()))})
    assert [run.values for run in runs_of(other_order, 1, Chunk(2, 5000, 7500))] == [run.values for run in runs]
    assert runs_of(settings, 2, Chunk(2, 5000, 7500))[0].values != runs[0].values
    assert runs_of(settings, 1, Chunk(3, 5000, 7500))[0].values != runs[0].values
    seeds = {run.seed(i) for run in runs for i in range(3)}
    assert len(seeds) == 30
    assert all(1 <= seed <= 900_000_000 for seed in seeds)


def test_events_hold_what_pythia_was_set_to() -> None:
    settings = PythiaSettings(process="z-to-dijets", vary={"alphaS": "uniform:0.06:0.0600000001"}, events_per_draw=1)
    values = np.array([run.values[0] for run in runs_of(settings, 1, Chunk(0, 0, 50))])
    assert np.array_equal(values.astype(np.float32), values) or (values >= 0.06).all()
    wide = PythiaSettings(process="z-to-dijets", vary={"alphaS": "uniform:0.1:0.18"}, events_per_draw=1)
    drawn = np.array([run.values[0] for run in runs_of(wide, 1, Chunk(0, 0, 2000))])
    assert np.array_equal(drawn, drawn.astype(np.float32).astype(np.float64))
    assert 0.1 <= drawn.min() < 0.101
    assert 0.179 < drawn.max() <= 0.18


def test_without_a_prior_a_chunk_is_one_run() -> None:
    (run,) = runs_of(PythiaSettings(process="z-to-dijets"), 1, Chunk(0, 0, 2500))
    assert (run.start, run.stop, run.values) == (0, 2500, ())
