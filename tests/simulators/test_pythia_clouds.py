"""Clouds of particles and Pythia's failures, with a generator made up for it."""

from itertools import islice
from typing import Any

import numpy as np
import pytest

from simulacra.simulators import PythiaError, PythiaSettings
from simulacra.simulators.pythia import Run, _collisions, _Failures
from simulacra.simulators.pythia_clouds import Clouds

PARTICLES = [(211, 0.0, 0.0, 1.0, 1.0), (22, 3.0, 0.0, 0.0, 3.0), (-211, 0.0, 2.0, 0.0, 2.0)]


class Generator:
    """Makes events of given particles, and fails when told."""

    def __init__(self, events: list[list[tuple[int, float, float, float, float]]], fails: list[bool]) -> None:
        self.events, self.fails, self.begun = list(events), list(fails), []
        self.weight = [1.0, 0.5]

    def begin(self, seed: int, parameters: dict[str, str], skip: int = 0) -> None:
        self.begun.append((seed, parameters, skip))

    def next(self) -> bool:
        return not (self.fails and self.fails.pop(0))

    def append_particles(self, columns: Any) -> int:
        event = self.events.pop(0)
        for particle in event:
            for column, value in zip(columns, particle, strict=True):
                column.append(value)
        return len(event)

    def weights(self) -> list[float]:
        return self.weight


def charges(identities: np.ndarray) -> np.ndarray:
    return (np.sign(identities) * (np.abs(identities) == 211)).astype(np.int8)


def test_particles_stand_by_falling_energy_and_absent_ones_are_zero() -> None:
    clouds = Clouds(4, ["up"])
    generator = Generator([PARTICLES, [], PARTICLES[:1]], [])
    for event in range(3):
        clouds.append(event, generator)
    found = {name: array.values for name, array in clouds.variables(0, charges).items()}
    assert found["identity"].tolist() == [[22, -211, 211, 0], [0, 0, 0, 0], [211, 0, 0, 0]]
    assert found["energy"].tolist() == [[3, 2, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert found["charge"].tolist() == [[0, -1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert found["momentum"][0].tolist() == [[3, 0, 0], [0, 2, 0], [0, 0, 1], [0, 0, 0]]
    assert found["present"].sum(axis=1).tolist() == [3, 0, 1]
    assert found["variation_up"].tolist() == [0.5] * 3
    assert [found[n].dtype.name for n in ("momentum", "energy", "identity", "charge", "present", "weight")] == [
        "float32", "float32", "int32", "int8", "bool", "float64",
    ]  # fmt: skip


def test_a_variation_is_kept_as_it_is_where_the_events_own_weight_is_zero() -> None:
    clouds, generator = Clouds(4, ["up"]), Generator([PARTICLES] * 3, [])
    for event, weight in enumerate(([-4.0, -2.0], [0.0, 3.0], [0.0, 0.0])):
        generator.weight = weight
        clouds.append(event, generator)
    found = clouds.variables(0, charges)
    assert found["weight"].values.tolist() == [-4.0, 0.0, 0.0]
    assert found["variation_up"].values.tolist() == [-2.0, 3.0, 0.0]
    assert found["variation_up"].attrs["holds"] == "weight"


def test_too_many_particles_are_an_error_and_never_cut() -> None:
    clouds = Clouds(2, ["up"])
    with pytest.raises(PythiaError, match=r"event 17 has 3 particles, more than 2: .*--max-particles"):
        clouds.append(17, Generator([PARTICLES], []))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_is_none_gets_through(value: float) -> None:
    clouds = Clouds(4, ["up"])
    clouds.append(5, Generator([[(22, value, 0.0, 0.0, 1.0)]], []))
    with pytest.raises(PythiaError, match="not a number in event 5"):
        clouds.variables(5, charges)
    clouds, generator = Clouds(4, ["up"]), Generator([PARTICLES], [])
    generator.weight = [1.0, value]
    clouds.append(5, generator)
    with pytest.raises(PythiaError, match="event 5 a weight that is not a number"):
        clouds.variables(5, charges)


def run_of(n: int) -> Run:
    return Run(10, 10 + n, np.random.SeedSequence(1), ())


def simulate_run(generator: Generator, settings: PythiaSettings, run: Run, clouds: Clouds, failures: _Failures) -> None:
    """Append the collisions of a run to the clouds."""
    for event in islice(_collisions(generator, settings, run, failures), run.stop - run.start):  # type: ignore[arg-type]
        clouds.append(event, generator)


def test_failed_events_are_counted_and_made_again() -> None:
    generator, clouds = Generator([PARTICLES] * 3, [False, True, True, False]), Clouds(4, ["up"])
    failures = _Failures(lambda: "")
    simulate_run(generator, PythiaSettings(process="z-to-dijets"), run_of(3), clouds, failures)
    assert failures.in_all == 2
    assert len(generator.begun) == 1
    assert clouds.variables(10, charges)["weight"].size == 3


def test_a_failed_event_of_a_file_is_read_again_with_another_seed(tmp_path: Any) -> None:
    generator, clouds = Generator([PARTICLES] * 3, [False, True, False]), Clouds(4, ["up"])
    settings = PythiaSettings(lhe=tmp_path / "x.lhe")
    simulate_run(generator, settings, run_of(3), clouds, _Failures(lambda: ""))
    assert [skip for _, _, skip in generator.begun] == [10, 11]
    assert generator.begun[0][0] != generator.begun[1][0]


def test_pythia_that_always_fails_is_given_up() -> None:
    generator = Generator([PARTICLES] * 20, [False] * 3 + [True] * 30)
    with pytest.raises(PythiaError, match=r"failed to make event 13 10 times in a row .*: no phase space; change"):
        simulate_run(
            generator,
            PythiaSettings(process="z-to-dijets"),
            run_of(9),
            Clouds(4, ["up"]),
            _Failures(lambda: "no phase space"),
        )
