"""Sessions of exported files, and what stands on them: a module in torch's place, and stores made in ONNX Runtime."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.deploy.graphs import graph_beside, write_graph
from simulacra.deploy.onnx import LARGEST, Session, export, open_session
from simulacra.deploy.runtime_module import RuntimeModule
from simulacra.store import open_events

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")


@pytest.fixture(scope="module")
def path(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export once: it takes seconds."""
    path = tmp_path_factory.mktemp("session") / "toy.onnx"
    export(simulacra.load(trained_run).module, 1, path, {"name": "toy"})
    return path


def test_noise_is_drawn_as_if_at_once(path: Path) -> None:
    session, n = open_session(path), 2 * LARGEST + 5
    conditions = np.geomspace(1, 100, n, dtype=np.float32)[:, None]
    noise = np.random.default_rng(4).standard_normal((n, session.latent), np.float32)
    made = session(conditions, np.random.default_rng(4))
    assert made.shape == (n, 40)
    np.testing.assert_array_equal(made, session.run(noise, conditions))
    assert session(conditions[:0], np.random.default_rng(4)).shape == (0, 40)


def test_threads_share_the_work_of_a_call_and_change_nothing_else(path: Path) -> None:
    conditions = np.geomspace(1, 100, LARGEST, dtype=np.float32)[:, None]
    one, two = (open_session(path, threads)(conditions, np.random.default_rng(1)) for threads in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5 * one.max())


def test_what_cannot_be_opened_is_refused_with_what_to_do(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*nowhere.onnx: write one with simulacra export NAME -o"):
        open_session(tmp_path / "nowhere.onnx")
    with pytest.raises(ValueError, match="at least 1 thread, not 0"):
        Session(path, 0)


def test_a_session_takes_the_place_of_a_module_and_keeps_its_promises(path: Path, trained_run: Path) -> None:
    by_torch, by_runtime = simulacra.load(trained_run), simulacra.load(trained_run)
    by_runtime.module = RuntimeModule(open_session(path))
    asked: dict[str, Any] = {"seed": 5, "incident_energy": "log:1:100", "exact": True}
    expected = by_torch.sample(200, **asked)["shower"].values
    made = by_runtime.sample(200, **asked)["shower"].values
    # A cell right at the threshold may be lit in one and not in the other.
    assert (np.abs(made - expected) < 1e-5 * expected.max(axis=1, keepdims=True)).mean() > 0.999
    # An event does not depend on how many others are requested, to the last bit.
    part = by_runtime.sample(30, first_event=90, **asked)["shower"].values
    np.testing.assert_array_equal(part, made[90:120])


# stores


def generate(*arguments: object) -> Any:
    return CliRunner().invoke(main.app, ["generate", *map(str, arguments), "--quiet"])


def test_a_store_is_made_in_onnx_runtime(trained_run: Path, tmp_path: Path) -> None:
    stores = {runtime: tmp_path / f"{runtime}.zarr" for runtime in ("torch", "onnx")}
    for runtime, store in stores.items():
        result = generate(trained_run, store, "-n", 150, "--batch-size", 100, "--runtime", runtime)
        assert result.exit_code == 0, result.output
    by_torch, by_runtime = (open_events(stores[runtime]) for runtime in ("torch", "onnx"))
    np.testing.assert_array_equal(by_torch["incident_energy"].values, by_runtime["incident_energy"].values)
    expected, made = by_torch["shower"].values, by_runtime["shower"].values
    assert (np.abs(made - expected) < 1e-5 * expected.max(axis=1, keepdims=True)).mean() > 0.999
    assert (made != expected).any(), "these are torch's"
    assert by_runtime["shower"].attrs["units"] == "MeV"
    # Rounding differs, so one is not continued as the other.
    refused = generate(trained_run, stores["torch"], "-n", 150, "--batch-size", 100, "--runtime", "onnx")
    assert refused.exit_code == 1
    assert "runtime" in refused.stderr


def test_a_graph_beside_the_weights_is_used_and_makes_the_events_of_an_export(
    trained_run: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    trained = simulacra.load(run)
    conditions = np.geomspace(1, 100, 256, dtype=np.float32)[:, None]
    write_graph(trained.module, graph_beside(trained.path), trained.weights_sha256, conditions)
    options = ("-n", 150, "--batch-size", 100, "--runtime", "onnx")
    exports = []
    monkeypatch.setattr("simulacra.workflows.generate.exported", lambda member, file: exports.append(file) or str(path))
    for name, folder in (("graph", run), ("export", trained_run)):
        result = generate(folder, tmp_path / f"{name}.zarr", *options)
        assert result.exit_code == 0, result.output
        assert len(exports) == (name == "export")
    by_graph, by_export = (open_events(tmp_path / f"{name}.zarr") for name in ("graph", "export"))
    expected, made = by_export["shower"].values, by_graph["shower"].values
    assert (np.abs(made - expected) < 1e-5 * expected.max(axis=1, keepdims=True)).mean() > 0.999
    # Events of a graph depend on no other event, and its store is not continued by an export.
    result = generate(run, tmp_path / "one by one.zarr", "-n", 150, "--batch-size", 7, "--runtime", "onnx")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(open_events(tmp_path / "one by one.zarr")["shower"].values, made)
    graph_beside(trained.path).unlink()
    assert generate(run, tmp_path / "graph.zarr", *options).exit_code == 1
    # An unusable graph is exported again.
    graph_beside(trained.path).write_bytes(b"damaged")
    result = generate(run, tmp_path / "damaged.zarr", *options)
    assert result.exit_code == 0, result.output
    assert "it cannot be opened" in " ".join(result.stderr.split())
    np.testing.assert_array_equal(open_events(tmp_path / "damaged.zarr")["shower"].values, expected)


def test_an_unknown_runtime_is_refused(trained_run: Path, tmp_path: Path) -> None:
    refused = generate(trained_run, tmp_path / "x.zarr", "--runtime", "tensorrt")
    assert refused.exit_code != 0
    assert "--runtime is one of torch, onnx, not 'tensorrt'" in " ".join(refused.stderr.split())


def test_memory_does_not_grow_with_the_number_of_events(path: Path, trained_run: Path, tmp_path: Path) -> None:
    """Each event takes 170 bytes, so that 120,000 more would take 20 MB if they were held, and copies as much again."""
    program = f"""
import resource
from pathlib import Path
import simulacra
from simulacra.workflows.generate import Generate, Source
from simulacra.store import write_store
trained = simulacra.load({str(trained_run)!r})
source = Source(str(trained.path), None, trained.weights_sha256, {str(path)!r})
for n in (8000, 128000):
    task = Generate((source,), (("incident_energy", "log:1:100"),), 1, n)
    where = Path({str(tmp_path)!r}) / f"{{n}}.zarr"
    write_store(where, task, n_events=n, chunk_size=4000, fingerprint={{"n": n}}, progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    few, many = (int(line) / 1000 for line in done.stdout.split())  # MB
    assert many - few < 10
    assert open_events(tmp_path / "128000.zarr").sizes == {"event": 128000, "cell": 40}
