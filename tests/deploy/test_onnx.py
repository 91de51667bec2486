"""A generator as one ONNX file: the same showers from ONNX Runtime as from torch."""

import json
import logging
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.deploy.onnx import LARGEST, OPSET, Parity, ParityError, Session
from simulacra.deploy.onnx import export as export_onnx
from simulacra.geometry import CalorimeterGeometry

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")


@pytest.fixture(scope="module")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Export once, by the command line: it takes seconds."""
    path = tmp_path_factory.mktemp("export") / "Schauer für γ.onnx"
    return path, CliRunner().invoke(main.app, ["export", str(trained_run), "--onnx", "-o", str(path)])


@pytest.fixture(scope="module")
def path(exported: tuple[Path, Any]) -> Path:
    return exported[0]


def test_exporting_says_one_line(exported: tuple[Path, Any]) -> None:
    path, result = exported
    assert result.exit_code == 0, result.output
    beginning = f"toy in {path}, {path.stat().st_size / 1e6:.1f} MB, opset {OPSET}: "
    assert result.stdout.startswith(beginning)
    assert result.stdout.count("\n") == 1
    assert "differ from torch's by at most 1e-5 of the event's largest value, 99.9 % " in result.stdout
    # After 5 s it says what it waits for.
    assert result.stderr in ("", "exporting toy and comparing the file with torch ...\n")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert logging.getLogger("torch.onnx").level == logging.NOTSET


@pytest.mark.parametrize("n", [1, 2, 7, LARGEST, LARGEST + 1, 3 * LARGEST])
def test_showers_are_torchs_for_any_number_of_events(path: Path, trained_run: Path, n: int) -> None:
    session, module = Session(path), simulacra.load(trained_run).module
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((n, session.latent), np.float32)
    conditions = rng.uniform(1, 100, (n, 1)).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(noise), torch.from_numpy(conditions)).numpy()
    made = session.run(noise, conditions)
    assert made.shape == expected.shape
    scale = expected.max(axis=1, keepdims=True)
    # A cell right at the threshold may be lit in one and not in the other.
    assert (np.abs(made - expected) < 1e-5 * scale).mean() > 0.999
    np.testing.assert_allclose(made.sum(axis=1), expected.sum(axis=1), rtol=1e-5)
    assert (made == 0).any()
    assert (made >= 0).all()


def test_noise_comes_from_the_given_generator(path: Path) -> None:
    session, conditions = Session(path), np.full((5, 1), 50, np.float32)
    first, again, other = (session(conditions, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_file_tells_what_it_is(path: Path, trained_run: Path) -> None:
    import onnx

    model = onnx.load(str(path))
    onnx.checker.check_model(model)
    metadata = json.loads({p.key: p.value for p in model.metadata_props}["simulacra"])
    trained = simulacra.load(trained_run)
    assert metadata["name"] == "toy"
    assert metadata["condition_ranges"] == {"incident_energy": [1.0, 100.0]}
    assert metadata["geometry"] == trained.description["geometry"]
    assert metadata["training"]["data_sha256"] == trained.metadata["training"]["data_sha256"]
    assert metadata["inputs"]["conditions"] == [{"name": "incident_energy", "units": "GeV", "low": 1.0, "high": 100.0}]
    assert metadata["outputs"][0]["units"] == "MeV"
    assert metadata["outputs"][0]["shape"] == [40]
    assert metadata["parity"]["jumps"] < 1e-3
    assert metadata["weights_sha256"] == trained.weights_sha256
    assert model.opset_import[0].version == metadata["opset"] == OPSET
    plain = {p.key: p.value for p in model.metadata_props}
    assert plain["conditions"] == "incident_energy GeV 1 100"
    assert (plain["output"], plain["units"], plain["opset"]) == ("shower", "MeV", str(OPSET))
    assert (plain["precision"], metadata["precision"]) == ("float32", "float32")
    assert plain["geometry"] == metadata["geometry"]
    geometry = CalorimeterGeometry.from_json(plain["geometry"])
    x, y, z = np.array(plain["cell_places"].split(), float).reshape(-1, 3).T
    np.testing.assert_allclose([x, y], [geometry.cell_x, geometry.cell_y], rtol=1e-5)
    assert (np.abs(z - geometry.cell_z) <= geometry.layer_thickness).all()
    into_layer = z % geometry.layer_thickness - geometry.absorber.thickness
    np.testing.assert_allclose(into_layer, geometry.active.thickness / 2, rtol=1e-5)
    assert Session(path).metadata == metadata
    assert model.graph.input[0].name == "noise", "the example in C++ finds the noise's length there"
    assert [(i.name, i.type.tensor_type.shape.dim[1].dim_value) for i in model.graph.input] == [
        ("noise", trained.module.latent),
        ("conditions", 1),
    ]
    assert all(i.type.tensor_type.shape.dim[0].dim_param for i in model.graph.input), "the batch must be free"
    assert [o.name for o in model.graph.output] == ["output"]


def test_without_the_packages_there_is_a_remedy(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = CliRunner().invoke(main.app, ["export", str(trained_run), "-o", str(tmp_path / "x.onnx")])
    assert result.exit_code == 1
    assert "onnx is not installed: pip install 'simulacra[export]'" in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_the_example_in_cpp_reads_what_is_there(path: Path) -> None:
    import re

    import onnx

    source = (Path(__file__).parents[2] / "examples" / "cpp" / "ShowerInference.cc").read_text()
    model = onnx.load(str(path))
    keys = re.findall(r'Metadata\("(\w+)"\)', source)
    assert sorted(keys) == ["cell_places", "conditions", "particle", "units"]
    assert set(keys) <= {p.key for p in model.metadata_props}
    names = re.findall(r"putNames\{(.*?)\};", source)
    assert names == ['"noise", "conditions"', '"output"']
    assert [i.name for i in model.graph.input] == ["noise", "conditions"]


def test_a_module_that_depends_on_the_number_of_events_is_refused(tmp_path: Path) -> None:
    class Counting(torch.nn.Module):
        latent = 3

        def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
            return conditions[:, :1] * torch.ones(1, 3).expand(len(noise), -1) + noise

    with pytest.raises(
        ValueError, match=r"write x.shape\[0\] instead of len\(x\) in its forward, or export .* batch=N"
    ):
        export_onnx(Counting(), 1, tmp_path / "x.onnx", {})
    assert not list(tmp_path.iterdir())
    assert export_onnx(Counting(), 1, tmp_path / "x.onnx", {}, batch=5).jumps == 0


@pytest.mark.slow
def test_a_generator_without_a_network_is_exported_as_well(tmp_path: Path) -> None:
    from simulacra.models.parametrised_shower import ParametrisedShower

    module = ParametrisedShower(CalorimeterGeometry.load("calogan"), "gamma").eval().requires_grad_(False)
    energies = np.geomspace(1, 100, 128)[:, None]
    parity = export_onnx(module, 1, tmp_path / "analytic.onnx", {"units": "MeV"}, conditions=energies)
    # It counts spots, and a number may differ by one at a step.
    assert parity.jumps < 2e-3
    assert parity.sums < 1e-5
    made = Session(tmp_path / "analytic.onnx")(np.full((3, 1), 50, np.float32), np.random.default_rng(1))
    assert made.shape == (3, 504)
    assert made.sum(axis=1) == pytest.approx(50_000, rel=0.02)


def test_parity_is_relative_to_the_largest_value_of_an_event() -> None:
    expected = np.abs(np.random.default_rng(1).normal(size=(50, 100))) + 0.1
    small = Parity.between(expected * (1 + 1e-7), expected)
    assert small.events == 50
    assert small.jumps == 0
    assert small.quantile_999 == pytest.approx(1e-7, rel=0.5)
    assert small.sums == pytest.approx(1e-7, rel=0.01)
    one_lit = expected.copy()
    one_lit[0, 0] += 1
    assert Parity.between(one_lit, expected).jumps == pytest.approx(1 / 5000)
    small.check()
    with pytest.raises(ParityError, match=r"of the values differ from torch's by more than 1e-05"):
        Parity.between(expected * 1.0001, expected).check()
    with pytest.raises(ParityError, match="not all values are finite"):
        Parity.between(expected * np.nan, expected)


def test_a_file_that_does_something_else_is_not_written(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Under another name of torch's exporter: the module that is compared is not the one that was exported.
    trained, real = simulacra.load(trained_run), torch.onnx.export

    class Other(torch.nn.Module):
        latent = trained.module.latent

        def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
            return conditions[:, :1] * (noise + 1.0)

    def exported(module: torch.nn.Module, *arguments: Any, **options: Any) -> Any:
        return real(Other(), *arguments, **options)

    class Right(Other):
        def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
            return conditions[:, :1] * (noise + 1.001)

    monkeypatch.setattr(torch.onnx, "export", exported)
    with pytest.raises(ParityError):
        export_onnx(Right(), 1, tmp_path / "x.onnx", {})
    assert not list(tmp_path.iterdir())
    parity = export_onnx(Other(), 1, tmp_path / "x.onnx", {"units": "MeV"}, batch=4)
    assert parity.events == 4
    with pytest.raises(ValueError, match=r"must be \(N, 1\), not \(3, 2\)"):
        export_onnx(Other(), 1, tmp_path / "y.onnx", {}, conditions=np.ones((3, 2)))


# What a file answers to impossible conditions


IMPOSSIBLE = (0.0, -0.0, -1.0, math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("batch", [None, 9])
def test_impossible_energies_are_answered_with_nan_and_spoil_no_other_shower(
    path: Path, trained_run: Path, tmp_path: Path, batch: int | None
) -> None:
    if batch is not None:
        path = tmp_path / "fixed.onnx"
        export_onnx(simulacra.load(trained_run).module, 1, path, {}, batch=batch, above_zero=[0])
    session = Session(path)
    assert session.metadata["impossible_conditions"] == "NaN"
    noise = np.random.default_rng(1).standard_normal((9, session.latent), np.float32)
    asked = np.array([50, *IMPOSSIBLE, 20, 1e30], np.float32)[:, None]
    made = session.run(noise, asked, whole=True)
    right = np.array([True, *[False] * len(IMPOSSIBLE), True])
    assert np.isnan(made[1:-2]).all()
    possible = np.where(np.isin(np.arange(9), [0, 7]), asked[:, 0], 30.0).astype(np.float32)[:, None]
    np.testing.assert_array_equal(made[:8][right], session.run(noise, possible, whole=True)[:8][right])
    # Far out of the trained range there is a shower or none, but never a part of one.
    assert np.isfinite(made[8]).all() or np.isnan(made[8]).all()
    if batch is None:
        for k in range(8):
            np.testing.assert_array_equal(np.isnan(session.run(noise[k : k + 1], asked[k : k + 1])).all(), not right[k])


def test_noise_that_is_not_finite_is_answered_with_nan(path: Path) -> None:
    session = Session(path)
    noise = np.random.default_rng(1).standard_normal((3, session.latent), np.float32)
    noise[1, 2], noise[2, 0] = np.nan, np.inf
    made = session.run(noise, np.full((3, 1), 50, np.float32))
    assert np.isfinite(made[0]).all()
    assert np.isnan(made[1:]).all()


def test_conditions_that_may_be_negative_are_answered(trained_on_five_conditions: Path, tmp_path: Path) -> None:
    trained = simulacra.load(trained_on_five_conditions)
    assert trained.above_zero == [0]
    rows = np.array([[50, 0, 0, 0.1, 1], [50, -3, -0.0, 0.1, 1], [50, np.nan, 0, 0.1, 1]], np.float32)
    export_onnx(trained.module, 5, tmp_path / "x.onnx", {}, conditions=rows[:1], above_zero=trained.above_zero)
    session = Session(tmp_path / "x.onnx")
    made = session.run(np.zeros((3, session.latent), np.float32), rows)
    assert np.isnan(made).all(axis=1).tolist() == [False, False, True]


def test_what_an_exporter_notes_of_its_machine_is_left_out(path: Path) -> None:
    content = path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(simulacra.__file__).parent).encode() not in content
