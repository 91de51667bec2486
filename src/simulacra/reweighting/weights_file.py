"""Weights on disk: a Parquet file with one row per event and a description of the weights."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from simulacra.reweighting.prior_weights import checked_weights
from simulacra.version import is_later, written_later
from simulacra.whole_files import whole_file

CONVENTIONS: Final = "simulacra-weights-1"
KEY: Final = b"simulacra"


class WeightsFileError(ValueError):
    """A weights file that cannot be written or read; the message says why and what to do."""


class WeightsMetadata(BaseModel):
    """The description in a file of weights.

    Attributes
    ----------
    conventions:
        "simulacra-weights-1": ``weight`` is p_target / p_source of a source event, a factor for the event's own weight;
        ``event`` is its index in the source; the order of rows has no meaning.
    source, target:
        the samples, by path or name.
    reweighter, reweighter_hash:
        name of the reweighter, and the SHA-256 of its file, or nothing.
    normalisation:
        in words, such as "ratio of normalised densities; mean over the source 1.002".
    clipping:
        settings of the policy, or in words.
    parameters:
        theta of the weights, if the reweighter is continuous in it.
    versions:
        of the programs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conventions: Literal["simulacra-weights-1"] = CONVENTIONS
    source: str
    target: str
    reweighter: str
    reweighter_hash: str = ""
    normalisation: str
    clipping: str = "none"
    parameters: dict[str, float] = {}
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class WeightsTable:
    """The content of a file.

    Attributes
    ----------
    event, weight:
        index and weight of each source event, (N,) int64 and float64.
    metadata:
        description of the weights.
    uncertainty:
        one standard deviation of each weight, (N,), or None.
    replicas:
        weights from the members of an ensemble or bootstrap, (N, R), or None.
    """

    event: np.ndarray
    weight: np.ndarray
    metadata: WeightsMetadata
    uncertainty: np.ndarray | None = None
    replicas: np.ndarray | None = None


def write_weights(path: str | os.PathLike[str], table: WeightsTable) -> None:
    """Write weights as Parquet with the columns event, weight and, if given, weight_uncertainty and replicas.

    Raises
    ------
    WeightsFileError
        if pyarrow is missing, a column has the wrong shape, an event occurs twice, or a number is not finite.
    WeightError
        if the weights are all zero, or their sum is not positive.
    OSError
        if the file cannot be written; an existing file is not changed.
    """
    arrow, parquet = _arrow()
    _check(table)
    columns = {
        "event": arrow.array(np.asarray(table.event, dtype=np.int64)),
        "weight": arrow.array(np.asarray(table.weight, dtype=np.float64)),
    }
    if table.uncertainty is not None:
        columns["weight_uncertainty"] = arrow.array(np.asarray(table.uncertainty, dtype=np.float64))
    if table.replicas is not None:
        flat = arrow.array(np.ascontiguousarray(table.replicas, dtype=np.float64).ravel())
        columns["replicas"] = arrow.FixedSizeListArray.from_arrays(flat, table.replicas.shape[1])
    content = arrow.table(columns).replace_schema_metadata({KEY: table.metadata.model_dump_json()})
    with whole_file(Path(path)) as fresh:
        parquet.write_table(content, fresh, write_page_checksum=True)


def read_weights(path: str | os.PathLike[str]) -> WeightsTable:
    """Read the file of :func:`write_weights`.

    Raises
    ------
    WeightsFileError
        if pyarrow or the file is missing, or the file is damaged, not a file of weights, or has impossible values.
    """
    arrow, parquet = _arrow()
    path = Path(path)
    if not path.is_file():
        raise WeightsFileError(f"there is no file '{path}'")
    try:
        content = parquet.read_table(path, page_checksum_verification=True)
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsFileError(
            f"'{path}' is damaged, or not a Parquet file ({reason}): copy or make it again"
        ) from error
    said = (content.schema.metadata or {}).get(KEY)
    if said is None:
        raise WeightsFileError(f"'{path}' is a Parquet file without weights: its metadata do not name any")
    try:
        conventions = json.loads(said).get("conventions")
        if is_later(conventions, CONVENTIONS):
            raise WeightsFileError(written_later(f"'{path}'", conventions, CONVENTIONS))
        if conventions != CONVENTIONS:
            raise WeightsFileError(
                f"'{path}' follows {conventions!r}, not {CONVENTIONS!r}: read it with the program that wrote it"
            )
        metadata = WeightsMetadata.model_validate_json(said)
    except (ValidationError, ValueError, AttributeError) as error:
        if isinstance(error, WeightsFileError):
            raise
        raise WeightsFileError(f"the metadata of '{path}' cannot be read: make it again") from error
    replicas, columns = None, ["names that cannot be read"]
    try:
        columns = [f"{name}: {content.schema.field(name).type}" for name in content.column_names]
        if "replicas" in content.column_names:
            column = content["replicas"].combine_chunks()
            replicas = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
        table = WeightsTable(
            content["event"].to_numpy(),
            content["weight"].to_numpy(),
            metadata,
            content["weight_uncertainty"].to_numpy() if "weight_uncertainty" in content.column_names else None,
            replicas,
        )
        _check(table)
    except (KeyError, AttributeError, arrow.ArrowException, ValueError) as error:
        found = ", ".join(columns)
        raise WeightsFileError(
            f"'{path}' does not hold weights in the expected form ({error}; it has {found})"
        ) from error
    return table


def _check(table: WeightsTable) -> None:
    event, n = np.asarray(table.event), len(table.weight)
    if event.shape != (n,) or event.dtype.kind not in "iu":
        raise WeightsFileError(f"events have the shape {event.shape} and type {event.dtype}: give {n} whole numbers")
    if len(np.unique(event)) < n:
        values, counts = np.unique(event, return_counts=True)
        raise WeightsFileError(
            f"event {values[counts > 1][0]} is listed {counts.max()} times: give one weight per event"
        )
    checked_weights(table.weight, n, "file")
    if table.uncertainty is not None:
        uncertainty = np.asarray(table.uncertainty)
        if uncertainty.shape != (n,) or not np.isfinite(uncertainty).all() or (uncertainty < 0).any():
            raise WeightsFileError(f"uncertainties of {n} weights must be {n} finite numbers, none below 0")
    if table.replicas is not None:
        replicas = np.asarray(table.replicas)
        if replicas.ndim != 2 or len(replicas) != n or replicas.shape[1] < 1 or not np.isfinite(replicas).all():
            raise WeightsFileError(f"replicas have the shape {replicas.shape}: give {n} rows of finite numbers")


def _arrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise WeightsFileError(
            "weights are written as Parquet by pyarrow, which is not installed: pip install 'simulacra[parquet]'"
        ) from error
    return pa, pq
