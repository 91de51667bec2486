"""HepMC files: what is written comes back bit for bit, damaged files are refused, other programs' files are read."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hepmc_files import clouds

from simulacra.events import variable
from simulacra.formats import FormatError, format_of, hepmc, read
from simulacra.formats.pdg_charge import charge_of
from simulacra.variations import variation_variable

pytest.importorskip("pyhepmc", reason="pyhepmc is not installed: pip install 'simulacra[jets]'")


def test_a_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "Ereignisse für γ.hepmc3"
    events = clouds()
    hepmc.write(events, path)
    assert format_of(path) == "hepmc"
    back = read(path)
    xr.testing.assert_identical(back, events)
    assert [back[name].dtype for name in back.data_vars] == [events[name].dtype for name in events.data_vars]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    again = tmp_path / "again.hepmc3"
    hepmc.write(back, again)
    assert again.read_bytes() == path.read_bytes()


def test_weights_are_absolute_in_the_file(tmp_path: Path) -> None:
    import pyhepmc

    events = clouds()
    events["weight"].values[:] = np.linspace(-2, 3, 20)
    hepmc.write(events, tmp_path / "x.hepmc3")
    with pyhepmc.open(str(tmp_path / "x.hepmc3")) as file:
        found = [(list(event.weights), event.weight_names, len(event.particles)) for event in file]
    weight, varied = events["weight"].values, events["variation_alphaS_up"].values
    assert np.array_equal([w for w, _, _ in found], np.stack([weight, varied], axis=1))
    assert found[0][1] == ["Weight", "alphaS_up"]
    assert [n for _, _, n in found] == events["present"].values.sum(axis=1).tolist()
    xr.testing.assert_identical(read(tmp_path / "x.hepmc3"), events)


def test_variations_of_any_name_come_back(tmp_path: Path) -> None:
    """By their order, for by their names they could be the nominal weight or a program's books."""
    events = clouds()
    for i, name in enumerate(("0", "Default", "NTrials", "EXTRA_x")):
        events[f"variation_{name}"] = variation_variable(np.full(20, float(i)), name)
    events = events.drop_vars("alphaS").assign(alphaS=events["alphaS"])  # conditions stand last
    hepmc.write(events, tmp_path / "x.hepmc3")
    xr.testing.assert_identical(read(tmp_path / "x.hepmc3"), events)


def test_ratios_of_an_earlier_store_are_written_as_the_weights_that_they_stand_for(tmp_path: Path) -> None:
    events = clouds()
    events["weight"].values[:] = np.linspace(-2, 3, 20)
    varied = events["variation_alphaS_up"].values
    old = {"units": "1", "role": "weight", "long_name": "exact weight of the variation alphaS_up over the event's own"}
    hepmc.write(events.assign(variation_alphaS_up=("event", varied, old)), tmp_path / "x.hepmc3")
    back = read(tmp_path / "x.hepmc3")["variation_alphaS_up"]
    assert np.array_equal(back, varied * events["weight"].values)
    assert back.attrs == events["variation_alphaS_up"].attrs


def test_a_file_of_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.hepmc"
    path.write_text(
        "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nW Default\\|muR=0.5_muF=1\nT Sherpa\\|3.0\\|\n"
        "E 7 1 4\nU MEV MM\nW 2.0 3.0\n"
        "P 1 0 11 0 0 45600 45600 0 4\nP 2 0 -11 0 0 -45600 45600 0 4\nV -1 0 [1,2]\n"
        "P 3 -1 211 0 3000 4000 5000 0 1\nP 4 -1 -211 0 -3000 -4000 6000 0 1\n"
        "HepMC::Asciiv3-END_EVENT_LISTING\n\n"
    )
    events = read(path)
    assert events["event"].values.tolist() == [7]
    assert events["identity"].values.tolist() == [[-211, 211]]
    assert events["charge"].values.tolist() == [[-1, 1]]
    assert events["energy"].values.tolist() == [[6, 5]]
    assert events["momentum"].values.tolist() == [[[0, -3, -4], [0, 3, 4]]]
    assert (events["weight"].item(), events["variation_muR_0_5_muF_1"].item()) == (2.0, 3.0)
    assert (events.attrs["simulator"], events.attrs["simulator_version"]) == ("Sherpa", "3.0")
    assert json.loads(events.attrs["settings"]) == {"format": "hepmc", "weight": "Default"}


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.hepmc3"
    hepmc.write(clouds(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FormatError, match="is truncated"):
        read(path)


@pytest.mark.parametrize("damage", ["a momentum", "a line", "a weight", "the record"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.hepmc3"
    hepmc.write(clouds(), path)
    lines = path.read_text().splitlines()
    particle = next(i for i in range(len(lines) // 2, len(lines)) if lines[i].startswith("P "))
    weight = next(i for i in range(len(lines) // 2, len(lines)) if lines[i].startswith("W "))
    if damage == "a momentum":
        lines[particle] = " ".join(["nan" if i == 4 else part for i, part in enumerate(lines[particle].split())])
    elif damage == "a line":
        del lines[particle]
    elif damage == "a weight":
        lines[weight] = "W nan 1.0"
    else:
        lines[4] = lines[4].replace('"attributes"', "attributes")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FormatError, match=r"x\.hepmc3"):
        read(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="there is no file"):
        hepmc.read(tmp_path / "missing.hepmc3")
    path = tmp_path / "x.hepmc3"
    path.write_text("<LesHouchesEvents>")
    with pytest.raises(FormatError, match="does not begin with 'HepMC::'"):
        hepmc.read(path)
    path.write_text("HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nHepMC::Asciiv3-END_EVENT_LISTING\n\n")
    with pytest.raises(FormatError, match="damaged or empty: 0 of its 0"):
        hepmc.read(path)


def test_what_hepmc_has_no_place_for_is_named_or_refused(tmp_path: Path) -> None:
    events = clouds()
    path = tmp_path / "x.hepmc3"
    events["jet_pt"] = variable(np.ones((20, 2)), "jet", units="GeV", long_name="pt", role="feature")
    with pytest.warns(UserWarning, match="HepMC cannot store \\['jet_pt'\\]"):
        hepmc.write(events, path)
    path.unlink()
    with pytest.raises(FormatError, match="these events lack \\['momentum'\\]"):
        hepmc.write(events.drop_vars("momentum"), path)
    blurred = clouds()
    blurred["identity"].values[:] = 0
    with pytest.raises(FormatError, match="loses identities"):
        hepmc.write(blurred, path)
    empty = clouds()
    for name in ("momentum", "energy", "identity", "charge", "present"):
        empty[name].values[4] = 0
    with pytest.raises(FormatError, match="event 104 has no particles"):
        hepmc.write(empty, path)
    nan = clouds()
    nan["weight"].values[3] = np.nan
    with pytest.raises(ValueError, match="'weight' is nan in event 103"):
        hepmc.write(nan, path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FormatError, match="cannot write"):
        hepmc.write(clouds(), tmp_path / "missing" / "x.hepmc3")


@pytest.mark.parametrize(
    ("number", "charge"),
    [
        *((22, 0), (11, -1), (-13, 1), (24, 1), (211, 1), (-211, -1), (111, 0), (321, 1), (311, 0), (130, 0), (411, 1)),
        *((421, 0), (521, 1), (511, 0), (541, 1), (2212, 1), (2112, 0), (-2212, -1), (3112, -1), (3222, 1), (3334, -1)),
        *((2224, 2), (4122, 1), (5122, 0), (1000010020, 1), (-1000020040, -2), (10_211, 1), (1000024, 1), (2, 0)),
        (0, 0),
    ],
)
def test_charges_by_the_numbering_scheme(number: int, charge: int) -> None:
    assert charge_of(number) == charge


def test_charges_are_those_of_pythia() -> None:
    pythia8mc = pytest.importorskip("pythia8mc")
    data = pythia8mc.Pythia("", False).particleData
    known = [n for n in range(100, 100_000) if data.isParticle(n) and data.chargeType(n) % 3 == 0]
    assert len(known) > 150
    assert [n for n in known if charge_of(n) != data.chargeType(n) // 3] == []
