"""An exported generator in ONNX Runtime, with a fixed number of threads; torch is not needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulacra.errors import printable

LARGEST: Final = 128
"""Events per pass of the network: more do not fit into the processor's caches and take longer each."""


class Session:
    """An ONNX file in ONNX Runtime: turns conditions into events, both in physical units.

    ONNX Runtime has its default settings except for the number of threads. Other settings that were tried on one thread
    (its optimisation levels, denormal numbers as zero, no memory arena, parallel execution, bound inputs and outputs)
    made no difference beyond the scatter of the times, except that it takes a tenth longer without prepacked weights.

    Parameters
    ----------
    path:
        of a file from ``simulacra export``, or its content.
    threads:
        number of threads for one call.
    weights:
        of a graph without weights (:mod:`simulacra.deploy.graphs`), by name.

    Attributes
    ----------
    latent:
        length of the noise of an event.
    metadata:
        the file's metadata.
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
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
            first = self._session.get_inputs()[0]
            self._first, self.latent = first.name, int(first.shape[1])
            stored = self._session.get_modelmeta().custom_metadata_map
            self.metadata: dict[str, Any] = json.loads(stored.get("simulacra", "{}"))
        except Exception as error:
            # ONNX Runtime has a class of its own for each way in which a file can be wrong.
            named, what = "the graph" if isinstance(path, bytes) else str(path), printable(str(error), 200)
            raise ValueError(
                f"{named} is no ONNX file of a generator that can be run ({what}): export it again"
            ) from error
        if contract := self.metadata.get("contract"):
            raise ValueError(
                f"{path if not isinstance(path, bytes) else 'the file'} is for another program ({contract}) and draws "
                "its own noise: export it without --contract"
            )

    def __call__(self, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one event per row of ``conditions``, (N, C) float32, with noise from ``rng``.

        For impossible conditions the file returns what its metadata say under "impossible_conditions": "NaN".
        """
        return self._joined(
            len(conditions),
            (
                self._run(rng.standard_normal((len(rows), self.latent), np.float32), rows)
                for rows in _pieces(conditions, LARGEST)
            ),
        )

    def run(self, noise: np.ndarray, conditions: np.ndarray, *, whole: bool = False) -> np.ndarray:
        """Return the output for given noise, (N, latent) float32; with ``whole`` in one pass of the network."""
        step = max(len(noise), 1) if whole else LARGEST
        pieces = zip(_pieces(noise, step), _pieces(conditions, step), strict=True)
        return self._joined(len(noise), (self._run(z, rows) for z, rows in pieces))

    def _run(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        made: np.ndarray = self._session.run(None, {self._first: noise, "conditions": conditions})[0]
        return made

    @staticmethod
    def _joined(n: int, pieces: Iterator[np.ndarray]) -> np.ndarray:
        """Join pieces one after the other as they come, so that memory never holds all of them twice."""
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
    """Return a session of a file from ``simulacra export``.

    Raises
    ------
    ValueError
        if there is no such file.
    """
    return Session(path, threads)


def _pieces(rows: np.ndarray, step: int) -> Iterator[np.ndarray]:
    return (rows[k : k + step] for k in range(0, max(len(rows), 1), step))
