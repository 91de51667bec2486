"""One ONNX file from (noise, conditions) to physical units, and a session that runs it on pinned threads."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from torch import nn

OPSET: Final = 18


def export(module: nn.Module, n_conditions: int, path: Path, metadata: dict[str, Any], *, batch: int | None = None) -> None:
    """Write the module as ONNX: inputs ``noise`` (N, latent) and ``conditions`` (N, C), output ``output``.

    Parameters
    ----------
    module:
        as :class:`~simulacra.trained.TrainedGenerator` holds it.
    batch:
        fix the number of events, which lets the runtime plan its memory ahead; any number if None.
    metadata:
        written into the file as JSON under the key "simulacra".
    """
    import onnx
    import torch

    latent = int(module.latent)  # type: ignore[arg-type]
    example = (torch.zeros(batch or 2, latent), torch.full((batch or 2, n_conditions), 0.5))
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        torch.onnx.export(
            module.eval(),
            example,
            str(draft),
            input_names=["noise", "conditions"],
            output_names=["output"],
            opset_version=OPSET,
            dynamic_shapes=None if batch else ({0: torch.export.Dim("events")}, {0: torch.export.Dim("events")}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(draft))
    onnx.helper.set_model_props(model, {"simulacra": json.dumps(metadata, sort_keys=True)})
    temporary = path.with_name(f".{path.name}.new")
    onnx.save(model, str(temporary))
    temporary.replace(path)


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
        output: np.ndarray = self._session.run(None, {"noise": noise, "conditions": conditions})[0]
        return output
