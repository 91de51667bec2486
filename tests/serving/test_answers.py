"""Answers: equal to ``sample``, the same bytes each time, alone or together, in all formats."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import simulacra
from served_models import EVENTS, Slow, ask, ask_all, events, from_arrow, from_json, from_npz
from simulacra.serving import Limits, application

MODELS = ["calo-eplus", "calogan-eplus-angle", "cepheids-vae", "jets-epic-fast", "dust-vae", "parton-shower-dglap"]


@pytest.fixture(scope="module")
def app() -> Any:
    return application(MODELS, Limits(most_requests=None, threads=2))


@pytest.mark.parametrize("name", MODELS)
def test_events_are_those_of_sample(app: Any, name: str) -> None:
    answer = events(app, name, number=5, seed=11, first_event=62)
    assert answer.status_code == 200
    arrays, told = from_npz(answer.content)
    wanted = simulacra.load(name).sample(5, seed=11, first_event=62)
    assert set(arrays) == {str(variable) for variable in wanted.variables}
    for variable, values in arrays.items():
        assert values.dtype == wanted[variable].dtype
        largest = float(np.abs(wanted[variable].values).max())
        np.testing.assert_allclose(values, wanted[variable].values, rtol=0, atol=2e-5 * max(largest, 1e-30))
    assert told["attributes"] == {
        key: value for key, value in wanted.attrs.items() if key not in ("seed", "settings", "seconds_per_event")
    }
    assert (told["seed"], told["first_event"], told["number"]) == (11, 62, 5)


@pytest.mark.parametrize("name", ["calo-eplus", "cepheids-vae", "jets-epic-fast", "dust-vae"])
def test_all_formats_hold_the_same_numbers(app: Any, name: str) -> None:
    npz, told = from_npz(events(app, name, number=3, seed=1).content)
    arrow, told_by_arrow = from_arrow(events(app, name, "arrow", number=3, seed=1).content)
    plain, told_by_json = from_json(
        events(app, name, "json", number=3, seed=1).content, {k: v.dtype for k, v in npz.items()}
    )
    coordinates = told_by_arrow.pop("coordinates")
    assert told_by_json.pop("coordinates") == coordinates
    assert told == told_by_arrow == told_by_json
    assert set(npz) == set(arrow) | set(coordinates)
    for variable in arrow:
        np.testing.assert_array_equal(npz[variable], arrow[variable].astype(npz[variable].dtype))
        np.testing.assert_array_equal(npz[variable], plain[variable])
    for variable, one in coordinates.items():
        np.testing.assert_array_equal(npz[variable], one["values"])


def test_arrow_says_units_and_shapes(app: Any) -> None:
    schema = pa.ipc.open_stream(events(app, "calo-eplus", "arrow", number=2, seed=1).content).schema
    field = schema.field("shower")
    assert field.type.shape == [504]
    assert field.type.dim_names == ["cell"]
    assert field.metadata[b"units"] == b"MeV"
    assert schema.field("incident_energy").metadata[b"role"] == b"condition"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["json", "arrow", "npz"])
def test_an_answer_has_the_same_bytes_alone_and_among_others(app: Any, name: str, form: str) -> None:
    rng = np.random.default_rng(3)
    bodies = [
        {
            "number": int(rng.choice([1, 1, 1, 2, 5, 33])),
            "seed": int(rng.integers(9)),
            "first_event": int(rng.integers(99)),
        }
        for _ in range(12)
    ]
    path = EVENTS.format(name)
    alone = [ask(app, "POST", path, params={"format": form}, json=body).content for body in bodies[:4]]
    together = ask_all(app, [("POST", path, {"params": {"format": form}, "json": body}) for body in bodies])
    assert [answer.content for answer in together[:4]] == alone


def test_requests_that_wait_are_evaluated_together(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = simulacra.load("calo-eplus")
    app = application([generator])
    slow = Slow(generator)
    monkeypatch.setattr(generator, "evaluate", slow)
    bodies = [("POST", EVENTS.format("calo-eplus"), {"json": {"seed": seed}}) for seed in range(40)]
    answers = ask_all(app, bodies, meanwhile=slow.let_go_when_waiting(40))
    assert all(answer.status_code == 200 for answer in answers)
    lines = dict(line.rsplit(" ", 1) for line in ask(app, "GET", "/metrics").text.splitlines() if line[0] != "#")
    assert float(lines["simulacra_evaluation_requests_sum"]) == 40
    # Eight of one event at a time, after those that came while nothing was to do.
    assert float(lines["simulacra_evaluation_requests_count"]) <= 1 + 5
    assert float(lines['simulacra_events_total{model="calo-eplus"}']) == 40
    assert (
        float(lines['simulacra_requests_total{status="200"}']) == float(lines["simulacra_request_seconds_count"]) > 40
    )
    assert float(lines["simulacra_waiting_requests"]) == 0


def test_conditions_are_numbers_arrays_distributions_and_names(app: Any) -> None:
    generator = simulacra.load("jets-epic-fast")
    asked: dict[str, Any] = {"jet_class": ["gluon", "top_quark"], "jet_pt": "uniform:900:1000"}
    arrays, told = from_npz(events(app, "jets-epic-fast", number=2, seed=4, conditions=asked).content)
    wanted = generator.sample(2, seed=4, jet_class=np.array(["gluon", "top_quark"]), jet_pt="uniform:900:1000")
    np.testing.assert_array_equal(arrays["jet_class"], [0, 2])
    np.testing.assert_array_equal(arrays["jet_pt"], wanted["jet_pt"].values)
    assert told["settings"] == json.loads(wanted.attrs["settings"])


def test_fixed_noise_gives_every_event_the_same(app: Any) -> None:
    arrays, _ = from_npz(
        events(app, "calo-eplus", number=3, seed=4, fixed_noise=True, conditions={"incident_energy": 50}).content
    )
    np.testing.assert_allclose(arrays["shower"][1:], arrays["shower"][:1].repeat(2, 0), rtol=1e-4, atol=1e-2)
    assert arrays["shower"].sum() > 0


def test_a_seed_that_is_not_given_is_told(app: Any) -> None:
    first, second = (events(app, "calo-eplus") for _ in range(2))
    assert first.headers["Simulacra-Seed"] != second.headers["Simulacra-Seed"]
    again = events(app, "calo-eplus", seed=int(first.headers["Simulacra-Seed"]))
    assert again.content == first.content


def test_extrapolation_is_asked_for_and_warned_of(app: Any) -> None:
    refused = events(app, "calo-eplus", conditions={"incident_energy": 150})
    assert refused.status_code == 422
    assert "outside the trained range of 1 to 100 GeV" in refused.json()["what"]
    made = events(app, "calo-eplus", conditions={"incident_energy": 150}, extrapolate=True)
    assert made.status_code == 200
    assert "extrapolates" in made.headers["Simulacra-Warning"]
    assert "extrapolates" in from_npz(made.content)[1]["warnings"][0]
    assert "Simulacra-Warning" not in events(app, "calo-eplus", conditions={"incident_energy": 50}).headers


def test_accept_decides_the_format(app: Any) -> None:
    def kind(accept: str) -> str:
        answer = ask(app, "POST", EVENTS.format("calo-eplus"), json={}, headers={"Accept": accept})
        return answer.headers["content-type"] if answer.status_code == 200 else str(answer.status_code)

    assert kind("*/*") == "application/json"
    assert kind("application/vnd.apache.arrow.stream") == "application/vnd.apache.arrow.stream"
    assert kind("application/json;q=0.1, application/x-npz") == "application/x-npz"
    assert kind("text/html, application/json;q=no") == "406"
    assert kind("application/x-npz;q=0") == "406"


def test_models_are_described(app: Any) -> None:
    listed = ask(app, "GET", "/models").json()["models"]
    assert [one["name"] for one in listed] == MODELS
    told = ask(app, "GET", "/models/calo-eplus").json()
    assert told["conditions"][0] == {
        "name": "incident_energy",
        "long_name": "energy of the incident particle",
        "units": "GeV",
        "kind": "float",
        "low": 1.0,
        "high": 100.0,
        "positive": True,
        "choices": [],
        "decides": False,
        "default": "log:1.0:100.0",
    }
    assert (told["reference"], told["shared_evaluation"], told["most_events"]) == ("calogan-eplus", True, 10_000)
    assert told["attributes"]["geometry"]["sections"][0]["eta_cells"] == 96
    assert ask(app, "GET", "/models/jets-epic-fast").json()["conditions"][0]["choices"][2] == "top quark"
    assert len(ask(app, "GET", "/models/dust-vae").json()["coordinates"]["x"]) == 32


def test_the_reference_is_the_mean_of_the_sample(app: Any) -> None:
    path = "/models/{}/reference"
    told = ask(app, "GET", path.format("calo-eplus"), params={"incident_energy": 50}).json()
    sample = simulacra.reference.load("calogan-eplus")
    energy = sample["incident_energy"].values
    near = sample["shower"].values[(energy > 50 / 1.1) & (energy < 50 * 1.1)].astype(float)
    assert told["number"] == len(near) > 50
    np.testing.assert_allclose(told["mean"], near.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(told["sections"][0], near[:, :288].sum(axis=1).mean())
    np.testing.assert_allclose(told["spread"][2], near[:, 432:].sum(axis=1).std(ddof=1))
    # At the edge of the sample, and beyond it, and for a particle that comes from the side.
    assert ask(app, "GET", path.format("calo-eplus"), params={"incident_energy": 1}).json()["available"]
    beyond = ask(app, "GET", path.format("calo-eplus"), params={"incident_energy": 500}).json()
    assert not beyond["available"]
    assert "0 Geant4 showers within 10 % of 500 GeV" in beyond["reason"]
    slanted = ask(
        app, "GET", path.format("calogan-eplus-angle"), params={"incident_energy": 50, "polar_angle": 0.1}
    ).json()
    assert not slanted["available"]
    assert "polar angle = 0" in slanted["reason"]
    none = ask(app, "GET", path.format("dust-vae"), params={"incident_energy": 5}).json()
    assert "No sample of the simulation is shipped" in none["reason"]
