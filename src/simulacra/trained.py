"""A trained generator: load one by name, draw events from it."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, ValidationError

from simulacra.conditions import Band, Distribution
from simulacra.deploy.graphs import graph_beside, open_graph
from simulacra.deploy.onnx import device_of
from simulacra.deploy.session import LARGEST, Session
from simulacra.errors import printable
from simulacra.events import EventsError, make_events, variable, with_values
from simulacra.reweighting.blocks import places_in_blocks
from simulacra.settings import whole_number
from simulacra.systems import system
from simulacra.training.settings import check
from simulacra.version import __version__

if TYPE_CHECKING:
    from torch import nn

    from simulacra.reweighting.refined import RefinedGenerator

BLOCK: Final = 64
"""Noise and conditions are drawn in blocks of this many, and exact events computed in whole ones: a matrix product's
last bits depend on the number of rows, and an exact event must not depend on how many were asked for beside it."""

WEIGHTS: Final = Path(__file__).parent / "weights"
NOISE, CONDITION, CANDIDATE = 0, 1, 2
#: a condition between these is finite and above 0 in single precision
SMALLEST_NORMAL: Final = float(np.finfo(np.float32).tiny)
LARGEST_SINGLE: Final = float(np.finfo(np.float32).max)

Value = float | str | Distribution | np.ndarray


class ExtrapolationWarning(UserWarning):
    """Events were asked for outside the conditions that the generator was trained on."""


def shipped() -> list[str]:
    """Return the names of the generators that the package ships."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def load(name_or_path: str | os.PathLike[str]) -> TrainedGenerator:
    """Return a trained generator.

    Parameters
    ----------
    name_or_path:
        the name of a shipped generator ("calogan-eplus"), a run folder, or a model file.

    Raises
    ------
    CheckpointError
        if the file is damaged or of another kind.
    ValueError
        if there is none, with the shipped names.
    """
    path = Path(name_or_path)
    if path.is_dir():
        if members := _member_folders(path):
            raise ValueError(
                f"'{path}' is an ensemble of {len(members)}: load one, such as '{members[0]}', or all of "
                "them with simulacra.trained.load_members"
            )
        path = path / "model.safetensors"
    elif not path.is_file():
        if str(name_or_path) not in shipped():
            raise ValueError(f"'{name_or_path}' is neither a file, nor a run folder, nor one of {', '.join(shipped())}")
        path = WEIGHTS / f"{name_or_path}.safetensors"
    return TrainedGenerator(path)


def load_members(name_or_path: str | os.PathLike[str]) -> tuple[TrainedGenerator, ...]:
    """Return the generators of an ensemble, the folder that ``simulacra train --members`` made; or the one there is.

    Raises
    ------
    CheckpointError, ValueError
        as :func:`load`, or if a member lacks its model or is of another kind than the first.
    """
    folders = _member_folders(Path(name_or_path))
    if not folders:
        return (load(name_or_path),)
    members = tuple(load(folder) for folder in folders)
    for member, folder in zip(members, folders, strict=True):
        if (member.name, member.trained_range) != (members[0].name, members[0].trained_range):
            raise ValueError(f"{folder} holds {member!r}, {folders[0]} {members[0]!r}: they make no ensemble")
    return members


def _member_folders(path: Path) -> list[Path]:
    return sorted(path.glob("member-*"), key=lambda folder: (len(folder.name), folder.name))


class _Told(BaseModel):
    """What every generator's file tells, beside what its system wants to know."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class _System(_Told):
    kind: str


class _Experiment(_Told):
    system: _System


class _Description(_Told):
    condition_ranges: dict[str, tuple[float, float]]
    hold_out: tuple[tuple[str, float, float], ...] = ()


class _Metadata(_Told):
    name: str
    experiment: _Experiment
    description: _Description


def _told(metadata: Mapping[str, Any], path: Path) -> _Metadata:
    """Return the metadata of a model file if they tell what a generator's must."""
    from simulacra.training.checkpoint import CheckpointError

    try:
        # as JSON, in which a pair is a list
        return _Metadata.model_validate_json(json.dumps(metadata))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = printable(".".join(map(str, fault["loc"])), 80)
        if fault["type"] == "missing":
            raise CheckpointError(
                f"{path} does not tell its '{place}': it was not written by simulacra train"
            ) from None
        raise CheckpointError(f"{path} is damaged, its '{place}': {fault['msg']}: copy it again") from None


class TrainedGenerator:
    """A generator of events with everything that its file says about it.

    Attributes
    ----------
    name:
        of the experiment that trained it.
    metadata:
        settings, training record, versions.
    trained_range:
        (low, high) of each condition, in its unit.
    weights_sha256:
        what the weights are, whatever their file is called.
    module:
        the torch module, (noise (N, latent), conditions (N, C)) -> output. Another one in its place is used; its
        tensors are not to be changed once events were made.
    hold_out:
        the bands of conditions that it was neither trained nor validated on.
    last_layer_draw:
        which draw of its last layer this is (:meth:`with_last_layer`); None for the network as it was trained.
    """

    def __init__(self, path: Path, last_layer_draw: int | None = None) -> None:
        from simulacra.generators.last_layer import LastLayerPosterior, is_posterior
        from simulacra.training.checkpoint import CheckpointError, data_hash, fill, read_model

        self.path, self.last_layer_draw = path, last_layer_draw
        self.metadata, tensors = read_model(path)
        weights = {name: tensor for name, tensor in tensors.items() if not is_posterior(name)}
        if last_layer_draw is not None:
            weights |= LastLayerPosterior.of_tensors(tensors, str(path)).draw(weights, last_layer_draw)
        self.weights_sha256 = data_hash(weights)
        told = _told(self.metadata, path)
        self.name = told.name
        self.description: Mapping[str, Any] = self.metadata["description"]
        self._system = system(told.experiment.system.kind)
        self.trained_range: dict[str, tuple[float, float]] = dict(told.description.condition_ranges)
        self.hold_out = tuple(Band(*band) for band in told.description.hold_out)
        settings = check(self._system.Settings, self.metadata["experiment"]["system"], str(path))
        try:
            module = self._system.build(settings, self.description)
        except Exception as error:
            # What a system needs to know is its own affair, and a damaged file lacks it in as many ways.
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise CheckpointError(f"{path} does not describe its network ({what}): copy it again") from error
        fill(module, weights, str(path))
        self.module: nn.Module = self._system.fold(module.eval()).requires_grad_(False)
        self._graph_of = self.module
        # Tells where the module is; to go through all of its tensors takes longer than all else beside the network.
        self._witness = next(self.module.parameters(), None)
        # By number of threads; None where torch makes the events.
        self._sessions: dict[int, Session | None] = {}
        # The last events that were made, and where they stand, to make the next ones like them.
        self._latest: tuple[tuple[int, int], xr.Dataset] | None = None

    def __repr__(self) -> str:
        ranges = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in self.trained_range.items())
        return f"TrainedGenerator({self.name}: {ranges or 'no conditions'})"

    def with_last_layer(self, draw: int) -> TrainedGenerator:
        """Return this generator with its last layer drawn from the posterior of its training's end.

        ``draw``, not negative, decides the weights; no further training is needed. See
        :mod:`simulacra.generators.last_layer` for what such draws are worth.

        Raises
        ------
        ValueError
            if no snapshots were taken in training.
        """
        if draw < 0:
            raise ValueError(f"the number of a draw must not be negative, not {draw}")
        return TrainedGenerator(self.path, draw)

    def sample(
        self,
        n: int,
        *,
        seed: int | None = None,
        first_event: int = 0,
        fixed_noise: bool = False,
        exact: bool = False,
        **conditions: Value,
    ) -> xr.Dataset:
        """Return ``n`` events.

        An event is a function of the seed, its index and its conditions alone: neither ``n`` nor how the events are cut
        into calls changes it by more than rounding, or with ``exact`` by a bit. Rounding moves values by less than 1e-5
        of their event's largest, in nearly all events; ``docs/showers.md`` tells in how many.

        Parameters
        ----------
        n:
            number of events.
        seed:
            seed; drawn from the system if None, and recorded in the events' attributes either way.
        first_event:
            index of the first event.
        fixed_noise:
            give every event the same noise, so that only the conditions differ.
        exact:
            make the events by torch in whole blocks of 64, as ``simulacra generate`` does: the same bits whatever
            ``n``, but one event takes as long as 64.
        conditions:
            each trained condition in its unit: a number, an array (n,), or a distribution ("log:1:100").

        Raises
        ------
        ValueError
            if a condition is missing, unknown, not finite, or an energy is not above 0; if ``n``, ``seed`` or
            ``first_event`` is no whole number, or too small.

        Warns
        -----
        ExtrapolationWarning
            if a condition is out of the trained range.
        """
        n = whole_number(n, "the number of events", 1)
        first_event = whole_number(first_event, "the first event's index")
        seed = int(np.random.SeedSequence().entropy) % 2**31 if seed is None else seed  # type: ignore[arg-type]
        seed = whole_number(seed, "the seed")
        start = time.perf_counter()
        columns = self.columns_of(n, seed, first_event, conditions)
        self.warn_outside({name: _range_of(column) for name, column in columns.items()})
        make = self._exact if exact else self._quick
        output = make(self._stacked(columns, n), seed, first_event, fixed_noise)
        try:
            return self._as_events(
                output,
                columns,
                conditions,
                settings={"fixed_noise": fixed_noise},
                seed=seed,
                first_event=first_event,
                seconds_per_event=(time.perf_counter() - start) / n,
            )
        except EventsError:
            # Which conditions made a number that is not finite says more.
            self._refuse_output(output, columns, range(first_event, first_event + n))
            raise

    def _as_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Value], **attributes: Any
    ) -> xr.Dataset:
        """Return :meth:`to_events`, sooner if the last ones had as many events and the same indices."""
        place = (len(output), attributes["first_event"])
        latest = self._latest  # once: another thread may put others there
        if latest is None or latest[0] != place:
            events = self.to_events(output, columns, conditions, **attributes)
            if len(output) <= LARGEST:
                self._latest = place, events.copy()
            return events
        values = {name: one.values for name, one in self.variables_of(output).items()} | dict(columns)
        settings = self._described(conditions) | attributes["settings"]
        return with_values(
            latest[1],
            values,
            seed=attributes["seed"],
            settings=settings,
            seconds_per_event=attributes["seconds_per_event"],
        )

    def candidates(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return further events for indices, of which accepting and rejecting chooses: the network's output, (N, ...).

        A candidate is a function of seed, index, attempt and its conditions alone; it is none of :meth:`sample`'s
        events.

        Parameters
        ----------
        index:
            of the events, (N,).
        attempt:
            the how many-th candidate of each, from 0.
        columns:
            each trained condition, (N,), of :meth:`columns_of`.
        """
        latent = int(self.module.latent)  # type: ignore[arg-type]
        place = places_in_blocks(index, BLOCK)
        n_rows = BLOCK * (int(place.max()) // BLOCK + 1)
        noise = np.zeros((n_rows, latent), dtype=np.float32)
        for row, event in zip(place, index, strict=True):
            noise[row] = _rng(seed, CANDIDATE, attempt, int(event)).standard_normal(latent, np.float32)
        conditions = self._stacked(columns, len(index))
        padded = np.repeat(conditions[:1], n_rows, axis=0)
        padded[place] = conditions
        blocks = (slice(k, k + BLOCK) for k in range(0, n_rows, BLOCK))
        output: np.ndarray = np.concatenate([self._by_torch(noise[block], padded[block]) for block in blocks])[place]
        self._refuse_output(output, columns, index)
        return output

    def refined_by(self, path: str | os.PathLike[str]) -> RefinedGenerator:
        """Return this generator with the weights of a refiner, the folder or file that ``simulacra refine`` made.

        Raises
        ------
        CheckpointError
            if the file is missing, damaged or of another kind.
        ValueError
            if the refiner is for another generator.
        """
        from simulacra.reweighting.refined import RefinedGenerator
        from simulacra.reweighting.refiner import Refiner

        return RefinedGenerator(self, Refiner.load(path))

    def to_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Value], **attributes: Any
    ) -> xr.Dataset:
        """Return the network's output at conditions as events; ``attributes`` are those of ``make_events``."""
        settings = self._described(conditions) | attributes.pop("settings")
        variables = self.variables_of(output)
        for name, values in columns.items():
            units, long_name = self._system.CONDITIONS[name]
            variables[name] = variable(values, units=units, long_name=long_name, role="condition")
        return make_events(
            variables,
            simulator=f"simulacra {self.name}",
            simulator_version=__version__,
            settings=settings,
            trained_range=json.dumps(self.trained_range),
            **{name: self.description[name] for name in ("particle", "geometry") if name in self.description},
            **attributes,
        )

    @staticmethod
    def _described(conditions: Mapping[str, Value]) -> dict[str, str | float]:
        return {name: _describe(value) for name, value in conditions.items()}

    def variables_of(self, output: np.ndarray) -> dict[str, xr.Variable]:
        """Return the network's output, (N, ...), as the variables of events."""
        return dict(self._system.to_variables(output))

    def check_conditions(self, conditions: Mapping[str, Value]) -> None:
        """Refuse conditions that are missing or unknown, before any work is done."""
        missing = [name for name in self.trained_range if name not in conditions]
        unknown = [name for name in conditions if name not in self.trained_range]
        if missing or unknown:
            known = ", ".join(f"{name} [{self._system.CONDITIONS[name][0]}]" for name in self.trained_range)
            fault = f"missing {missing}" if missing else f"unknown {unknown}"
            takes = f"takes the conditions {known}" if known else "takes no conditions"
            raise ValueError(f"'{self.name}' {takes}: {fault}")

    def columns_of(self, n: int, seed: int, first: int, conditions: Mapping[str, Value]) -> dict[str, np.ndarray]:
        """Return each trained condition of ``n`` events, (n,) float32, from ``first`` on, as :meth:`sample` takes it.

        Raises
        ------
        ValueError
            as :meth:`sample`.
        """
        self.check_conditions(conditions)
        columns = {}
        for i, name in enumerate(self.trained_range):
            value = conditions[name]
            if isinstance(value, bool | np.bool_):
                raise ValueError(  # noqa: TRY004 - as for any other value
                    f"'{name}' must be a number, an array or a distribution, not {value}"
                )
            if isinstance(value, float | int):
                columns[name] = self._same_for_all(name, float(value), n, first)
                continue
            if isinstance(value, str):
                value = Distribution.parse(value)
            if isinstance(value, Distribution):
                drawn = [value.draw(BLOCK, _rng(seed, CONDITION, i, b)) for b in _blocks(first, n)]
                skipped = first % BLOCK
                column = np.concatenate(drawn)[skipped : skipped + n]
            else:
                column = np.asarray(value, dtype=np.float64)
                column = np.full(n, float(column)) if column.ndim == 0 else column
                if column.shape != (n,):
                    raise ValueError(f"'{name}' must be a number or an array ({n},), not {column.shape}")
            self._refuse(name, column, first)
            columns[name] = column.astype(np.float32)
        return columns

    def _same_for_all(self, name: str, value: float, n: int, first: int) -> np.ndarray:
        """Return one value of a condition for ``n`` events, (n,) float32, refused as any other."""
        if not (SMALLEST_NORMAL < value < LARGEST_SINGLE):
            self._refuse(name, np.full(n, value), first)
        return np.full(n, value, np.float32)

    def _refuse(self, name: str, column: np.ndarray, first: int) -> None:
        units = self._system.CONDITIONS[name][0]
        low, high = self.trained_range[name]
        with np.errstate(over="ignore", under="ignore"):
            # What the network is given: beyond single precision a number becomes 0 or infinite.
            single = column.astype(np.float32)
        wrong = ~np.isfinite(single) | ((single <= 0) if units.endswith("eV") else np.zeros(len(column), bool))
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            need = "finite and above 0" if units.endswith("eV") else "finite"
            raise ValueError(
                f"'{name}' is {column[i]:g} {units} in event {first + i}: it must be {need} "
                f"(trained from {low:g} to {high:g} {units})"
            )

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        """Warn if a range of conditions reaches outside the trained one."""
        for name, (lowest, highest) in asked.items():
            low, high = self.trained_range[name]
            slack = 1e-6 * (high - low)
            if lowest < low - slack or highest > high + slack:
                units = self._system.CONDITIONS[name][0]
                warnings.warn(
                    f"'{name}' from {lowest:g} to {highest:g} {units} reaches outside the trained range of {low:g} to "
                    f"{high:g} {units}: '{self.name}' extrapolates there, judge it before you trust it",
                    ExtrapolationWarning,
                    stacklevel=3,
                )

    @staticmethod
    def _stacked(columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Return conditions as the network takes them, (n, C): it may have none."""
        if len(columns) == 1:
            return next(iter(columns.values()))[:, None]
        return np.stack(list(columns.values()), axis=1) if columns else np.empty((n, 0), np.float32)

    def _exact(self, conditions: np.ndarray, seed: int, first: int, fixed_noise: bool) -> np.ndarray:
        """Return the output in whole blocks of 64, by the module."""
        n, skipped = len(conditions), first % BLOCK
        blocks = _blocks(first, n)
        padded = np.repeat(conditions[-1:], len(blocks) * BLOCK, axis=0)
        padded[:skipped] = conditions[0]
        padded[skipped : skipped + n] = conditions
        noise = (self._noise(seed, block * BLOCK, BLOCK, fixed_noise) for block in blocks)
        pieces = [self._by_torch(z, padded[i * BLOCK : (i + 1) * BLOCK]) for i, z in enumerate(noise)]
        return np.concatenate(pieces)[skipped : skipped + n]

    def _quick(self, conditions: np.ndarray, seed: int, first: int, fixed_noise: bool) -> np.ndarray:
        """Return the same but for rounding, of the events that were asked for alone."""
        session = self._session()
        run = session.run if session else self._by_torch
        pieces = []
        for k in range(0, len(conditions), LARGEST):
            rows = conditions[k : k + LARGEST]
            pieces.append(run(self._noise(seed, first + k, len(rows), fixed_noise), rows))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _by_torch(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        import torch

        device = device_of(self.module)
        with torch.inference_mode():
            z, rows = torch.from_numpy(noise).to(device), torch.from_numpy(conditions).to(device)
            output: np.ndarray = self.module(z, rows).cpu().numpy()
        return output

    def _session(self) -> Session | None:
        """Return ONNX Runtime with the module's weights, if its graph lies beside them and it is on the CPU."""
        import torch

        if self.module is not self._graph_of or (self._witness is not None and not self._witness.is_cpu):
            return None
        threads = torch.get_num_threads()
        if threads not in self._sessions:
            whole = self.last_layer_draw is None
            self._sessions[threads] = (
                open_graph(graph_beside(self.path), self.module, self.weights_sha256, threads) if whole else None
            )
        return self._sessions[threads]

    def _noise(self, seed: int, first: int, n: int, fixed_noise: bool) -> np.ndarray:
        """Return the noise of events from ``first`` on, (n, latent): of a block's rows no more than are needed."""
        latent = int(self.module.latent)  # type: ignore[arg-type]
        if fixed_noise:
            return np.repeat(_rng(seed, NOISE, 0, 0).standard_normal((1, latent), np.float32), n, axis=0)
        pieces = []
        for block in _blocks(first, n):
            start, stop = max(first - block * BLOCK, 0), min(first + n - block * BLOCK, BLOCK)
            pieces.append(_rng(seed, NOISE, 0, block).standard_normal((stop, latent), np.float32)[start:])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _refuse_output(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], index: Sequence[int] | np.ndarray
    ) -> None:
        if not np.isfinite(output).all():
            event = int(np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))[0])
            raise FloatingPointError(
                f"'{self.name}' made a value that is not finite in event {index[event]}, at conditions "
                f"{ {name: float(column[event]) for name, column in columns.items()} }"
            )


def _range_of(column: np.ndarray) -> tuple[float, float]:
    if len(column) == 1:
        return float(column[0]), float(column[0])
    return float(column.min()), float(column.max())


def _blocks(first: int, n: int) -> range:
    return range(first // BLOCK, (first + n - 1) // BLOCK + 1)


def _rng(seed: int, stream: int, column: int, block: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, stream, column, block]))


def _describe(value: Value) -> str | float:
    if not isinstance(value, str | Distribution) and np.ndim(value):
        return f"array of {len(value)}"  # type: ignore[arg-type]
    return value if isinstance(value, str) else str(value)
