"""An exported generator in ONNX Runtime, on pinned threads, with or without torch around it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

LARGEST: Final = 128
"""Events that pass the network at a time: more do not fit the processor's caches, and each takes longer."""


class Session:
    """An ONNX file in ONNX Runtime: conditions in physical units in, events in physical units out.

    ONNX Runtime's own settings are left as they are but for the number of threads. What else was tried on one thread
    (its optimisation levels, denormal numbers as zero, no memory arena, parallel execution, bound inputs and outputs)
    made no difference beyond the scatter of the clock, except that without prepacked weights it takes a tenth longer.

    Parameters
    ----------
    path:
        of the file that ``simulacra export`` wrote, or what is in it.
    threads:
        that share the work of one call.
    weights:
        of a graph that was written without them (:mod:`simulacra.deploy.graphs`), by name.

    Attributes
    ----------
    latent:
        length of the noise of an event.
    metadata:
        what the file says about itself.
    """

    def __init__(
        self, path: str | os.PathLike[str] | bytes, threads: int = 1, weights: Mapping[str, np.ndarray] | None = None
    ) -> None:
        import onnxruntime

        if threads < 1:
            raise ValueError(f"a session needs at least 1 thread, not {threads}")
        if not isinstance(path, bytes) and not Path(path).is_file():
            raise ValueError(f"there is no file {path}: write one with simulacra export NAME -o {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        if weights:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
            options.add_external_initializers(list(weights), values)
        source = path if isinstance(path, bytes) else str(path)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        first = self._session.get_inputs()[0]
        self._first, self.latent = first.name, int(first.shape[1])
        stored = self._session.get_modelmeta().custom_metadata_map
        self.metadata: dict[str, Any] = json.loads(stored.get("simulacra", "{}"))

    def __call__(self, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one event a row of ``conditions``, (N, C) float32, with noise from ``rng``.

        What the file answers to impossible conditions its metadata say under "impossible_conditions": "NaN".
        """
        return self._joined(
            len(conditions),
            (
                self._run(rng.standard_normal((len(rows), self.latent), np.float32), rows)
                for rows in _pieces(conditions, LARGEST)
            ),
        )

    def run(self, noise: np.ndarray, conditions: np.ndarray, *, whole: bool = False) -> np.ndarray:
        """Return the output for given noise, (N, latent) float32; ``whole`` gives it all at once to the network."""
        step = max(len(noise), 1) if whole else LARGEST
        pieces = zip(_pieces(noise, step), _pieces(conditions, step), strict=True)
        return self._joined(len(noise), (self._run(z, rows) for z, rows in pieces))

    def _run(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        made: np.ndarray = self._session.run(None, {self._first: noise, "conditions": conditions})[0]
        return made

    @staticmethod
    def _joined(n: int, pieces: Iterator[np.ndarray]) -> np.ndarray:
        """Put pieces one after the other as they come, so that they are never all there twice."""
        first = next(pieces)
        if len(first) == n:
            return first
        output = np.empty((n, *first.shape[1:]), first.dtype)
        output[: len(first)] = first
        filled = len(first)
        for piece in pieces:
            output[filled : filled + len(piece)] = piece
            filled += len(piece)
        return output


def open_session(path: str | os.PathLike[str], threads: int = 1) -> Session:
    """Return a session of a file that ``simulacra export`` wrote.

    Raises
    ------
    ValueError
        if there is no such file.
    """
    return Session(path, threads)


def _pieces(rows: np.ndarray, step: int) -> Iterator[np.ndarray]:
    return (rows[k : k + step] for k in range(0, max(len(rows), 1), step))
