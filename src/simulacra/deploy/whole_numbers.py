"""Layers of an exported network as products of 8-bit integers, which processors compute several times faster.

A layer's weights are rounded to 255 steps per output. Its inputs are rounded to 256 steps over their range in a sample
of showers (static quantisation, Jacob et al., arXiv:1712.05877). The steps do not depend on the other events of a call,
so an event does not either. Operations that are not layers, such as the map from scores to energies, are not changed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import onnx

SMALLEST: Final = 100_000
"""Smallest number of weights of a layer to be quantised; smaller layers gain little."""
TAILS: Final = (0.0, 1e-5, 1e-4, 5e-4, 1e-3)
"""Shares of the values that may be clipped at either end of a range; the one with the least squared error is used."""
MEASURED: Final = 512


def in_whole_numbers(model: onnx.ModelProto, noise: np.ndarray, conditions: np.ndarray) -> tuple[onnx.ModelProto, int]:
    """Return the model with its large layers in 8-bit integers, and the number of these layers.

    The result uses an operator of ONNX Runtime and does not run elsewhere.

    Parameters
    ----------
    model:
        inputs ``noise`` and ``conditions``.
    noise, conditions:
        (N, latent) and (N, C) float32 at which the ranges are measured, in calls of the model's fixed number of events
        if it has one.

    Raises
    ------
    ValueError
        if the model has no large layer.
    """
    from onnx import helper, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = {node.output[0]: node for node in model.graph.node if _is_large_layer(node, constants)}
    if not layers:
        raise ValueError(f"no layer of the network has {SMALLEST} weights: export it as float32")
    entering = sorted({node.input[0] for node in layers.values()})
    values = _values(model, entering, noise, conditions)
    new: list[onnx.NodeProto] = []
    tensors: dict[str, np.ndarray] = {}
    for name in entering:
        tensors[f"{name}_step"], tensors[f"{name}_zero"] = _steps(values[name])
    rounded: set[str] = set()
    for node in model.graph.node:
        if node.output[0] not in layers:
            new.append(node)
            continue
        x, weight, *offset = node.input
        if x not in rounded:
            rounded.add(x)
            new.append(helper.make_node("QuantizeLinear", [x, f"{x}_step", f"{x}_zero"], [f"{x}_whole"]))
        if f"{weight}_whole" not in tensors:
            numbers = numpy_helper.to_array(constants[weight])
            numbers = numbers.T if _attribute(node, "transB") else numbers
            step = np.maximum(np.abs(numbers).max(axis=0) / 127, np.finfo(np.float32).tiny).astype(np.float32)
            tensors[f"{weight}_step"] = step
            tensors[f"{weight}_whole"] = np.round(numbers / step).astype(np.int8)
        product = f"{node.output[0]}_product"
        inputs = [f"{x}_whole", f"{weight}_whole", f"{x}_step", f"{weight}_step", f"{x}_zero"]
        new.append(helper.make_node("MatMulIntegerToFloat", inputs, [product], domain="com.microsoft"))
        new.append(helper.make_node("Add", [product, *offset], [node.output[0]]))
    return _rebuilt(model, new, tensors), len(layers)


def _is_large_layer(node: Any, constants: dict[str, Any]) -> bool:
    """Return whether a node is a product with constant weights and an offset, as in a layer."""
    if node.op_type != "Gemm" or len(node.input) < 3 or node.input[1] not in constants:
        return False
    plain = not _attribute(node, "transA") and all(_attribute(node, name, 1.0) == 1.0 for name in ("alpha", "beta"))
    return plain and int(np.prod(constants[node.input[1]].dims)) >= SMALLEST


def _attribute(node: Any, name: str, default: Any = 0) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def _values(
    model: onnx.ModelProto, names: list[str], noise: np.ndarray, conditions: np.ndarray
) -> dict[str, np.ndarray]:
    import onnxruntime
    from onnx import TensorProto, helper

    shown = copy.deepcopy(model)
    shown.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    step = batch if isinstance(batch, int) else len(noise)
    found = [
        session.run(names, {"noise": noise[k : k + step], "conditions": conditions[k : k + step]})
        for k in range(0, min(len(noise), max(MEASURED, step)), step)
    ]
    return {name: np.concatenate(pieces) for name, pieces in zip(names, zip(*found, strict=True), strict=True)}


def _steps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the step and the integer for 0 of the range with the least squared error."""
    best = (np.inf, np.float32(1), np.uint8(0))
    for tail in TAILS:
        low, high = np.quantile(values, [tail, 1 - tail])
        low, high = min(float(low), 0.0), max(float(high), 0.0)
        step = max((high - low) / 255, float(np.finfo(np.float32).tiny))
        zero = round(-low / step)
        back = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
        error = float(np.square(back - values).mean())
        if error < best[0]:
            best = (error, np.float32(step), np.uint8(zero))
    return np.asarray(best[1]), np.asarray(best[2])


def _rebuilt(model: onnx.ModelProto, nodes: list[onnx.NodeProto], tensors: dict[str, np.ndarray]) -> onnx.ModelProto:
    from onnx import helper, numpy_helper

    rebuilt = copy.deepcopy(model)
    del rebuilt.graph.node[:]
    rebuilt.graph.node.extend(nodes)
    rebuilt.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in tensors.items())
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in rebuilt.graph.initializer if tensor.name in used]
    del rebuilt.graph.initializer[:]
    rebuilt.graph.initializer.extend(kept)
    rebuilt.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return rebuilt
