"""Collisions by Pythia 8 as clouds of particles, chunk by chunk into a store."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import count, islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.compressed import is_compressed, unpack
from simulacra.events import make_events, variable
from simulacra.observables.jet_images import IMAGE_OF, MUONS, PIXEL_SIZE, SIGNAL, signal_variable
from simulacra.simulators.pythia_clouds import Clouds
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.simulators.pythia_images import images_of_collisions, positions_of
from simulacra.simulators.pythia_jets import jets_of_collisions, one_after_the_other
from simulacra.simulators.pythia_lhe import LheFile, lhe_variations
from simulacra.simulators.pythia_muons import PileUp, muon_images_of_collisions
from simulacra.simulators.pythia_selections import kept_of_collisions
from simulacra.simulators.pythia_settings import Parameter, PythiaSettings, VisibleSettings
from simulacra.simulators.pythia_variations import Variation
from simulacra.simulators.simulation import check_seed, fingerprint_of, simulated
from simulacra.store import Chunk, Executor, WriteSummary, folder_for_tasks, write_store

if TYPE_CHECKING:
    from simulacra.simulators.pythia_instance import PythiaInstance

CHUNK_SIZE: Final = 2500
"""Events a chunk."""
PILE_UP_SEED: Final = 50
"""Of the collisions that images around muons are overlaid with, whatever the seed of the images."""
VINCIA_ALPHA_S: Final = 0.136
"""The highest alphaS(mZ) in the MSbar scheme allowed for Vincia; its default is 0.118."""


def require_package() -> None:
    """Raise :class:`PythiaError` unless pythia8mc is installed; this does not import it."""
    if importlib.util.find_spec("pythia8mc") is None:
        raise PythiaError("Pythia needs the package pythia8mc: pip install 'simulacra[jets]'")


@dataclass(frozen=True)
class Run:
    """Events ``start`` to ``stop - 1`` of one initialisation: its seed and the values of the parameters."""

    start: int
    stop: int
    seeds: np.random.SeedSequence
    values: tuple[float, ...]

    def seed(self, attempt: int) -> int:
        """Return a seed of Pythia's, from 1 to 900,000,000; ``attempt`` counts the initialisations of the run."""
        return int(self.seeds.generate_state(attempt + 1, np.uint32)[attempt]) % 900_000_000 + 1


def runs_of(settings: PythiaSettings, seed: int, chunk: Chunk, *of_mixture: int) -> list[Run]:
    """Return the runs of a chunk, with their seeds and draws; ``of_mixture`` numbers a process among others.

    Each parameter has its own random stream, so a shorter chunk holds the first events of the full one.
    """
    n_events = chunk.stop - chunk.start
    length = settings.events_per_draw if settings.vary else n_events
    n_runs = -(-n_events // length)
    *streams, engine = np.random.SeedSequence([seed, chunk.index, *of_mixture]).spawn(len(settings.parameters) + 1)
    drawn = [
        _rounded(parameter, parameter.distribution.draw(n_runs, np.random.default_rng(stream)))
        for parameter, stream in zip(settings.parameters, streams, strict=True)
    ]
    return [
        Run(
            chunk.start + i * length,
            min(chunk.start + (i + 1) * length, chunk.stop),
            seeds,
            tuple(float(values[i]) for values in drawn),
        )
        for i, seeds in enumerate(engine.spawn(n_runs))
    ]


def _rounded(parameter: Parameter, values: np.ndarray) -> np.ndarray:
    """Return float64 values within the bounds that float32, the type in events, represents exactly."""
    low, high = parameter.distribution.low, parameter.distribution.high
    if low == high:
        return values  # as it was asked for, although events hold it rounded
    rounded = values.astype(np.float32)
    rounded = np.where(rounded.astype(np.float64) < low, np.nextafter(rounded, np.float32(np.inf)), rounded)
    rounded = np.where(rounded.astype(np.float64) > high, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return rounded.astype(np.float64)


@dataclass(frozen=True)
class CollisionTask:
    """Simulates a chunk; a pure function of the checked settings, the seed and the chunk.

    The weights of an LHE file that the settings name in full become variations.
    """

    settings: PythiaSettings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk.

        Raises
        ------
        PythiaError
            if Pythia fails too often, or an event has more particles than allowed.
        ValueError
            if an event of an LHE file lacks a weight, or it is not finite.
        """
        require_package()
        settings = self.settings
        begin = time.process_time()
        n_events = chunk.stop - chunk.start
        parts = settings.parts
        pieces = []
        for number, part in enumerate(parts):
            share = Chunk(chunk.index, chunk.start, chunk.start + len(range(number, n_events, len(parts))))
            if share.start < share.stop:
                of_mixture = (number,) if len(parts) > 1 else ()
                variables, of_pythia = _variables(part, runs_of(part, self.seed, share, *of_mixture))
                pieces.append(variables)
        image, image_of = settings.image or settings.muon, "jets" if settings.muon is None else MUONS
        return make_events(
            in_turn(pieces) | ({} if image is None else positions_of(image)),
            simulator="pythia",
            simulator_version=of_pythia,
            seed=self.seed,
            settings=settings.record(),
            seconds_per_event=(time.process_time() - begin) / n_events,
            first_event=chunk.start,
            process=settings.process or ("LHE" if settings.lhe else "of a card"),
            **({} if settings.jet_class is None else {"particle": settings.jet_class}),
            **({} if image is None else {IMAGE_OF: image_of, PIXEL_SIZE: image.pixel_size}),
            shower=settings.shower,
            pythia8mc_version=version("pythia8mc"),
        )


def _variables(settings: PythiaSettings, runs: list[Run]) -> tuple[dict[str, xr.Variable], str]:
    """Return the variables of the events of runs of one process, and Pythia's version."""
    from simulacra.simulators.pythia_instance import PythiaInstance, printed

    # a Pythia of its own for each chunk: nothing of an earlier one can be left in it
    pythia = PythiaInstance(settings)
    with printed() as text:
        failures = _Failures(text)
        if settings.image is not None:
            variables = _selected(images_of_collisions, pythia, settings, runs, failures)
        elif settings.muon is not None:
            around_muons = partial(muon_images_of_collisions, pile_up=_pile_up(settings, runs[0]))
            variables = _selected(around_muons, pythia, settings, runs, failures)
        elif settings.jet is not None:
            variables = _selected(jets_of_collisions, pythia, settings, runs, failures)
        elif settings.several_jets is not None or settings.visible_particles is not None:
            variables = _selected(kept_of_collisions, pythia, settings, runs, failures)
        else:
            variables = _clouds(pythia, settings, runs, failures)
        if settings.lhe is not None and settings.lhe_weights:
            variations = [Variation.parse(text).name for text in settings.variations]
            own = np.asarray(variables["weight"].values)
            variables |= lhe_variations(settings.lhe, settings.lhe_weights, own, runs[0].start, variations)
        if settings.jets is not None:
            variables |= _jets(settings, variables)
    for i, parameter in enumerate(settings.parameters):
        values = np.concatenate([np.full(run.stop - run.start, run.values[i], dtype=np.float32) for run in runs])
        variables[parameter.variable] = variable(
            values, units=parameter.units, long_name=f"Pythia's {parameter.key}", role="condition"
        )
    return variables, pythia.version


def _pile_up(settings: PythiaSettings, run: Run) -> PileUp | None:
    """Return the pile-up of a run's images; None without it."""
    muon = settings.muon
    if muon is None or not muon.pile_up:
        return None
    reach = muon.max_abs_eta + muon.pixels * muon.pixel_size
    library = _library(muon.pile_up_collisions, muon.min_particle, reach)
    return PileUp(library, np.random.default_rng(run.seeds.spawn(1)[0]))


@lru_cache(maxsize=1)
def _library(n_collisions: int, min_pt: float, max_abs_eta: float) -> dict[str, np.ndarray]:
    """Return minimum-bias collisions, (N, P) each: the same for all seeds and chunks.

    With libraries of their own, samples would differ by how active the collisions in each happen to be on average.
    """
    kept = VisibleSettings(min_pt=min_pt, max_abs_eta=max_abs_eta)
    run = Run(0, n_collisions, np.random.SeedSequence(PILE_UP_SEED), ())
    variables, _ = _variables(PythiaSettings(process="pile-up", visible=kept), [run])
    return {name: one.values for name, one in variables.items() if "particle" in one.dims}


def in_turn(pieces: Sequence[Mapping[str, xr.Variable]]) -> dict[str, xr.Variable]:
    """Return the variables of pieces with one event of each piece after the other."""
    sizes = [next(iter(piece.values())).shape[0] for piece in pieces]
    turn = np.argsort(np.concatenate([np.arange(size) for size in sizes]), kind="stable")
    return {name: one.isel(event=turn) for name, one in one_after_the_other(pieces).items()}


class _Failures:
    """Counts the events that Pythia failed to make, and stops if it always fails."""

    IN_A_ROW: Final = 10  # Pythia's own programs stop after ten in all

    def __init__(self, printed: Any) -> None:
        self._printed, self.in_a_row, self.in_all = printed, 0, 0

    def count(self, event: int) -> None:
        self.in_all += 1
        self.in_a_row += 1
        if self.in_a_row >= self.IN_A_ROW:
            raise PythiaError(
                f"Pythia failed to make event {event} {self.in_a_row} times in a row ({self.in_all} failures in this "
                f"chunk): {self._printed() or 'it gives no reason'}; change the settings"
            )


def _clouds(
    pythia: PythiaInstance, settings: PythiaSettings, runs: list[Run], failures: _Failures
) -> dict[str, xr.Variable]:
    """Return the variables of collisions that are events."""
    clouds = Clouds(settings.room, [Variation.parse(text).name for text in settings.variations])
    for run in runs:
        for event in islice(_collisions(pythia, settings, run, failures), run.stop - run.start):
            clouds.append(event, pythia)
    return clouds.variables(runs[0].start, pythia.charges)


def _selected(
    events_of: Callable[[Iterator[int], PythiaInstance, PythiaSettings, int, int], dict[str, xr.Variable]],
    pythia: PythiaInstance,
    settings: PythiaSettings,
    runs: list[Run],
    failures: _Failures,
) -> dict[str, xr.Variable]:
    """Return the variables of events that are parts of collisions, or of some collisions only."""
    pieces = [
        events_of(_collisions(pythia, settings, run, failures), pythia, settings, run.start, run.stop) for run in runs
    ]
    variables = one_after_the_other(pieces)
    if settings.signal is not None:
        place = SIGNAL.place_of(settings.signal)
        variables["signal"] = signal_variable(np.full(runs[-1].stop - runs[0].start, place))
    return variables


def _collisions(pythia: PythiaInstance, settings: PythiaSettings, run: Run, failures: _Failures) -> Iterator[int]:
    """Make the collisions of a run one after the other, without end; yield their numbers from its start on."""
    parameters = {p.key: repr(value) for p, value in zip(settings.parameters, run.values, strict=True)}
    lhe = settings.lhe is not None
    initialisations = 0

    def begin(event: int) -> None:
        nonlocal initialisations
        pythia.begin(run.seed(initialisations), parameters, skip=event if lhe else 0)
        initialisations += 1

    begin(run.start)
    for event in count(run.start):
        failures.in_a_row = 0
        while not pythia.next():
            failures.count(event)
            if lhe:
                begin(event)  # Pythia is past it in the file
        yield event


def _jets(settings: PythiaSettings, variables: Mapping[str, xr.Variable]) -> dict[str, xr.Variable]:
    from simulacra.observables.jets import cluster_jets

    jets = settings.jets
    if jets is None:
        return {}
    momentum, energy, present = (variables[name].values for name in ("momentum", "energy", "present"))
    return dict(cluster_jets(momentum, energy, present, radius=jets.radius, n_jets=jets.n_jets, min_pt=jets.min_pt))


def checked(settings: PythiaSettings) -> PythiaSettings:
    """Return the settings after starting Pythia with them once, so that errors are reported before any event.

    Raises
    ------
    PythiaError
        if the package is missing or Pythia does not start.
    ValueError
        if a key is unknown, a value or a bound of a distribution out of range, or Pythia has no such variation.
    """
    require_package()
    for part in settings.parts:
        _check_part(part)
    return settings


def _check_part(settings: PythiaSettings) -> None:
    from simulacra.simulators.pythia_instance import PythiaInstance

    pythia = PythiaInstance(settings)
    keys: dict[str, str] = {}
    for name, value in settings.values.items():
        keys[settings.key_of(name).lower()] = value
    for parameter in settings.parameters:
        key, low, high = pythia.range_of(parameter.key)
        if settings.shower == "vincia" and key == "TimeShower:alphaSvalue":
            raise ValueError(f"the shower Vincia ignores {key}: draw Vincia:alphaSvalue, or alphaS for short")
        if key.lower() in keys:
            raise ValueError(f"{key} is both set to {keys[key.lower()]} and drawn ({parameter.distribution})")
        keys[key.lower()] = str(parameter.distribution)
        if not (low <= parameter.distribution.low and parameter.distribution.high <= high):
            raise ValueError(
                f"{parameter.variable} ({key}) must be within Pythia's {low:g} to {high:g}, "
                f"not {parameter.distribution}"
            )
    pythia.check_variations()
    _check_vincia(settings, pythia)
    pythia.begin(1, {p.key: repr(p.distribution.low) for p in settings.parameters})


def _check_vincia(settings: PythiaSettings, pythia: PythiaInstance) -> None:
    if settings.shower != "vincia":
        return
    highest = pythia.value_of("Vincia:alphaSvalue")
    for parameter in settings.parameters:
        if parameter.key.lower() == "vincia:alphasvalue":
            highest = parameter.distribution.high
    if highest > VINCIA_ALPHA_S:
        raise ValueError(
            f"Vincia:alphaSvalue (alphaS) must be at most {VINCIA_ALPHA_S:g}, not {highest:g}: "
            "from 0.138 on Vincia runs into an endless loop (Pythia 8.317)"
        )


def write_collisions(
    path: str | PathLike[str],
    settings: PythiaSettings,
    *,
    seed: int,
    n_events: int,
    workers: int | Executor = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Simulate collisions into a Zarr store; a killed run can continue. The events do not depend on ``workers``.

    Raises
    ------
    PythiaError, ValueError
        as :func:`checked`, or if a chunk is not a whole number of draws, or the LHE file has too few events, lacks
        requested weights, or would be unweighted or merged by Pythia.
    StoreError
        if the store cannot be written.
    """
    check_seed(seed)
    if settings.vary and chunk_size % settings.events_per_draw:
        raise ValueError(
            f"chunks of {chunk_size} events are not a multiple of the {settings.events_per_draw} events per draw: "
            "change one of the two"
        )
    with folder_for_tasks(workers) as folder:
        lhe = None
        if settings.lhe is not None:
            lhe = LheFile.of(settings.lhe)
            settings = _with_file(settings, lhe, n_events, folder)
        settings = checked(settings)
        lhe_sha256 = None if lhe is None else lhe.sha256
        return write_store(
            path,
            CollisionTask(settings, seed),
            n_events=n_events,
            chunk_size=chunk_size,
            workers=workers,
            fingerprint=fingerprint_of("pythia", settings.record(), seed, package="pythia8mc", lhe_sha256=lhe_sha256),
            progress=progress,
            label=f"{settings.process or 'Pythia'} events",
            overwrite=overwrite,
            bytes_per_event=_bytes_of(settings),
        )


def _bytes_of(settings: PythiaSettings) -> int:
    """Return the size of an event before compression."""
    image = settings.image or settings.muon
    if image is not None:
        return 4 * image.pixels**2
    if settings.jet is not None:
        # three coordinates of each particle and whether there is one
        return (3 * 4 + 1) * settings.jet.particles
    if settings.several_jets is not None:
        # four numbers of each jet and whether there is one
        return (4 * 4 + 1) * settings.several_jets.most
    if settings.visible_particles is not None:
        return (3 * 4 + 1) * settings.visible_particles.particles
    # momentum, energy, identity, charge and whether there is one, of each particle that there is room for
    return (4 * 4 + 4 + 1 + 1) * settings.room


def _with_file(settings: PythiaSettings, lhe: LheFile, n_events: int, folder: Path) -> PythiaSettings:
    """Return settings with the full names of the chosen weights, and with a file that Pythia can read.

    A compressed file is unpacked once for all chunks, into ``folder`` under its own name.
    """
    if n_events > lhe.n_events:
        raise ValueError(f"'{lhe.path}' holds {lhe.n_events} events, not {n_events}: ask for fewer")
    lhe.require_event_by_event()
    kept = lhe.chosen(settings.lhe_weights)
    plain = lhe.path.resolve()
    if is_compressed(plain):
        plain = folder / lhe.path.name
        unpack(lhe.path, plain)
    return settings.model_copy(update={"lhe": plain, "lhe_weights": kept})


def simulate_collisions(
    settings: PythiaSettings,
    *,
    seed: int,
    n_events: int,
    path: str | PathLike[str] | None = None,
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = False,
) -> xr.Dataset:
    """Return simulated collisions: lazily from the store at ``path``, or in memory without one.

    Events 0 to k are the same for any ``n_events`` and ``workers``. With more than one worker, a script must call
    this under ``if __name__ == "__main__":``.
    """
    options = {"workers": workers, "chunk_size": chunk_size, "progress": progress}
    return simulated(write_collisions, settings, path, seed=seed, n_events=n_events, **options)
