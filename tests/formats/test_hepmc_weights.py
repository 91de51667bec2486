"""The weights of other programs' HepMC files: the nominal one by name, books left out, no number that is none."""

from pathlib import Path

import numpy as np
import pytest
from hepmc_files import hepmc2, hepmc3, weights_of

from simulacra.formats import FormatError, hepmc, read
from simulacra.formats.hepmc_weights import is_bookkeeping, roles_of

pytest.importorskip("pyhepmc", reason="pyhepmc is not installed: pip install 'simulacra[jets]'")


@pytest.mark.parametrize(
    ("names", "nominal", "variations"),
    [
        (["MUR0.5_MUF1", "Weight", "up"], 1, (0, 2)),
        (["a", "DEFAULT"], 1, (0,)),
        (["a", "nominal"], 1, (0,)),
        (["1", "0", "2"], 1, (0, 2)),
        (["Weight", "a", ""], 2, (0, 1)),
        (["Weight", "MEWeight", "WeightNormalisation", "NTrials", "MUR2"], 0, (4,)),
        (["NTrials", "Weight_Normalization", "EXTRA__MEWeight", "IRREG_x", "Weight"], 4, ()),
        (["weighted", "MEWeights"], 0, (1,)),
    ],
)
def test_the_nominal_weight_is_found_by_name(names: list[str], nominal: int, variations: tuple[int, ...]) -> None:
    roles = roles_of(names)
    assert (roles.nominal, roles.variations) == (nominal, variations)


def test_a_guess_is_told() -> None:
    assert roles_of(["Weight", "a"]).remark is None
    assert roles_of(["foo"]).remark is None
    assert roles_of(["NTrials", "foo"]).nominal == 1
    assert "'a' is taken as the nominal one" in str(roles_of(["a", "b"]).remark)
    assert "'Default', 'Weight' could each be the nominal weight; 'Default' is taken" in str(
        roles_of(["x", "Default", "Weight"]).remark
    )
    assert not is_bookkeeping("MUR_MEWeight")
    assert is_bookkeeping("mEwEiGhT")


def test_the_nominal_weight_may_be_named(tmp_path: Path) -> None:
    assert roles_of(["Weight", "NTrials", "b"], "b") == roles_of(["x", "NTrials", "b"], "b")
    path = hepmc3(tmp_path / "x.hepmc", "W x\\|y", ["W 1 2"])
    assert weights_of(hepmc.read(path, nominal="y")) == {"weight": [2], "variation_x": [1]}
    with pytest.raises(FormatError, match=r"x\.hepmc': there are 0 weights of the name 'z'; .*'x', 'y'"):
        hepmc.read(path, nominal="z")


def test_books_alone_are_no_weights(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"x\.hepmc': its weights \['NTrials', 'MEWeight'\] are bookkeeping entries"):
        read(hepmc3(tmp_path / "x.hepmc", "W NTrials\\|MEWeight", ["W 1 2"]))


def test_a_file_of_sherpa_gives_its_weight_and_not_its_books(tmp_path: Path) -> None:
    header = "W MEWeight\\|Weight\\|WeightNormalisation\\|NTrials\\|MUR0.5 MUF1"
    path = hepmc3(tmp_path / "x.hepmc", header, ["W 1e-11 -250 7.5 12 -300", "W 2e-11 0 7.5 3 3"])
    assert weights_of(read(path)) == {"weight": [-250, 0], "variation_MUR0_5_MUF1": [-300, 3]}


@pytest.mark.parametrize("word", ["nan", "-nan", "inf", "1.0E+400", "1.0D+01", "0x", "1_0", "1.0e"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_weight_that_is_no_finite_number_is_refused(tmp_path: Path, word: str, place: int) -> None:
    for header in ("W Weight\\|b", ""):
        weight = ["2", "3"]
        weight[place] = word
        path = hepmc3(tmp_path / "x.hepmc", header, ["W 1 2", f"W {' '.join(weight)}"], numbers=[40, 41])
        with pytest.raises(FormatError, match=r"a weight of event 41 \(number 2 in the file\) is '.*', not a finite"):
            read(path)
    path = hepmc2(tmp_path / "x.hepmc2", "", ["1 2", f"1 {word}"])
    with pytest.raises(FormatError, match=r"a weight of event 1 .* not a finite number"):
        read(path)


@pytest.mark.parametrize(
    ("header", "weights", "message"),
    [
        ("W Weight\\|b", ["W 1 2", "", "W 5 6"], "event 11 has 0 weights, but there are 2 names"),
        ("", ["W 1 2", "W 3"], "event 11 has 1 weights, but there are 2 weights in others"),
        ("", ["", "W 3"], "event 11 has 1 weights, but there are 0 weights in others"),
        ("W Weight\\|b", ["W 1 2", "W 3"], "event 11 has 1 weights"),
        ("W Weight\\|b", ["W 1 2 3"], "event 10 has 3 weights, but there are 2 names"),
    ],
)
def test_weights_that_are_missing_or_too_many_are_refused(
    tmp_path: Path, header: str, weights: list[str], message: str
) -> None:
    path = hepmc3(tmp_path / "x.hepmc", header, weights, numbers=[10, 11, 12][: len(weights)])
    with pytest.raises(FormatError, match=message):
        read(path)


def test_where_no_event_has_weights_each_weighs_one(tmp_path: Path) -> None:
    assert weights_of(read(hepmc3(tmp_path / "x.hepmc", "", ["", ""]))) == {"weight": [1, 1]}
    assert weights_of(read(hepmc2(tmp_path / "x.hepmc2", "", ["", ""]))) == {"weight": [1, 1]}


def test_names_of_every_kind_keep_to_their_weights(tmp_path: Path) -> None:
    # an empty name, one twice, one with a backslash, a bar or quotes: HepMC's library loses or refuses each of them
    header = 'W a\\|\\|a\\|b\\\\c\\|d|e "f"'
    events = read(hepmc3(tmp_path / "x.hepmc", header, ["W 1 2 3 4 5"]))
    assert weights_of(events) == {
        "weight": [2], "variation_a": [1], "variation_a_2": [3], "variation_b_c": [4], "variation_d_e_f": [5],
    }  # fmt: skip
    assert "variation b\\c," in events["variation_b_c"].attrs["long_name"]
    with pytest.warns(UserWarning, match="none of its 2 weights is called Weight.*; 'x' is taken"):
        events = read(hepmc3(tmp_path / "y.hepmc", "W x\\|y", ["W 1 2"]))
    assert weights_of(events) == {"weight": [1], "variation_y": [2]}


def test_weights_without_names_go_by_their_order(tmp_path: Path) -> None:
    events = read(hepmc3(tmp_path / "x.hepmc", "", ["W 2 3 4", "W 5 6 7"]))
    assert weights_of(events) == {"weight": [2, 5], "variation_1": [3, 6], "variation_2": [4, 7]}


def test_hepmc2_has_its_weights_in_the_line_of_an_event(tmp_path: Path) -> None:
    events = read(hepmc2(tmp_path / "x.hepmc", 'N 3 "a "b" c" "Weight" "NTrials"\n', ["1 -2 3", "0.5 0 3"]))
    assert weights_of(events) == {"weight": [-2, 0], "variation_a_b_c": [1, 0.5]}
    assert events["energy"].values.tolist() == [[2, 1]] * 2  # MeV became GeV
    events = read(hepmc2(tmp_path / "y.hepmc", "", ["1.5 2"]))
    assert weights_of(events) == {"weight": [1.5], "variation_1": [2]}
    text = (tmp_path / "y.hepmc").read_text()
    (tmp_path / "y.hepmc").write_text(text.replace("88 2 1.5", "88 3 1.5"))
    with pytest.raises(FormatError, match=r"the line of event 0 .* is too short"):
        read(tmp_path / "y.hepmc")


def test_units_that_are_not_stated_are_told(tmp_path: Path) -> None:
    assert np.isclose(read(hepmc3(tmp_path / "x.hepmc", "", ["", ""], units="MEV"))["energy"].values.max(), 2e-3)
    for path in (
        hepmc3(tmp_path / "y.hepmc", "", ["", ""], units=""),
        hepmc2(tmp_path / "z.hepmc", "", [""], units=""),
    ):
        with pytest.warns(UserWarning, match="does not state the units of all events: GeV is assumed"):
            assert read(path)["energy"].values.max() in (2, 2000)
