"""A generator's graph next to its weights: sample() runs in ONNX Runtime, or in torch if the graph does not fit."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.deploy.graphs import graph_beside
from simulacra.trained import TrainedGenerator
from simulacra.training.checkpoint import save_model

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")


@pytest.fixture(scope="module")
def made(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the graph once, by the command line: it takes seconds."""
    run = tmp_path_factory.mktemp("graph") / "run"
    run.mkdir()
    shutil.copy(trained_run / "model.safetensors", run)
    result = CliRunner().invoke(main.app, ["export", "--graph", str(run)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"graph of toy in {run / 'model.graph'}, ")
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def by_torch(module: torch.nn.Module, *_: object) -> torch.nn.Module:
    raise AssertionError("torch was asked")


def test_sampling_runs_in_onnx_runtime_and_makes_the_same_showers(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = simulacra.load(run)
    exact = generator.sample(300, incident_energy="log:1:100", seed=4, exact=True)
    monkeypatch.setattr(TrainedGenerator, "_by_torch", by_torch)
    for first, n in ((0, 300), (0, 1), (63, 1), (60, 10), (130, 129)):
        quick = generator.sample(n, incident_energy="log:1:100", seed=4, first_event=first)
        expected = exact.isel(event=slice(first, first + n))
        np.testing.assert_array_equal(quick["incident_energy"].values, expected["incident_energy"].values)
        np.testing.assert_array_equal(quick["event"].values, expected["event"].values)
        scale = expected["shower"].values.max(axis=1, keepdims=True)
        assert (np.abs(quick["shower"].values - expected["shower"].values) <= 1e-5 * scale).all()


def test_a_graph_holds_no_large_weights(run: Path) -> None:
    """Its size is that of the code: 240 thousand numbers would be a megabyte."""
    numbers = sum(tensor.numel() for tensor in simulacra.load(run).module.state_dict().values())
    assert graph_beside(run / "model.safetensors").stat().st_size < 4 * numbers + 60_000
    assert b"site-packages" not in graph_beside(run / "model.safetensors").read_bytes()


def test_threads_have_sessions_of_their_own_and_calls_may_come_from_several(run: Path) -> None:
    generator, found = simulacra.load(run), {}

    def ask(seed: int) -> None:
        found[seed] = generator.sample(5, incident_energy=50.0, seed=seed)["shower"].values

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for seed, showers in found.items():
        np.testing.assert_array_equal(showers, generator.sample(5, incident_energy=50.0, seed=seed)["shower"].values)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = generator.sample(5, incident_energy=50.0, seed=1)["shower"].values
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(two, found[1], rtol=1e-4, atol=1e-5 * two.max())


def test_another_module_is_used_instead(run: Path) -> None:
    generator = simulacra.load(run)
    generator.sample(1, incident_energy=50.0, seed=1)

    class Twice(torch.nn.Module):
        latent = generator.module.latent

        def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
            return conditions[:, :1] * torch.ones(1, 40)

    generator.module = Twice()
    assert (generator.sample(2, incident_energy=50.0, seed=1)["shower"].values == 50).all()


@pytest.mark.parametrize("fault", ["weights", "bytes", "rubbish", "lacking"])
def test_a_graph_that_does_not_fit_is_named_and_torch_is_used(run: Path, fault: str) -> None:
    path = graph_beside(run / "model.safetensors")
    if fault == "weights":
        generator = simulacra.load(run)
        with torch.no_grad():
            network = generator._system.build(
                generator._system.Settings.model_validate(generator.metadata["experiment"]["system"]),
                generator.description,
            )
        save_model(run / "model.safetensors", network, generator.metadata)
    elif fault == "bytes":
        whole = path.read_bytes()
        path.write_bytes(whole[:-100] + bytes(100))
    elif fault == "rubbish":
        path.write_bytes(b"no graph")
    else:
        path.unlink()
    generator = simulacra.load(run)
    expected = generator.sample(2, incident_energy=50.0, seed=1, exact=True)["shower"].values
    if fault == "lacking":
        made = generator.sample(2, incident_energy=50.0, seed=1)["shower"].values
    else:
        with pytest.warns(UserWarning, match=r"model\.graph is not used, .* simulacra export --graph") as said:
            made = generator.sample(2, incident_energy=50.0, seed=1)["shower"].values
        assert said[0].filename == __file__, "the warning points to the line that asked"
        # Once is enough.
        generator.sample(2, incident_energy=50.0, seed=1)
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_what_a_graph_does_not_know_is_refused(run: Path) -> None:
    for more in (["--batch", "5"], ["-o", "x.onnx"], ["--precision", "int8"]):
        result = CliRunner().invoke(main.app, ["export", "--graph", str(run), *more])
        assert result.exit_code != 0
        assert "--graph writes the graph for sample()" in " ".join(result.stderr.split())
