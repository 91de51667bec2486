"""Large layers in whole numbers of 8 bits: nearly the same function, event by event."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.deploy.onnx import export, open_session

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")
LATENT, WIDTH = 300, 400


class Layers(nn.Module):
    """Two large layers, one of them with an offset of its own for each event, and a product that is no layer."""

    latent = LATENT

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(1)
        self.first = nn.Parameter(torch.randn(LATENT, WIDTH, generator=rng) / LATENT**0.5)
        self.offset = nn.Parameter(torch.randn(WIDTH, generator=rng))
        self.second = nn.Parameter(torch.randn(WIDTH, WIDTH, generator=rng) / WIDTH**0.5)
        self.physics = nn.Parameter(torch.randn(WIDTH, LATENT, generator=rng) / WIDTH**0.5)

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        h = torch.relu(torch.addmm(self.offset, noise, self.first))
        h = torch.relu(torch.addmm(conditions * h, h, self.second))
        return torch.mm(h, self.physics)


@pytest.fixture(scope="module")
def module() -> Layers:
    return Layers().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def path(module: Layers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.onnx"
    parity = export(module, 1, path, {"name": "layers"}, precision="int8", above_zero=[0])
    # Steps of 1/255 of the ranges and of 1/127 of the weights: errors well above single precision, well below 1.
    assert 1e-4 < parity.quantile_999 < 0.05
    return path


def test_the_function_is_nearly_the_same(module: Layers, path: Path) -> None:
    rng = np.random.default_rng(2)
    noise, conditions = rng.standard_normal((500, LATENT), np.float32), rng.uniform(0, 1, (500, 1)).astype(np.float32)
    expected = module(torch.from_numpy(noise), torch.from_numpy(conditions)).numpy()
    made = open_session(path).run(noise, conditions)
    residual = made - expected
    assert 0 < residual.std() < 0.02 * expected.std()
    assert abs(residual.mean()) < 0.002 * expected.std()


def test_large_layers_alone_are_rounded_and_the_file_says_so(path: Path) -> None:
    import onnx

    model = onnx.load(str(path))
    assert [node.op_type for node in model.graph.node].count("MatMulIntegerToFloat") == 2
    wide = [t for t in model.graph.initializer if int(np.prod(t.dims)) > 1000]
    whole = sorted(tuple(t.dims) for t in wide if t.data_type == onnx.TensorProto.INT8)
    assert whole == [(LATENT, WIDTH), (WIDTH, WIDTH)]
    assert [tuple(t.dims) for t in wide if t.data_type == onnx.TensorProto.FLOAT] == [(WIDTH, LATENT)]
    metadata = open_session(path).metadata
    assert (metadata["precision"], metadata["layers_in_whole_numbers"]) == ("int8", 2)
    assert metadata["parity"]["quantile_999"] > 1e-4


def test_an_event_does_not_depend_on_the_others_of_a_call(path: Path) -> None:
    session, rng = open_session(path), np.random.default_rng(3)
    noise, conditions = rng.standard_normal((64, LATENT), np.float32), np.ones((64, 1), np.float32)
    alone = session.run(noise[:1], conditions[:1])
    noise[1:] *= 10
    np.testing.assert_allclose(session.run(noise, conditions)[:1], alone, rtol=1e-4, atol=1e-4)


def test_impossible_conditions_are_answered_with_nan(path: Path) -> None:
    session = open_session(path)
    asked = np.array([1, 0, -1, np.nan, np.inf, 0.5], np.float32)[:, None]
    noise = np.random.default_rng(3).standard_normal((len(asked), LATENT), np.float32)
    made = session.run(noise, asked)
    assert np.isnan(made).all(axis=1).tolist() == [False, True, True, True, True, False]
    np.testing.assert_array_equal(made[[0, 5]], session.run(noise, np.abs(np.nan_to_num(asked, posinf=1)) + 0)[[0, 5]])
    assert session.metadata["impossible_conditions"] == "NaN"


def test_a_network_without_large_layers_is_refused(trained_run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main.app, ["export", str(trained_run), "--precision", "int8", "-o", str(tmp_path / "x.onnx")]
    )
    assert result.exit_code != 0
    assert "no layer of the network has 100000 weights: export it as float32" in " ".join(result.stderr.split())
    result = CliRunner().invoke(main.app, ["export", str(trained_run), "--precision", "int4"])
    assert "--precision is one of float32, int8, not 'int4'" in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())
