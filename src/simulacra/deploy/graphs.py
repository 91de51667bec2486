"""A generator's graph next to its weights: ONNX without the numbers, which come from the loaded module.

A model file holds the weights and no code. For one event, torch takes longer to run through the Python code than to
compute. With the graph, a tenth of a megabyte, ONNX Runtime needs a fraction of that time, and the packages that write
ONNX need not be installed. The graph is in a file with the same checks as a model file.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.deploy.onnx import OPSET, Parity, compared, traced
from simulacra.deploy.session import Session

if TYPE_CHECKING:
    import onnx
    from torch import nn

SMALLEST: Final = 1024
"""Size of a tensor below which it stays in the graph [bytes]."""
GRAPH: Final = "graph"


def graph_beside(path: Path) -> Path:
    """Return the path of a model file's graph."""
    return path.with_suffix(".graph")


def write_graph(module: nn.Module, path: Path, weights_sha256: str, conditions: np.ndarray) -> Parity:
    """Write a module's graph, after comparing it with the module at conditions (N, C) in physical units.

    ``weights_sha256`` identifies its weights: constants of the graph may have been computed from them.

    Raises
    ------
    ImportError
        if the packages that write ONNX are not installed; the message says how to get them.
    ParityError
        if the graph's results differ from the module's.
    ValueError
        if the module can only be exported for a fixed number of events.
    """
    import torch

    from simulacra.training.checkpoint import save_tensors

    model = traced(module, conditions.shape[1])
    numbers = _numbers(module)
    left_out = _without_weights(model, numbers)
    graph = model.SerializeToString()
    parity = compared(module, Session(graph, weights={name: numbers[name] for name in left_out}), conditions)
    parity.check()
    said = {"weights_sha256": weights_sha256, "left_out": left_out, "opset": OPSET, "parity": asdict(parity)}
    save_tensors(path, {GRAPH: torch.frombuffer(bytearray(graph), dtype=torch.uint8)}, said)
    return parity


def open_graph(path: Path, module: nn.Module, weights_sha256: str, threads: int) -> Session | None:
    """Return the session of a graph with the module's weights, or None if there is no graph for them.

    Warns
    -----
    UserWarning
        if the graph is damaged or belongs to other weights.
    """
    if not path.is_file():
        return None
    from simulacra.training.checkpoint import read_model

    try:
        said, tensors = read_model(path)
        if said.get("weights_sha256") == weights_sha256:
            numbers = _numbers(module)
            weights = {name: numbers[name] for name in said["left_out"]}
            return Session(tensors[GRAPH].numpy().tobytes(), threads, weights)
        fault = "it belongs to other weights"
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class; torch does the same
        fault = f"it cannot be opened ({' '.join(str(error).split())[:200]})"
    warnings.warn(
        f"{path} is not used, because {fault}: events are made by torch, more slowly. Write it again with "
        "simulacra export --graph",
        UserWarning,
        stacklevel=6,  # the line that calls the generator's sample
    )
    return None


def _numbers(module: nn.Module) -> dict[str, np.ndarray]:
    """Return the module's tensors that are not in the graph, by name."""
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    return {name: array for name, array in arrays.items() if array.nbytes >= SMALLEST}


def _without_weights(model: onnx.ModelProto, numbers: dict[str, np.ndarray]) -> list[str]:
    """Remove from a model the tensors that the module has under the same name, and return their names."""
    from onnx import TensorProto, numpy_helper

    left_out = []
    for tensor in model.graph.initializer:
        if tensor.name not in numbers or not np.array_equal(numpy_helper.to_array(tensor), numbers[tensor.name]):
            continue
        left_out.append(tensor.name)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        # A place has to be named; it is never opened, for the weights are given when the session is made.
        for key, value in (("location", "weights"), ("offset", "0"), ("length", str(numbers[tensor.name].nbytes))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    # What the runtime infers for itself.
    del model.graph.value_info[:]
    return left_out
