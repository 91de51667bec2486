"""One ONNX file from (noise, conditions) to physical units, and a session that runs it on pinned threads.

The file says what it is in the metadata that every runtime reads: "simulacra" holds all of it as JSON, and
"conditions", "output", "units", "geometry" and "opset" what a program in C++ needs, as plain text.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from torch import nn

OPSET: Final = 18
TOLERANCE: Final = 1e-5
"""Largest difference between ONNX Runtime and torch, in units of the event's largest value."""
JUMPS: Final = 2e-3
"""Share of values that may differ by more: a cell right at a threshold may be lit in one and not in the other, which
a sum that is held to a value passes on to the other cells. A generator without thresholds has none."""
CHECKED: Final = 256
LARGEST: Final = 128
"""Events that pass the network at a time: more do not fit the processor's caches, and each takes longer."""


class ParityError(RuntimeError):
    """What ONNX Runtime makes of a file is not what torch makes of the module."""


@dataclass(frozen=True)
class Parity:
    """How closely a file does what its module does, at the same noise and conditions.

    Attributes
    ----------
    events:
        number of events that were compared.
    quantile_999:
        of the differences of values in units of the event's largest value: 99.9 % are smaller.
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
            if they differ by more than :data:`TOLERANCE` in more than a share :data:`JUMPS` of the values.
        """
        if made.shape != expected.shape or not np.isfinite(made).all():
            raise ParityError(f"ONNX Runtime makes {made.shape}, torch {expected.shape}, and not all of it finite")
        flat, right = (x.reshape(len(x), -1).astype(np.float64) for x in (made, expected))
        scale = np.maximum(np.abs(right).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        difference = np.abs(flat - right) / scale
        total = np.abs(right).sum(axis=1)
        sums = np.abs(flat.sum(axis=1) - right.sum(axis=1)) / np.maximum(total, np.finfo(np.float32).tiny)
        quantile, jumps = float(np.quantile(difference, 0.999)), float((difference > TOLERANCE).mean())
        if jumps > JUMPS:
            raise ParityError(
                f"{jumps:.2%} of the values differ from torch's by more than {TOLERANCE:g} of their event's largest, "
                f"at most {JUMPS:.1%} may: nothing was written. Export with another version of torch or onnxruntime"
            )
        return cls(len(flat), quantile, jumps, float(sums.max()))


def export(
    module: nn.Module,
    n_conditions: int,
    path: Path,
    metadata: dict[str, Any],
    *,
    batch: int | None = None,
    conditions: np.ndarray | None = None,
) -> Parity:
    """Write the module as ONNX: inputs ``noise`` (N, latent) and ``conditions`` (N, C), output ``output``.

    The file is run beside the module before it gets its name, and what that found stands in its metadata.

    Parameters
    ----------
    module:
        as :class:`~simulacra.trained.TrainedGenerator` holds it.
    batch:
        fix the number of events, which lets the runtime plan its memory ahead; any number if None.
    metadata:
        written into the file as JSON under the key "simulacra"; what in it is text also under its own key.
    conditions:
        in physical units, (N, C), at which the file is compared with the module; 1 if none are given.

    Raises
    ------
    ImportError
        if the packages that write ONNX are not installed, with how to get them.
    ParityError
        if the file does not do what the module does.
    ValueError
        if the module can only be exported for a fixed number of events.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch needs it, and says so less clearly
    except ImportError as error:
        raise ImportError(f"{error.name} is not installed: pip install 'simulacra[export]'") from error
    import torch

    from simulacra.training.checkpoint import write_atomically

    latent = int(module.latent)  # type: ignore[arg-type]
    example = (torch.zeros(batch or 2, latent), torch.full((batch or 2, n_conditions), 0.5))
    events = {0: torch.export.Dim("events")}
    with tempfile.TemporaryDirectory() as folder, _silence():
        draft = Path(folder) / "model.onnx"
        torch.onnx.export(
            module.eval(),
            example,
            str(draft),
            input_names=["noise", "conditions"],
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
                "the module's code hangs on the number of events (the length of a tensor in it became a number): write "
                "x.shape[0] for len(x) in its forward, or export for a fixed number with batch=N"
            )
        parity = _compare(module, draft, latent, _conditions(conditions, n_conditions, batch))
    texts = {name: value for name, value in metadata.items() if isinstance(value, str)}
    whole = {**metadata, "opset": OPSET, "parity": asdict(parity)}
    onnx.helper.set_model_props(model, {**texts, "opset": str(OPSET), "simulacra": json.dumps(whole)})
    write_atomically(path, model.SerializeToString())
    return parity


def _conditions(given: np.ndarray | None, columns: int, batch: int | None) -> np.ndarray:
    rows = np.ones((batch or CHECKED, columns)) if given is None else np.asarray(given)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"conditions to compare at must be (N, {columns}), not {rows.shape}")
    return np.resize(rows, (batch or len(rows), columns)).astype(np.float32)


def _compare(module: nn.Module, path: Path, latent: int, conditions: np.ndarray) -> Parity:
    import torch

    noise = np.random.default_rng(0).standard_normal((len(conditions), latent), np.float32)
    device = next((tensor.device for tensor in module.state_dict().values()), torch.device("cpu"))
    with torch.inference_mode():
        expected = module(torch.from_numpy(noise).to(device), torch.from_numpy(conditions).to(device)).cpu().numpy()
    return Parity.between(Session(path).run(noise, conditions, whole=True), expected)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what torch's exporter says about itself from the terminal; its errors are exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class Session:
    """An ONNX file in ONNX Runtime: conditions in physical units in, events in physical units out.

    Attributes
    ----------
    latent:
        length of the noise of an event.
    metadata:
        what the file says about itself.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.latent = int(self._session.get_inputs()[0].shape[1])
        stored = self._session.get_modelmeta().custom_metadata_map
        self.metadata: dict[str, Any] = json.loads(stored.get("simulacra", "{}"))

    def __call__(self, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one event a row of ``conditions``, (N, C) float32, with noise from ``rng``."""
        noise = rng.standard_normal((len(conditions), self.latent), np.float32)
        return self.run(noise, conditions)

    def run(self, noise: np.ndarray, conditions: np.ndarray, *, whole: bool = False) -> np.ndarray:
        """Return the output for given noise, (N, latent) float32; ``whole`` gives it all at once to the network."""
        step = max(len(noise), 1) if whole else LARGEST
        pieces = [
            self._session.run(None, {"noise": noise[k : k + step], "conditions": conditions[k : k + step]})[0]
            for k in range(0, len(noise), step)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
