"""One ONNX file from (noise, conditions) to physical units; :mod:`simulacra.deploy.session` runs it.

The file's metadata, which every runtime can read, describe it. "simulacra" holds everything as JSON, and "conditions",
"output", "units", "geometry" and "opset" hold what a program in C++ needs, as plain text.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from simulacra.deploy.session import LARGEST, Session, open_session
from simulacra.deploy.whole_numbers import MEASURED, in_whole_numbers

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

__all__ = [
    "LARGEST",
    "OPSET",
    "Parity",
    "ParityError",
    "Precision",
    "Session",
    "compared",
    "describe",
    "device_of",
    "export",
    "in_precision",
    "open_session",
    "traced",
]

OPSET: Final = 18
TOLERANCE: Final = 1e-5
"""Largest difference between ONNX Runtime and torch, in units of the event's largest value."""
JUMPS: Final = 2e-3
"""Share of values that may differ by more: a cell right at a threshold may be lit in one and not in the other, and a
fixed sum then changes the other cells. A generator without thresholds has none."""
CHECKED: Final = 256
Precision = Literal["float32", "int8"]


class ParityError(RuntimeError):
    """The results of ONNX Runtime and torch differ."""


@dataclass(frozen=True)
class Parity:
    """Agreement of a file with its module at the same noise and conditions.

    Attributes
    ----------
    events:
        number of compared events.
    quantile_999:
        99.9 % quantile of the differences, in units of the event's largest value; of events of one number in units of
        the sample's largest.
    jumps:
        share of values that differ by more than 1e-5 of it.
    sums:
        largest relative difference of an event's sum.
    """

    events: int
    quantile_999: float
    jumps: float
    sums: float

    @classmethod
    def between(cls, made: np.ndarray, expected: np.ndarray) -> Parity:
        """Compare two arrays (N, ...) of events.

        Raises
        ------
        ParityError
            if their shapes differ, or a value is not finite.
        """
        if made.shape != expected.shape or not np.isfinite(made).all():
            raise ParityError(f"ONNX Runtime makes {made.shape}, torch {expected.shape}, or not all values are finite")
        flat, right = (x.reshape(len(x), -1).astype(np.float64) for x in (made, expected))
        scale = np.maximum(np.abs(right).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        if right.shape[1] == 1:
            # One number an event, such as a logarithm of a ratio, may be near 0 by cancellation.
            scale = np.full_like(scale, max(float(np.abs(right).max()), float(np.finfo(np.float32).tiny)))
        difference = np.abs(flat - right) / scale
        total = np.abs(right).sum(axis=1)
        sums = np.abs(flat.sum(axis=1) - right.sum(axis=1)) / np.maximum(total, np.finfo(np.float32).tiny)
        quantile, jumps = float(np.quantile(difference, 0.999)), float((difference > TOLERANCE).mean())
        return cls(len(flat), quantile, jumps, float(sums.max()))

    def check(self) -> None:
        """Refuse more than a share :data:`JUMPS` of values that differ by more than :data:`TOLERANCE`.

        Raises
        ------
        ParityError
            with this share.
        """
        if self.jumps > JUMPS:
            raise ParityError(
                f"{self.jumps:.2%} of the values differ from torch's by more than {TOLERANCE:g} of their event's "
                f"largest, more than the allowed {JUMPS:.1%}: nothing was written. Export with another version of "
                "torch or onnxruntime"
            )


def export(
    module: nn.Module,
    n_conditions: int,
    path: Path,
    metadata: dict[str, Any],
    *,
    batch: int | None = None,
    conditions: np.ndarray | None = None,
    precision: Precision = "float32",
    above_zero: Sequence[int] = (),
    first_input: str = "noise",
) -> Parity:
    """Write the module as ONNX: inputs ``noise`` (N, latent) and ``conditions`` (N, C), output ``output``.

    The file is compared with the module before it gets its name, and the result is in its metadata.

    Parameters
    ----------
    module:
        as in :class:`~simulacra.trained.TrainedGenerator`.
    batch:
        fixed number of events per call, which lets the runtime plan its memory; any number if None.
    metadata:
        written into the file as JSON under the key "simulacra"; text values also under their own keys.
    conditions:
        in physical units, (N, C), at which the file is compared with the module; 1 if not given.
    precision:
        of the large layers; "int8" (:func:`~simulacra.deploy.whole_numbers.in_whole_numbers`) is faster, but not the
        same function; the returned parity, also in the metadata, gives the difference. The file in single precision is
        always compared first.
    above_zero:
        positions of the conditions that must be above 0. For other conditions, and for values that are not finite, the
        file returns NaN (:class:`~simulacra.deploy.refusal.Refusing`); its metadata say "NaN" under
        "impossible_conditions".
    first_input:
        name of the first input; a score takes "inputs", events and no noise.

    Raises
    ------
    ImportError
        if the packages that write ONNX are not installed, with how to get them.
    ParityError
        if the file's results differ from the module's.
    ValueError
        if the module can only be exported for a fixed number of events, or "int8" finds no large layer.
    """
    require_exporter()
    import torch

    from simulacra.deploy.refusal import ANSWER, Refusing
    from simulacra.training.checkpoint import write_atomically

    rows = _conditions(conditions, n_conditions, batch)
    careful = Refusing(module.eval(), torch.from_numpy(rows[0].copy()).to(device_of(module)), above_zero)
    model = traced(careful, n_conditions, batch, first_input)
    model, parity, layers = in_precision(model, module, rows, precision)
    describe(model, {**metadata, **layers, "impossible_conditions": ANSWER}, precision, parity)
    write_atomically(path, model.SerializeToString())
    return parity


def in_precision(
    model: onnx.ModelProto, module: nn.Module, rows: np.ndarray, precision: Precision
) -> tuple[onnx.ModelProto, Parity, dict[str, int]]:
    """Compare a traced model with its module at conditions (N, C) and, for "int8", round its large layers.

    Returns the model, its agreement with the module, and what its metadata have to say of it.

    Raises
    ------
    ParityError, ValueError
        as :func:`export`.
    """
    parity = compared(module, Session(model.SerializeToString()), rows)
    parity.check()
    if precision != "int8":
        return model, parity, {}
    latent = int(module.latent)  # type: ignore[arg-type]
    noise = np.random.default_rng(1).standard_normal((MEASURED, latent), np.float32)
    model, layers = in_whole_numbers(model, noise, np.resize(rows, (MEASURED, rows.shape[1])))
    return model, compared(module, Session(model.SerializeToString()), rows), {"layers_in_whole_numbers": layers}


def describe(model: onnx.ModelProto, metadata: dict[str, Any], precision: Precision, parity: Parity) -> None:
    """Write metadata into a model: all as JSON under the key "simulacra", text values also under their own keys."""
    import onnx

    texts = {name: value for name, value in metadata.items() if isinstance(value, str)}
    whole = {**metadata, "opset": OPSET, "precision": precision, "parity": asdict(parity)}
    onnx.helper.set_model_props(
        model, {**texts, "opset": str(OPSET), "precision": precision, "simulacra": json.dumps(whole)}
    )


def require_exporter() -> None:
    """Stop if the packages that write ONNX are missing, and say how to get them."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401 - torch needs it, and says so less clearly
    except ImportError as error:
        raise ImportError(f"{error.name} is not installed: pip install 'simulacra[export]'") from error


def traced(
    module: nn.Module, n_conditions: int, batch: int | None = None, first_input: str = "noise"
) -> onnx.ModelProto:
    """Return a module in evaluation mode as ONNX, without the exporter's notes on the machine.

    Raises
    ------
    ImportError, ValueError
        as :func:`export`.
    """
    require_exporter()
    import onnx
    import torch

    device = device_of(module)
    latent = int(module.latent)  # type: ignore[arg-type]
    example = (
        torch.zeros(batch or 2, latent, device=device),
        torch.full((batch or 2, n_conditions), 0.5, device=device),
    )
    events = {0: torch.export.Dim("events")}
    with tempfile.TemporaryDirectory() as folder, _silence():
        draft = Path(folder) / "model.onnx"
        torch.onnx.export(
            module.eval(),
            example,
            str(draft),
            input_names=[first_input, "conditions"],
            output_names=["output"],
            opset_version=OPSET,
            dynamic_shapes=None if batch else (events, events),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(draft))
    fixed = [i.name for i in model.graph.input if not i.type.tensor_type.shape.dim[0].dim_param]
    if fixed and batch is None:
        raise ValueError(
            "the module's code depends on the number of events (the length of a tensor became a constant): write "
            "x.shape[0] instead of len(x) in its forward, or export for a fixed number with batch=N"
        )
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        # Stack traces, with the paths of the machine's files.
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    return model


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's tensors, the CPU if it has none."""
    import torch

    for tensor in chain(module.parameters(), module.buffers()):
        return tensor.device
    return torch.device("cpu")


def _conditions(given: np.ndarray | None, columns: int, batch: int | None) -> np.ndarray:
    rows = np.ones((batch or CHECKED, columns)) if given is None else np.asarray(given)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"conditions for the comparison must be (N, {columns}), not {rows.shape}")
    return np.resize(rows, (batch or len(rows), columns)).astype(np.float32)


def compared(module: nn.Module, session: Session, conditions: np.ndarray) -> Parity:
    """Return the agreement of a session with a module, at conditions (N, C) and as many draws of noise."""
    import torch

    noise = np.random.default_rng(0).standard_normal((len(conditions), session.latent), np.float32)
    device = device_of(module)
    with torch.inference_mode():
        expected = module(torch.from_numpy(noise).to(device), torch.from_numpy(conditions).to(device)).cpu().numpy()
    return Parity.between(session.run(noise, conditions, whole=True), expected)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the output of torch's exporter off the terminal; its errors are exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
