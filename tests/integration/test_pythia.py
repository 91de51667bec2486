"""Pythia itself: laws of conservation, known multiplicities, exact weights against direct runs, the same events again.

False-alarm rates are those of a normal deviate or a chi2; the seeds are fixed, so that what passes once passes always.
"""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from lhe_files import cosine_of, lhe, rwgt
from simulacra.events import validate
from simulacra.formats import jetnet
from simulacra.observables.jet_images import pt_and_mass
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.simulators import JetSettings, PythiaError, PythiaSettings, simulate_collisions, write_collisions
from simulacra.simulators.pythia import CollisionTask, checked
from simulacra.store import Chunk, StoreError, open_events
from simulacra.variations import holds_weights

pythia8mc = pytest.importorskip("pythia8mc", reason="pythia8mc is not installed: pip install 'simulacra[jets]'")

Z = "z-to-dijets"
VARIATIONS = ("strange frag:rho=0.275", "up fsr:muRfac=0.7", "harder frag:aLund=0.6")


@pytest.fixture(scope="module")
def default() -> xr.Dataset:
    return simulate_collisions(PythiaSettings(process=Z, variations=VARIATIONS), seed=1, n_events=4000)


def direct(n_events: int = 4000, seed: int = 2, **fields: Any) -> xr.Dataset:
    return simulate_collisions(PythiaSettings(process=Z, **fields), seed=seed, n_events=n_events)


def n_charged(events: xr.Dataset) -> np.ndarray:
    return (events["charge"].values != 0).sum(axis=1)


def n_kaons(events: xr.Dataset) -> np.ndarray:
    return np.isin(np.abs(events["identity"].values), (321, 130, 310)).sum(axis=1)


def mean(values: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Return the weighted mean and its standard error."""
    weight = np.ones(len(values)) if weight is None else weight
    middle = np.average(values, weights=weight)
    return float(middle), float(np.sqrt(((weight * (values - middle)) ** 2).sum()) / weight.sum())


def pull(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (a[0] - b[0]) / math.hypot(a[1], b[1])


def test_energy_momentum_and_charge_are_conserved(default: xr.Dataset) -> None:
    assert default["charge"].sum("particle").values.tolist() == [0] * 4000
    np.testing.assert_allclose(default["energy"].astype(float).sum("particle"), 91.2, rtol=1e-6)
    assert np.abs(default["momentum"].astype(float).sum("particle")).max() < 1e-4


def test_clouds_follow_the_conventions(default: xr.Dataset) -> None:
    energy, present = default["energy"].values, default["present"].values
    assert (np.diff(energy, axis=1) <= 0).all()
    assert (np.diff(present.astype(int), axis=1) <= 0).all()
    for name in ("energy", "identity", "charge", "momentum"):
        assert not default[name].values[~present].any()
    assert (default["identity"].values[present] != 0).all()
    momentum = np.linalg.norm(default["momentum"].values.astype(float), axis=2)
    assert (energy[present] - momentum[present] > -1e-5 * energy[present]).all()
    assert (default["weight"].values == 1).all()
    assert set(default.sizes) == {"event", "particle", "component"}
    assert default.sizes["particle"] == 192


def test_multiplicity_is_that_of_pythia_and_of_lep(default: xr.Dataset) -> None:
    pythia = pythia8mc.Pythia("", False)
    lines = "Print:quiet=on|Beams:idA=11|Beams:idB=-11|Beams:eCM=91.2|PDF:lepton=off|WeakSingleBoson:ffbar2gmZ=on"
    for line in f"{lines}|23:onMode=off|23:onIfAny=1 2 3 4 5|Random:setSeed=on|Random:seed=77".split("|"):
        assert pythia.readString(line)
    assert pythia.init()
    counts = [
        sum(particle.isFinal() and particle.isCharged() for particle in pythia.event)
        for _ in range(2000)
        if pythia.next()
    ]
    # 4 sigma: false alarm 6e-5
    assert abs(pull(mean(n_charged(default)), mean(np.array(counts)))) < 4
    assert abs(n_charged(default).mean() - 20.9) < 0.5


def test_more_alpha_s_means_more_particles() -> None:
    few, many = (mean(n_charged(direct(1000, values={"alphaS": a}))) for a in ("0.12", "0.16"))
    assert pull(many, few) > 10


def test_vincia_is_another_simulation() -> None:
    vincia = direct(1000, shower="vincia")
    np.testing.assert_allclose(vincia["energy"].astype(float).sum("particle"), 91.2, rtol=1e-6)
    assert vincia.attrs["shower"] == "vincia"
    # hadrons of both are tuned to the same data; the partons are not
    assert abs(n_charged(vincia).mean() - 20.9) < 1.5
    partons = [
        mean(direct(500, shower=shower, values={"HadronLevel:all": "off"})["present"].sum("particle").values)
        for shower in ("simple", "vincia")
    ]
    assert abs(pull(*partons)) > 8


def test_alpha_s_is_that_of_the_shower() -> None:
    low, high = (mean(n_charged(direct(400, shower="vincia", values={"alphaS": a}))) for a in ("0.100", "0.136"))
    assert pull(high, low) > 6


def test_exact_weights_have_the_mean_one(default: xr.Dataset) -> None:
    ones = np.ones(4000)
    for name in ("up", "harder"):
        # 4 sigma each: false alarm 1.3e-4 together
        assert abs(pull(mean(default[f"variation_{name}"].values), (1.0, 0.0))) < 4
        assert not np.array_equal(default[f"variation_{name}"].values, ones)
    # strings that Pythia fails to end are made again, so that weights of flavours come out a few per cent below 1
    assert 0.9 < default["variation_strange"].values.mean() < 1.02


def test_weights_of_flavours_agree_with_a_direct_run(default: xr.Dataset) -> None:
    strange = direct(values={"probStoUD": "0.275"})
    bins = np.array([0, 1, 2, 3, 4, 5, 6, 7, 9, 40]) - 0.5
    weight = default["variation_strange"].values
    weighted = np.histogram(n_kaons(default), bins, weights=weight)[0] / weight.sum()
    spread = np.histogram(n_kaons(default), bins, weights=weight**2)[0] / weight.sum() ** 2
    there = np.histogram(n_kaons(strange), bins)[0] / 4000
    chi2 = ((weighted - there) ** 2 / (spread + there / 4000)).sum()
    assert stats.chi2.sf(chi2, len(bins) - 2) > 1e-4  # its false-alarm rate
    plain = np.histogram(n_kaons(default), bins)[0] / 4000
    chi2 = ((plain - there) ** 2 / (plain + there) * 4000).sum()
    assert stats.chi2.sf(chi2, len(bins) - 2) < 1e-6  # without weights they are far apart


def test_weights_of_the_shower_agree_with_a_direct_run() -> None:
    exact = {"UncertaintyBands:muSoftCorr": "off", "UncertaintyBands:deltaAlphaSmax": "1"}
    source = direct(seed=3, values=exact, variations=("up fsr:muRfac=0.7",))
    target = mean(n_charged(direct(values={"TimeShower:renormMultFac": "0.49"})))
    # 4 sigma: false alarm 6e-5; without weights they are far apart
    assert abs(pull(mean(n_charged(source), source["variation_up"].values), target)) < 4
    assert abs(pull(mean(n_charged(source)), target)) > 6


def test_parameters_are_drawn_and_recorded() -> None:
    vary = {"alphaS": "uniform:0.10:0.18", "StringPT:sigma": "0.3", "probStoUD": "log:0.1:0.4"}
    events = direct(60, vary=vary, events_per_draw=20)
    alpha_s = events["alphaS"].values
    assert len(np.unique(alpha_s)) == 3
    assert np.array_equal(alpha_s, np.repeat(alpha_s[::20], 20))
    assert ((alpha_s >= 0.1) & (alpha_s <= 0.18)).all()
    assert events["StringPT_sigma"].attrs["units"] == "GeV"
    assert (events["StringPT_sigma"].values == np.float32(0.3)).all()
    assert all(events[name].attrs["role"] == "condition" for name in ("alphaS", "probStoUD", "StringPT_sigma"))
    assert json.loads(events.attrs["settings"])["vary"] == {
        "alphaS": "uniform:0.10:0.18",
        "StringPT_sigma": "0.3",
        "probStoUD": "log:0.1:0.4",
    }


def test_a_run_with_drawn_values_is_that_with_these_values() -> None:
    drawn = direct(40, vary={"alphaS": "uniform:0.10:0.18"}, events_per_draw=20)
    settings = PythiaSettings(process=Z, vary={"alphaS": float(drawn["alphaS"][0])}, events_per_draw=20)
    again = simulate_collisions(settings, seed=2, n_events=20)
    xr.testing.assert_equal(again["momentum"], drawn["momentum"][:20])


@pytest.mark.parametrize("fields", [{}, {"vary": {"alphaS": "uniform:0.1:0.18"}, "events_per_draw": 20}])
def test_a_chunk_cut_short_holds_the_first_events(fields: dict[str, Any]) -> None:
    task = CollisionTask(checked(PythiaSettings(process=Z, variations=VARIATIONS[:1], **fields)), 5)
    whole, part = task(Chunk(1, 100, 200)), task(Chunk(1, 100, 150))
    xr.testing.assert_equal(part, whole.isel(event=slice(0, 50)))
    other = task(Chunk(2, 100, 200))
    assert not np.array_equal(other["energy"].values, whole["energy"].values)


def test_events_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    settings = PythiaSettings(process=Z, vary={"alphaS": "uniform:0.1:0.18"}, events_per_draw=50)
    stores = []
    for workers in (1, 2):
        path = tmp_path / f"{workers} für.zarr"
        write_collisions(path, settings, seed=1, n_events=250, chunk_size=100, workers=workers, progress=False)
        stores.append(open_events(path).load())
    stores[0].attrs.pop("seconds_per_event"), stores[1].attrs.pop("seconds_per_event")
    for events in stores:
        events.attrs.pop("store", None)
    xr.testing.assert_identical(*stores)
    summary = write_collisions(tmp_path / "1 für.zarr", settings, seed=1, n_events=250, chunk_size=100, progress=False)
    assert summary.n_resumed_events == 250
    with pytest.raises(StoreError, match="seed: 1 there, 2 now"):
        write_collisions(tmp_path / "1 für.zarr", settings, seed=2, n_events=250, chunk_size=100, progress=False)


def test_an_event_without_room_is_an_error(tmp_path: Path) -> None:
    settings = PythiaSettings(process=Z, max_particles=20)
    with pytest.raises(StoreError, match=r"particles, more than 20: allow more with --max-particles"):
        write_collisions(tmp_path / "x.zarr", settings, seed=1, n_events=50, progress=False)
    assert not (tmp_path / "x.zarr").exists()


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the seed must not be negative, not -1"):
        write_collisions(tmp_path / "x.zarr", PythiaSettings(process=Z), seed=-1, n_events=5)


def test_a_card_that_pythia_refuses_is_told(tmp_path: Path) -> None:
    for card, message in (
        ("Beams:energy = 5", "the card.*input string not found"),
        ("StringZ:aLund = 7", "out of range"),
    ):
        with pytest.raises(ValueError, match=message):
            checked(PythiaSettings(process=Z, card=card))
    with pytest.raises(PythiaError, match="does not start"):
        checked(PythiaSettings(card="Beams:idA = 11"))


def test_a_process_by_card_goes_without_a_name() -> None:
    card = (
        "Beams:idA = 11\nBeams:idB = -11\nBeams:eCM = 91.2\nPDF:lepton = off\nWeakSingleBoson:ffbar2gmZ = on\n"
        "23:onMode = off\n23:onIfAny = 1 2 3 4 5\nMain:numberOfEvents = 3\n"
    )
    by_card = simulate_collisions(PythiaSettings(card=card, max_particles=192), seed=1, n_events=20)
    by_name = simulate_collisions(PythiaSettings(process=Z), seed=1, n_events=20)
    xr.testing.assert_equal(by_card, by_name)


def test_protons_give_jets() -> None:
    pytest.importorskip("fastjet")
    settings = PythiaSettings(process="qcd-dijets", jets=JetSettings(radius=0.8, n_jets=2, min_pt=20))
    events = simulate_collisions(settings, seed=1, n_events=30)
    # the hard process has 100 GeV or more; some of it leaves the jets
    assert np.median(events["jet_pt"].values[:, 0]) > 90
    assert (events["jet_pt"].values[:, 0] >= events["jet_pt"].values[:, 1]).all()
    assert set(np.unique(events["jet_index"].values)) == {-1, 0, 1}
    assert (events["charge"].sum("particle").values == 2).all()
    np.testing.assert_allclose(events["energy"].astype(float).sum("particle"), 13000, rtol=1e-5)


def test_leading_jets_are_events_of_their_own(tmp_path: Path) -> None:
    """The particles of a jet are those of the same collisions, clustered afterwards."""
    pytest.importorskip("fastjet")
    settings = {"process": "top-jets", "variations": VARIATIONS[:1]}
    jets = simulate_collisions(PythiaSettings.model_validate(settings), seed=3, n_events=40)
    validate(jets)
    assert ((jets["jet_pt"] >= 800) & (jets["jet_pt"] < 1600)).all()
    assert jets["pt_rel"].shape == (40, 150)
    assert (jets["jet_class"] == JET_CLASS.choices.index("top quark")).all()
    assert jets.attrs["particle"] == "top quark"
    # The mass of the top quark: by eye, half of the jets contain all of it.
    assert 150 < float(jets["jet_mass"].median()) < 210

    asked = {"leading_jet": {"particles": 30}, "max_particles": 3000}
    fewer = simulate_collisions(PythiaSettings.model_validate(settings | asked), seed=3, n_events=20)
    for name in fewer.data_vars:
        expected = jets[name].values[:20]
        np.testing.assert_array_equal(fewer[name], expected[:, :30] if expected.ndim == 2 else expected)

    jetnet.write(jets, tmp_path / "t.hdf5")
    again = jetnet.read(tmp_path / "t.hdf5")
    for name in ("eta_rel", "phi_rel", "pt_rel", "present", "jet_pt", "jet_mass", "jet_class"):
        np.testing.assert_array_equal(again[name], jets[name])
    np.testing.assert_array_equal(again["particle_number"], jets["present"].sum("particle"))


def test_a_mixture_makes_its_processes_in_turn() -> None:
    pytest.importorskip("fastjet")
    settings = checked(PythiaSettings(process="jets"))
    jets = CollisionTask(settings, 3)(Chunk(1, 40, 63))
    assert jets["jet_class"].values.tolist() == [i % 5 for i in range(23)]
    assert jets["event"].values.tolist() == list(range(40, 63))
    # Each process has random numbers of its own.
    assert len(set(jets["jet_pt"].values.tolist())) == 23
    cut = CollisionTask(settings, 3)(Chunk(1, 40, 43))
    for name in cut.data_vars:
        np.testing.assert_array_equal(cut[name], jets[name][:3])


def test_images_of_both_classes_are_made_in_turn() -> None:
    pytest.importorskip("fastjet")
    asked = {"process": "jet-images", "jet_image": {"rotation": "none"}}
    events = simulate_collisions(PythiaSettings.model_validate(asked), seed=3, n_events=40)
    validate(events)
    assert events["image"].dims == ("event", "row", "column")
    assert events["image"].shape == (40, 25, 25)
    assert events["signal"].values.tolist() == [0, 1] * 20
    assert (events.attrs["image_of"], events.attrs["pixel_size"]) == ("jets", 0.1)
    assert json.loads(events.attrs["settings"])["jet_image"]["rotation"] == "none"
    assert ((events["jet_pt"] >= 250) & (events["jet_pt"] < 300)).all()
    assert (np.abs(events["jet_eta"]) < 2).all()
    # The pixels are the trimmed jet: their momentum and mass are its own, up to the few towers outside of the image.
    pt, mass = pt_and_mass(events["image"].values, 0.1)
    np.testing.assert_allclose(np.median(pt / events["jet_pt"]), 1, atol=0.01)
    np.testing.assert_allclose(np.median(mass - events["jet_mass"]), 0, atol=1.5)
    # Half of the W bosons or more are one jet of their mass.
    assert 74 < float(np.median(events["jet_mass"][events["signal"] == 1])) < 86
    turned = simulate_collisions(PythiaSettings(process="jet-images"), seed=3, n_events=8)
    for name in ("jet_pt", "jet_mass", "subjet_distance"):
        np.testing.assert_array_equal(turned[name], events[name][:8])
    assert (turned["image"].values > 0).sum() > 2 * (events["image"].values[:8] > 0).sum()


def test_images_around_muons_are_of_both_classes_in_turn() -> None:
    asked = {"process": "muon-images", "muon_image": {"pile_up": 0, "min_pixel": 0}}
    events = simulate_collisions(PythiaSettings.model_validate(asked), seed=3, n_events=60)
    validate(events)
    assert events["image"].shape == (60, 33, 33)
    assert events["signal"].values.tolist() == [0, 1] * 30
    assert (events.attrs["image_of"], events.attrs["pixel_size"]) == ("muons", 0.025)
    assert ((events["muon_pt"] >= 10) & (events["muon_pt"] < 40) & (np.abs(events["muon_eta"]) < 2.1)).all()
    assert events["image"].values.any(axis=(1, 2)).all()
    # The rest of a b hadron flies along with its muon; next to a prompt one there are single soft particles.
    of_b, prompt = (events["image"].values[place::2].sum(axis=(1, 2)) for place in (0, 1))
    assert np.median(of_b) > 3 * np.median(prompt)


def test_pile_up_fills_images_around_muons_without_changing_what_was_there() -> None:
    asked = {"process": "prompt-muon-images", "muon_image": {"min_pixel": 0, "pile_up_collisions": 30}}
    crowded = simulate_collisions(PythiaSettings.model_validate(asked), seed=3, n_events=10)
    asked["muon_image"] = {"min_pixel": 0, "pile_up": 0}
    alone = simulate_collisions(PythiaSettings.model_validate(asked), seed=3, n_events=6)
    for pt, image in zip(alone["muon_pt"].values, alone["image"].values, strict=True):
        same = crowded["image"].values[crowded["muon_pt"].values == pt][0]
        assert (same >= image - 1e-5).all()
    # 50 collisions with about one particle of more than 0.2 GeV each in the window.
    assert 30 < (crowded["image"].values > 0).sum(axis=(1, 2)).mean() < 80


def test_muons_that_no_collision_has_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.simulators.pythia_jets.MOST_WITHOUT", 40)
    settings = PythiaSettings.model_validate({"process": Z, "muon_image": {"min_pt": 44, "max_pt": 45, "pile_up": 0}})
    with pytest.raises(StoreError, match=r"have no muon of 44 to 45 GeV, \|eta\| < 2.1, with a pixel of 0.5 GeV"):
        simulate_collisions(settings, seed=1, n_events=5)


def test_jets_that_no_collision_has_are_an_error() -> None:
    pytest.importorskip("fastjet")
    settings = PythiaSettings.model_validate({"process": Z, "leading_jet": {"min_pt": 60, "max_pt": 70}})
    with pytest.raises(StoreError, match="have no leading jet of 60 to 70 GeV"):
        simulate_collisions(settings, seed=1, n_events=5)


def test_leading_jets_with_drawn_parameters_are_each_of_their_run() -> None:
    pytest.importorskip("fastjet")
    settings = {"process": Z, "leading_jet": {"min_pt": 30}, "vary": {"alphaS": "uniform:0.1:0.18"}}
    jets = simulate_collisions(PythiaSettings.model_validate(settings | {"events_per_draw": 20}), seed=3, n_events=60)
    assert [len(set(block)) for block in jets["alphaS"].values.reshape(3, 20)] == [1, 1, 1]
    assert len(set(jets["alphaS"].values)) == 3
    assert (jets["jet_pt"] >= 30).all()


def lhe_file(path: Path, n_events: int) -> Path:
    """Write e+ e- -> u ubar at rest, each event at a polar angle of its own."""
    path.write_text(lhe(*[(1, "")] * n_events, strategy=3))
    return path


#: without radiation and hadrons the quarks themselves are seen, and tell which event of the file they are
BARE = {"PDF:lepton": "off", "PartonLevel:FSR": "off", "HadronLevel:all": "off"}


def cosines(events: xr.Dataset) -> np.ndarray:
    return events["momentum"].values[..., 2][events["identity"].values == 2] / 45.6


@pytest.mark.parametrize("strategy", [-4, 3])
def test_weights_of_a_les_houches_file_become_variations_of_their_own_events(tmp_path: Path, strategy: int) -> None:
    """Weighted events (-4) keep the file's weights; of others (3), which weigh 1, they are ratios to the file's own."""
    n = 50
    own = np.linspace(0.5, 3, n) * np.where((np.arange(n) % 7 == 3) & (strategy == -4), -1, 1)
    up, down = np.linspace(1, 9, n), np.linspace(-2, 2, n)
    rows = [(own[i], rwgt(up=up[i], down=down[i]) if i % 2 else rwgt(down=down[i], up=up[i])) for i in range(n)]
    path = tmp_path / "weighted für.lhe.gz"
    path.write_bytes(gzip.compress(lhe(*rows, strategy=strategy).encode()))
    settings = PythiaSettings(lhe=path, values=BARE, max_particles=2)
    events = simulate_collisions(settings, seed=1, n_events=45, chunk_size=20)
    np.testing.assert_allclose(cosines(events), [cosine_of(i, n) for i in range(45)], atol=1e-6)
    scale = 1 if strategy == -4 else own[:45]
    np.testing.assert_allclose(events["weight"], own[:45] / scale, rtol=1e-12)
    np.testing.assert_allclose(events["variation_1001"], up[:45] / scale, rtol=1e-12)
    np.testing.assert_allclose(events["variation_1002"], down[:45] / scale, rtol=1e-12)
    assert json.loads(events.attrs["settings"])["lhe"] == path.name
    assert json.loads(events.attrs["settings"])["lhe_weights"] == ["1002", "1001"]
    assert holds_weights(events, "variation_1001")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    two = simulate_collisions(settings.model_copy(update={"lhe_weights": ("1002",)}), seed=1, n_events=45, workers=2)
    assert "variation_1001" not in two
    np.testing.assert_allclose(two["variation_1002"], down[:45] / scale, rtol=1e-12)


def test_an_event_of_weight_zero_keeps_its_variations(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    path.write_text(lhe((2, rwgt(up=1)), (0, rwgt(up=3)), (1, rwgt(up=0))))
    events = simulate_collisions(PythiaSettings(lhe=path, values=BARE, max_particles=2), seed=1, n_events=3)
    assert events["weight"].values.tolist() == [2, 0, 1]
    assert events["variation_1001"].values.tolist() == [1, 3, 0]


def test_pythias_variations_are_not_mistaken_for_the_weights_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    fields: dict[str, Any] = {"values": {"PDF:lepton": "off"}, "variations": ("up fsr:muRfac=0.5",)}
    path.write_text(lhe(*[(2, "")] * 20, initrwgt=""))
    without = simulate_collisions(PythiaSettings(lhe=path, **fields), seed=1, n_events=20)
    # a weight that has the variation's name, and one fewer in some events than in others
    rows = [(2, rwgt(up=100 + i, **({"up2": 50} if i % 2 else {}))) for i in range(20)]
    path.write_text(lhe(*rows, initrwgt="").replace("id='1001'", "id='up'"))
    events = simulate_collisions(PythiaSettings(lhe=path, lhe_weights=("up",), **fields), seed=1, n_events=20)
    assert np.array_equal(events["energy"], without["energy"])
    np.testing.assert_allclose(events["variation_up"], without["variation_up"], rtol=1e-12)
    assert 1 < events["variation_up"].values.mean() < 3  # of events that weigh 2
    np.testing.assert_allclose(events["variation_up_2"], 100 + np.arange(20), rtol=1e-12)


def test_what_makes_the_weights_of_a_file_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe"
    settings = PythiaSettings(lhe=path, values=BARE, max_particles=2)
    path.write_text(lhe((1, rwgt(up=1)), (1, ""), (1, rwgt(up=1))))
    with pytest.raises(StoreError, match=r"event 1 of '.*x\.lhe' lacks the weight '1001'"):
        simulate_collisions(settings, seed=1, n_events=3)
    path.write_text(lhe((1, ""), strategy=1))
    with pytest.raises(ValueError, match="unweight"):
        simulate_collisions(settings, seed=1, n_events=1)
    path.write_text(lhe((1, "")))
    merging = settings.model_copy(update={"values": {**BARE, "Merging:doKTMerging": "on"}})
    with pytest.raises(ValueError, match="Merging:doKTMerging = on: merging silently leaves out events"):
        simulate_collisions(merging, seed=1, n_events=1)


def test_hard_processes_come_from_a_les_houches_file(tmp_path: Path) -> None:
    path = lhe_file(tmp_path / "hard für e+ e-.lhe", 60)
    settings = PythiaSettings(lhe=path, values=BARE, max_particles=2)
    events = simulate_collisions(settings, seed=1, n_events=50, chunk_size=20)
    np.testing.assert_allclose(cosines(events), [cosine_of(i, 60) for i in range(50)], atol=1e-6)
    with pytest.raises(ValueError, match="holds 60 events, not 61: ask for fewer"):
        simulate_collisions(settings, seed=1, n_events=61)
    hadrons = PythiaSettings(lhe=path, values={"PDF:lepton": "off"}, vary={"alphaS": "0.13"}, events_per_draw=20)
    found = simulate_collisions(hadrons, seed=1, n_events=60, chunk_size=20)
    np.testing.assert_allclose(found["energy"].astype(float).sum("particle"), 91.2, rtol=1e-6)
    assert 17 < n_charged(found).mean() < 25
    with pytest.raises(ValueError, match="there is no LHE file"):
        simulate_collisions(PythiaSettings(lhe=tmp_path / "missing.lhe"), seed=1, n_events=1)


def test_hepmc_takes_all_of_it(tmp_path: Path, default: xr.Dataset) -> None:
    pytest.importorskip("pyhepmc")
    from simulacra.formats import hepmc, read

    events = default.isel(event=slice(100, 300))
    events.attrs.pop("store", None)
    hepmc.write(events, tmp_path / "x.hepmc3")
    xr.testing.assert_identical(read(tmp_path / "x.hepmc3"), events)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    direct(20, shower="vincia")
    assert capfd.readouterr() == ("", "")
