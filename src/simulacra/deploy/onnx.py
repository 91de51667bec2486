"""One ONNX file from (noise, conditions) to physical units, and a session that runs it on pinned threads."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from torch import nn

OPSET: Final = 18
LARGEST: Final = 128
"""Events that pass the network at a time: more do not fit the processor's caches, and each takes longer."""


def export(
    module: nn.Module, n_conditions: int, path: Path, metadata: dict[str, Any], *, batch: int | None = None
) -> None:
    """Write the module as ONNX: inputs ``noise`` (N, latent) and ``conditions`` (N, C), output ``output``.

    Parameters
    ----------
    module:
        as :class:`~simulacra.trained.TrainedGenerator` holds it.
    batch:
        fix the number of events, which lets the runtime plan its memory ahead; any number if None.
    metadata:
        written into the file as JSON under the key "simulacra".

    Raises
    ------
    ImportError
        if the packages that write ONNX are not installed, with how to get them.
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
    onnx.helper.set_model_props(model, {"simulacra": json.dumps(metadata)})
    write_atomically(path, model.SerializeToString())


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
    """An ONNX file in ONNX Runtime: conditions in physical units in, events in physical units out."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.latent = int(self._session.get_inputs()[0].shape[1])

    def __call__(self, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one event a row of ``conditions``, (N, C) float32, with noise from ``rng``."""
        noise = rng.standard_normal((len(conditions), self.latent), np.float32)
        return self.run(noise, conditions)

    def run(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        """Return the output for given noise, (N, latent) float32."""
        pieces = [
            self._session.run(None, {"noise": noise[k : k + LARGEST], "conditions": conditions[k : k + LARGEST]})[0]
            for k in range(0, len(noise), LARGEST)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
