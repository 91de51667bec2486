"""Noise drawn inside an ONNX graph: that of the published generators, and never the same twice."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")

import onnx
import onnxruntime
from onnx import TensorProto, helper

from simulacra.deploy.drawn_noise import noise_nodes


def model_of(nodes: list[Any], tensors: list[Any], outputs: dict[str, tuple[int, list[Any]]]) -> onnx.ModelProto:
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["events", 8])
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()]
    graph = helper.make_graph(nodes, "noise", [rows], infos, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def drawing(length: int) -> onnx.ModelProto:
    nodes, tensors = noise_nodes("rows", "noise", length)
    outputs = {"noise": (TensorProto.FLOAT, ["events", length]), "drawn_key": (TensorProto.UINT64, [])}
    return model_of(nodes, tensors, outputs)


def opened(model: onnx.ModelProto, level: Any = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda n=1, value=1.0: session.run(None, {"rows": np.full((n, 8), value, np.float32)})


def splitmix(counters: np.ndarray) -> np.ndarray:
    """The words of SplitMix64 as published (Steele et al., 2014)."""
    z = counters.copy()
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


@pytest.mark.parametrize(("events", "length"), [(1, 1), (1, 7), (3, 5), (2, 4)])
def test_noise_is_that_of_the_published_generators(events: int, length: int) -> None:
    noise, key = opened(drawing(length))(events)
    assert noise.shape == (events, length)
    pairs = (events * length + 1) // 2
    words = splitmix(np.arange(pairs, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key)
    # The first number of SplitMix64 with the seed 0 after one increment, from its reference implementation.
    assert splitmix(np.array([0x9E3779B97F4A7C15], np.uint64))[0] == 0xE220A8397B1DCDAF
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(32)).astype(float) + 0.5) / 2**32))
    angle = 2 * np.pi * (words & np.uint64(0xFFFFFFFF)).astype(float) / 2**32
    expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[: events * length]
    np.testing.assert_allclose(noise.ravel(), expected, atol=2e-5)


def test_noise_is_standard_normal_and_independent() -> None:
    onnxruntime.set_seed(3)  # each of the six limits of 4 standard deviations is passed once in 16,000 seeds
    run = opened(drawing(501))
    noise = np.concatenate([run()[0] for _ in range(600)]).astype(float)
    n = noise.size
    moments = [
        (noise.mean(), 1),
        ((noise**2).mean() - 1, 2),
        ((noise**3).mean(), 15),
        ((noise**4).mean() - 3, 96),
        ((noise[1:] * noise[:-1]).mean(), 1),  # of calls after one another
        ((noise[:, 1:] * noise[:, :-1]).mean(), 1),  # of neighbours in a call
    ]
    assert all(abs(value) < 4 * np.sqrt(variance / n) for value, variance in moments)
    assert 4 < np.abs(noise).max() < 6.7


def test_no_call_of_any_session_repeats_another() -> None:
    model = drawing(3)
    levels = onnxruntime.GraphOptimizationLevel
    runs = [opened(model), opened(model), opened(model, levels.ORT_DISABLE_ALL)]  # Par04 switches optimisation off
    made = [run(1, value)[0] for run in runs for value in (1.0, 1.0, np.nan) for _ in range(20)]
    assert len(np.unique(np.concatenate(made), axis=0)) == len(made)


def test_a_seed_that_python_sets_repeats_the_noise() -> None:
    model, made = drawing(3), []
    for seed in (5, 5, 6):
        onnxruntime.set_seed(seed)
        run = opened(model)
        made.append(np.concatenate([run()[0], run()[0]]))
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.isin(made[0], made[2]).any()


def test_processes_differ(tmp_path: Path) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(drawing(3).SerializeToString())
    code = (
        "import numpy, onnxruntime, sys; s = onnxruntime.InferenceSession(sys.argv[1]); "
        "print(s.run(None, {'rows': numpy.ones((1, 8), 'float32')})[1])"
    )
    command = [sys.executable, "-c", code, str(path)]
    keys = {subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout for _ in range(2)}
    assert len(keys) == 2


def test_onnx_runtimes_own_noise_is_the_same_in_two_sessions() -> None:
    # The reason for all this. If it fails, ONNX Runtime has changed, and the module says too much.
    nodes = [helper.make_node("RandomNormalLike", ["rows"], ["noise"])]
    model = model_of(nodes, [], {"noise": (TensorProto.FLOAT, ["events", 8])})
    first, second = opened(model), opened(model)
    one, two = first()[0], second()[0]
    np.testing.assert_array_equal(one, two)
    assert not np.isin(first()[0], one).any()
