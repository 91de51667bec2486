"""A file for Geant4's example Par04, fed as that example feeds it."""

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import simulacra
from cpp_examples import NEEDED, compiled, run
from par04_inference import GEOMETRY, Par04Inference
from simulacra.deploy.par04_mesh import macro, mesh_of
from simulacra.deploy.session import Session
from simulacra.geometry import CalorimeterGeometry

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")

from simulacra.deploy.par04 import export_par04

LOW, HIGH = 1.0, 100.0


def geometry_with(**changes: Any) -> CalorimeterGeometry:
    data = tomllib.loads(GEOMETRY)
    data["sections"][0] |= {name: value for name, value in changes.items() if name in ("alpha_bins", "r_edges")}
    sections = changes.get("sections", data["sections"])
    others = {name: value for name, value in changes.items() if name not in ("alpha_bins", "r_edges")}
    return CalorimeterGeometry.model_validate(data | others | {"sections": sections})


CELLS = geometry_with()


class Toy(torch.nn.Module):
    """Showers with a profile that names each cell, of 90 % of the energy on average; some cells are empty."""

    latent = 5

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("profile", torch.linspace(1, 2, CELLS.n_cells) / torch.linspace(1, 2, CELLS.n_cells).sum())

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        spread = 1 + 0.1 * noise[:, :1] + 0.3 * noise[:, 1:2] * torch.linspace(-1, 1, CELLS.n_cells)
        return 900 * conditions * torch.relu(self.profile * spread)  # type: ignore[operator]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("par04") / "toy.onnx"
    parity = export_par04(Toy().eval(), CELLS, (LOW, HIGH), path, {"name": "toy"})
    assert parity.jumps == 0
    return path


@pytest.fixture(scope="module")
def par04(path: Path) -> Par04Inference:
    import onnxruntime

    onnxruntime.set_seed(1)  # the noise of a session that is opened next; Geant4 cannot set it
    return Par04Inference(path, (2, 4, 3), 4.65, 17.0)


def test_showers_have_the_means_of_torchs_in_each_layer_and_ring(par04: Par04Inference) -> None:
    n = 1500
    made = np.array([par04.energies(50_000) for _ in range(n)]).reshape(n, 2, 4, 3)
    noise = torch.randn(40_000, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = Toy()(noise, torch.full((len(noise), 1), 50.0)).numpy().reshape(-1, 3, 4, 2)
    # 5 standard deviations for five means: once in 300,000 seeds.
    for axes, others in (((1, 2), (2, 3)), ((2, 3), (1, 2))):
        mine, theirs = made.sum(axis=axes), expected.sum(axis=others)
        error = mine.std(axis=0) * np.sqrt(1 / n + 1 / len(theirs))
        assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 5 * error).all()
    total = made.sum(axis=(1, 2, 3))
    assert total.mean() == pytest.approx(45_000, rel=0.05)
    assert total.std() == pytest.approx(0.1 * 45_000, rel=0.15)
    assert len(np.unique(total)) == n


@pytest.mark.parametrize(("bins", "edges"), [(4, [0.0, 4.65, 9.3]), (6, [0.0, 2.0]), (1, [0.0, 3.0, 6.0, 9.0])])
def test_each_voxel_is_the_cell_at_its_place(tmp_path: Path, bins: int, edges: list[float]) -> None:
    geometry = geometry_with(alpha_bins=bins, r_edges=edges)
    mesh = mesh_of(geometry)
    inference = object.__new__(Par04Inference)
    inference._mesh, inference._ring, inference._layer = (mesh.rings, mesh.angles, mesh.layers), mesh.ring, mesh.layer
    x, y, z = inference.places().T
    np.testing.assert_allclose(geometry.cell_z[mesh.order], z)
    if bins > 1:  # a ring that is not divided has no place of its own
        np.testing.assert_allclose(geometry.cell_x[mesh.order], x, atol=1e-9)
        np.testing.assert_allclose(geometry.cell_y[mesh.order], y, atol=1e-9)
    assert sorted(mesh.order) == list(range(geometry.n_cells))


def test_the_file_takes_the_cells_to_these_places(par04: Par04Inference) -> None:
    # A plane through the profile, which rises with the number of the cell, in 400 showers.
    energies, places = np.mean([par04.energies(20_000) for _ in range(400)], axis=0), par04.places()
    cells = [
        int(np.argmin(np.square(np.stack([CELLS.cell_x, CELLS.cell_y, CELLS.cell_z]) - place[:, None]).sum(axis=0)))
        for place in places
    ]
    expected = 18_000 * Toy().profile.numpy()[cells]  # type: ignore[operator, union-attr]
    # Cells at the ends of the profile vary by 30 % from shower to shower: 1.6 % on average.
    assert np.abs(energies / expected - 1).max() < 0.09


def test_no_energy_below_the_trained_range_is_lost(par04: Par04Inference) -> None:
    for energy in (999.9, 500.0, 11.0):  # MeV: scaled showers
        mean = np.mean([par04.hits(energy)[0].sum() for _ in range(300)])
        assert mean == pytest.approx(0.9 * energy, rel=0.03)
    for energy in (9.9, 1.0, 0.001):
        (hit,), places = par04.hits(energy)
        assert hit == pytest.approx(energy, rel=1e-6)
        assert np.hypot(*places[0, :2]) < 4.65
        assert 0 < places[0, 2] < 17
        # Also of particles that are scattered into the calorimeter.
        assert par04.energies(energy, theta=0.01).sum() == pytest.approx(energy, rel=1e-6)
    assert par04.energies(0.0).sum() == 0


@pytest.mark.parametrize("energy", [1000.0, 1000.1, 100_000.0, 100_999.0])
def test_the_edges_of_the_trained_range_are_inside(par04: Par04Inference, energy: float) -> None:
    assert np.mean([par04.energies(energy).sum() for _ in range(300)]) == pytest.approx(0.9 * energy, rel=0.04)


@pytest.mark.parametrize("energy", [-1.0, -1e-30, math.nan, math.inf, -math.inf, 101_001.0, 1e33])
def test_impossible_energies_stop_the_run(par04: Par04Inference, energy: float) -> None:
    wanted = "the energy is negative, not finite or above 101 GeV: the generator was trained on 1 to 100 GeV"
    with pytest.raises(Exception, match=wanted):
        par04.energies(energy)
    assert par04.energies(1000.0).sum() > 0  # and the session goes on


@pytest.mark.parametrize("theta", [0.86, 2.28, -1.57, 4.0, math.nan, math.inf])
def test_directions_outside_the_barrel_stop_the_run(par04: Par04Inference, theta: float) -> None:
    wanted = r"phi is no angle, or theta is not within 0.87 to 2.27 rad"
    with pytest.raises(Exception, match=wanted):
        par04.energies(10_000.0, theta=theta)
    with pytest.raises(Exception, match=wanted):
        par04.energies(1.0, theta=theta if not 0 < theta < 3 else math.nan)


@pytest.mark.parametrize("phi", [7.0, -7.0, math.nan, math.inf])
def test_azimuths_that_are_no_angle_stop_the_run(par04: Par04Inference, phi: float) -> None:
    with pytest.raises(Exception, match="phi is no angle"):
        par04.energies(10_000.0, phi=phi)


@pytest.mark.parametrize("phi", [-math.pi, 0.0, math.pi, 2 * math.pi])
@pytest.mark.parametrize("theta", [0.87, 2.27])
def test_all_directions_of_the_barrel_are_answered(par04: Par04Inference, phi: float, theta: float) -> None:
    assert par04.energies(10_000.0, phi=phi, theta=theta).sum() > 0


@pytest.mark.parametrize("flag", [4, 5, 6, 7])
def test_flags_of_another_detector_stop_the_run(par04: Par04Inference, flag: int) -> None:
    with pytest.raises(Exception, match=re.escape("the flags of the detector are not [1, 0, 0, 0, 0]")):
        par04.energies(10_000.0, flag=flag)


def test_flags_that_are_no_flags_and_one_bad_row_of_many_stop_the_run(path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows = np.tile(np.array([10, 0, 1.5, 1, 0, 0, 0, 0], np.float32), (5, 1))
    (made,) = session.run(None, {"particles": rows})
    assert made.shape == (5, 2, 4, 3)
    assert len(np.unique(made.sum(axis=(1, 2, 3)))) == 5
    for column, value in ((3, 0), (3, 0.5), (3, math.nan), (5, 1), (0, 1e30), (2, 0)):
        spoilt = rows.copy()
        spoilt[3, column] = value
        with pytest.raises(Exception, match="Non-zero status code returned while running Reshape node"):
            session.run(None, {"particles": spoilt})


def test_the_file_says_what_it_is(path: Path) -> None:
    import onnx

    model = onnx.load(str(path))
    told = {one.key: one.value for one in model.metadata_props}
    assert (told["contract"], told["units"], told["impossible_conditions"]) == ("par04", "GeV", "error")
    assert told["conditions"].startswith("energy GeV; phi rad; theta rad; Par04SiW 1; ")
    assert [one.name for one in model.graph.input] == ["particles"]
    assert "/Par04/inference/setSizeOfRhoCells 4.65 mm\n/Par04/inference/setSizeOfZCells 17 mm\n" in told["macro"]
    assert "/Par04/inference/setModelPathName toy.onnx\n" in told["macro"]
    with pytest.raises(ValueError, match=r"is for another program \(par04\) and draws its own noise"):
        Session(path)


@NEEDED[0]
@NEEDED[1]
def test_cpp_feeds_the_file_as_geant4_does(path: Path, tmp_path: Path) -> None:
    program = compiled(tmp_path, "par04_showers", "par04_showers.cc")
    shown = run(program, path, 50, 500)
    assert shown.returncode == 0, shown.stderr
    # Two sessions in two threads repeat no shower.
    assert "GeV in 24 voxels on average, 1000 different showers of 1000 from two threads" in shown.stdout
    # Of 1000 showers with a spread of 10 %: 0.14 GeV; 5 standard deviations, passed once in 1.7 million runs.
    assert float(shown.stdout.split(": ")[1].split(" GeV")[0]) == pytest.approx(45, abs=0.75)
    for arguments, reason in (
        ((500, 2), "the energy is negative, not finite or above 101 GeV: the generator was trained on 1 to 100 GeV"),
        (("nan", 2), "the energy is negative, not finite"),
        ((50, 2, 0.1), "theta is not within 0.87 to 2.27 rad"),
    ):
        stopped = run(program, path, *arguments)
        assert stopped.returncode == 1
        assert reason in stopped.stderr


class Broken(Toy):
    """Divides by 0 at 30 GeV."""

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return super().forward(noise, conditions) / (conditions != 30)


def test_a_network_whose_result_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    export_par04(Broken().eval(), CELLS, (LOW, HIGH), path, {}, batch=1)
    inference = Par04Inference(path, (2, 4, 3), 4.65, 17.0)
    assert np.isfinite(inference.energies(20_000)).all()
    with pytest.raises(Exception, match="the energies of the voxels are not finite"):
        inference.energies(30_000)


def test_of_another_calorimeter_the_file_wants_the_flag_of_a_new_one() -> None:
    assert mesh_of(CELLS).flags == (1, 0, 0, 0, 0)
    for changes in (
        {"absorber": {"material": "G4_Pb", "thickness": 1.4}},
        {"active": {"material": "G4_Si", "thickness": 0.5}},
        {"dead_material": {"material": "G4_Al", "thickness": 2.0}},
    ):
        assert mesh_of(geometry_with(**changes)).flags == (0, 0, 0, 0, 1)


@pytest.mark.parametrize("name", ["calochallenge", "calochallenge-3"])
def test_the_calochallenges_meshes_are_par04s_own(name: str) -> None:
    geometry = CalorimeterGeometry.load(name)
    lines = macro(mesh_of(geometry), geometry, "x.onnx").splitlines()
    rho, n_rho, n_phi = ("4.65", 9, 16) if name == "calochallenge" else ("2.325", 18, 50)
    for line in (
        "/Par04/detector/setNbOfLayers 90",
        "/Par04/detector/setAbsorber 0 G4_W 1.4 mm true",
        "/Par04/detector/setAbsorber 1 G4_Si 0.3 mm true",
        f"/Par04/mesh/setSizeOfRhoCells {rho} mm",
        "/Par04/mesh/setSizeOfZCells 3.4 mm",
        f"/Par04/inference/setNbOfRhoCells {n_rho}",
        f"/Par04/inference/setNbOfPhiCells {n_phi}",
        "/Par04/inference/setNbOfZCells 45",
    ):
        assert line in lines
    # The session is made when the library is set: the path and the kind of model come before.
    places = [lines.index(f"/Par04/inference/{one}") for one in ("setModelPathName x.onnx", "setModelType CaloDiT-2")]
    assert max(places) < lines.index("/Par04/inference/setInferenceLibrary ONNX")
    assert mesh_of(geometry).is_par04


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"r_edges": [0.0, 4.65, 13.95]}, r"its rings are not equally wide from r = 0 \(0, 4.65, 13.95 mm\)"),
        ({"r_edges": [1.0, 2.0, 3.0]}, "its rings are not equally wide"),
        ({"alpha_bins": 5}, "Par04's angles begin at -pi, and 5 bins are no whole half circle"),
    ],
)
def test_other_cylinders_are_refused(changes: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        mesh_of(geometry_with(**changes))


def test_sections_that_differ_and_blocks_are_refused() -> None:
    one = {"layers": 10, "alpha_bins": 4, "r_edges": [0.0, 4.65, 9.3]}
    sections = [{"name": "a", **one}, {"name": "b", **one, "alpha_bins": 8}]
    with pytest.raises(ValueError, match="its sections 'a' and 'b' differ"):
        mesh_of(geometry_with(sections=sections))
    with pytest.raises(
        ValueError, match=r"'calogan' is none: its cells are cartesian\. Train on a cylindrical geometry"
    ):
        mesh_of(CalorimeterGeometry.load("calogan"))


def test_the_shipped_generator_runs_as_the_example_runs_it(tmp_path: Path) -> None:
    simulacra.export("calochallenge-electrons", tmp_path / "showers.onnx", contract="par04")
    inference = Par04Inference(tmp_path / "showers.onnx", (9, 16, 45), 4.65, 3.4)
    made = np.array([inference.energies(20_000) for _ in range(100)]).reshape(-1, 9, 16, 45)
    expected = simulacra.load("calochallenge-electrons").sample(400, seed=1, incident_energy=20.0)["shower"].values
    layers = expected.reshape(-1, 45, 144).sum(axis=2)
    error = layers.std(axis=0) * math.sqrt(1 / len(made) + 1 / len(layers))
    # 5 standard deviations for 45 layers, beside what a layer that is seldom hit may hold.
    difference = np.abs(made.sum(axis=(1, 2)).mean(axis=0) - layers.mean(axis=0))
    assert bool((difference < 5 * error + 1.0).all())
    lit = made[made > 0]
    assert float(lit.min()) > 0.015
