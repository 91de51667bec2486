"""A Geant4 application in which a learned generator takes over the particles that enter the calorimeter.

    simulacra export calo-eplus -o calo-eplus.onnx
    GEANT4_DATA_DIR=/path/to/data python examples/geant4_fast_simulation.py calo-eplus.onnx -n 100 --energy log:1:100

The geometry, the particle and what the generator was trained on stand in the ONNX file. The same particles are
simulated twice in one process: in full, and with the generator, and the two read-outs are compared.

geant4-pybind offers no G4VFastSimulationModel (``examples/cpp`` has one). What stands for it here is a "door": a thin
slab of vacuum before the calorimeter with a sensitive detector of its own, so that Geant4 calls Python for the few
steps in the slab and for no other. A particle that the generator knows is killed there, and each cell of its shower
becomes a step in the middle of that cell, which is handed to the cell's own scorer: what Geant4's G4FastSimHitMaker
does. From there on nothing knows the difference: the same scorers sum the same hits, and the same action reads them
out. A particle that the generator does not know (another kind, an energy out of its range) passes, and Geant4
simulates it.

The generator gives the energy in absorber and active medium together; the mean sampling fraction, found in the full
simulation, divides it between the two scorers, whose fluctuations against each other are therefore not simulated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.conditions import Distribution
from simulacra.deploy.onnx import Session as Generator
from simulacra.geometry import CalorimeterGeometry
from simulacra.simulators.geant4_data import missing_hadronic, require_importable

require_importable()  # before the import, which would ask for a download

import geant4_pybind as g4  # noqa: E402

from simulacra.simulators.geant4_detector import MEDIA, Detector  # noqa: E402
from simulacra.simulators.geant4_run_manager import RunManager, Showers  # noqa: E402

THICKNESS, DISTANCE = 0.2, 0.1  # of the door, and between it and the calorimeter [mm]
CENTRED, STRAIGHT = 1.0, 1e-3  # how far off the axis a particle may be that was trained on the axis [mm, rad]


class Door(g4.G4VSensitiveDetector):  # type: ignore[misc,unused-ignore]
    """Replaces particles by showers.

    Parameters
    ----------
    generator:
        the ONNX session; its metadata say which particles it knows.
    detector:
        the calorimeter, built by the time that the first particle comes.
    seed:
        of the noise.
    """

    def __init__(self, generator: Generator, detector: Detector, seed: int) -> None:
        super().__init__("door")
        self.generator, self.detector, self.geometry = generator, detector, detector.geometry
        self.rng = np.random.default_rng(seed)
        self.particle = str(generator.metadata["particle"])
        self.ranges = {c["name"]: (c["low"], c["high"]) for c in generator.metadata["inputs"]["conditions"]}
        self.open = True  # lets everything pass
        self.sampling_fraction = 0.0
        self.made: list[np.ndarray] = []
        self.seconds = {"generator": 0.0, "hits": 0.0}
        self.navigator: Any = None

    def ProcessHits(self, step: g4.G4Step, _: Any) -> bool:  # noqa: N802
        """Look at a step in the door; called by Geant4."""
        conditions = None if self.open else self.conditions_of(step)
        if conditions is None:
            return False
        step.GetTrack().SetTrackStatus(g4.G4TrackStatus.fStopAndKill)
        begin = time.perf_counter()
        cells = self.generator(conditions, self.rng)[0]
        between = time.perf_counter()
        self.deposit(cells, step)
        self.seconds["generator"] += between - begin
        self.seconds["hits"] += time.perf_counter() - between
        self.made.append(cells)
        return True

    def conditions_of(self, step: g4.G4Step) -> np.ndarray | None:
        """Return the conditions of a particle that enters, (1, C), or None if the generator does not know such."""
        point = step.GetPreStepPoint()
        direction, position = point.GetMomentumDirection(), point.GetPosition()
        if step.GetTrack().GetDefinition().GetParticleName() != self.particle or direction.z <= 0:
            return None
        away = -position.z / direction.z  # to the calorimeter's front face, at z = 0
        x, y = position.x + away * direction.x, position.y + away * direction.y
        polar = float(np.arccos(min(direction.z, 1.0)))
        found = {
            "incident_energy": point.GetKineticEnergy() / g4.GeV,
            "impact_x": x,
            "impact_y": y,
            "polar_angle": polar,
            "azimuthal_angle": float(np.arctan2(direction.y, direction.x)) % (2 * np.pi),
        }
        for name, (low, high) in self.ranges.items():
            if not low <= found[name] <= high:
                return None
        on_axis = {"impact_x": CENTRED, "impact_y": CENTRED, "polar_angle": STRAIGHT}
        if any(abs(found[name]) > most for name, most in on_axis.items() if name not in self.ranges):
            return None
        return np.array([[found[name] for name in self.ranges]], np.float32)

    def deposit(self, cells: np.ndarray, step: g4.G4Step) -> None:
        """Hand the energies of cells (n_cells,) [MeV] to the calorimeter's scorers, as steps in the cells."""
        if self.navigator is None:
            self.navigator = g4.G4Navigator()  # one of its own: the tracking's must not be moved
            self.navigator.SetWorldVolume(self.detector.world)
        geometry, point = self.geometry, step.GetPreStepPoint()
        touchable, home = point.GetTouchable(), point.GetPosition()
        scorers = [kept for kept in self.detector.kept if isinstance(kept, g4.G4MultiFunctionalDetector)]
        depths = {"absorber": geometry.absorber.thickness / 2}
        depths["active"] = geometry.absorber.thickness + geometry.active.thickness / 2
        for m, (medium, part) in enumerate(
            zip(MEDIA, (1 - self.sampling_fraction, self.sampling_fraction), strict=True)
        ):
            for cell in np.flatnonzero(cells > 0):
                z = float(geometry.cell_front[cell]) + depths[medium]
                place = g4.G4ThreeVector(float(geometry.cell_x[cell]), float(geometry.cell_y[cell]), z)
                self.navigator.LocateGlobalPointAndUpdateTouchable(place, touchable, False)
                step.SetTotalEnergyDeposit(float(cells[cell]) * part)
                scorers[len(MEDIA) * int(geometry.section_of_cell[cell]) + m].Hit(step)
        step.SetTotalEnergyDeposit(0.0)
        self.navigator.LocateGlobalPointAndUpdateTouchable(home, touchable, False)


class DetectorWithDoor(g4.G4VUserDetectorConstruction):  # type: ignore[misc,unused-ignore]
    """The calorimeter and the door before it."""

    def __init__(self, geometry: CalorimeterGeometry, generator: Generator, seed: int) -> None:
        super().__init__()
        if geometry.dead_material is not None:
            raise ValueError("this example puts its door where the dead material is: take a geometry without")
        self.calorimeter = Detector(geometry)
        self.door = Door(generator, self.calorimeter, seed)

    def Construct(self) -> g4.G4VPhysicalVolume:  # noqa: N802
        """Build the volumes; called by Geant4."""
        world = self.calorimeter.Construct()
        half = self.calorimeter.geometry.lateral_size / 2
        vacuum = g4.G4NistManager.Instance().FindOrBuildMaterial("G4_Galactic")
        self.slab = g4.G4LogicalVolume(g4.G4Box("door", half, half, THICKNESS / 2), vacuum, "door")
        place = g4.G4ThreeVector(0, 0, -DISTANCE - THICKNESS / 2)
        self.placed = g4.G4PVPlacement(None, place, self.slab, "door", world.GetLogicalVolume(), False, 0)
        return world

    def ConstructSDandField(self) -> None:  # noqa: N802
        """Attach the sensitive detectors; called by Geant4."""
        self.calorimeter.ConstructSDandField()
        g4.G4SDManager.GetSDMpointer().AddNewDetector(self.door)
        self.slab.SetSensitiveDetector(self.door)


def compare(full: Showers, fast: Showers, door: Door, energy: np.ndarray, n_sections: int) -> dict[str, Any]:
    """Return mean response, sections' shares and time of the full and the fast simulation."""
    sections = door.geometry.section_of_cell
    result: dict[str, Any] = {"events": len(energy), "replaced": len(door.made)}
    for name, showers in (("full", full), ("fast", fast)):
        total = showers.shower.sum(axis=1)
        response = total / (1000 * energy)
        shares = [showers.shower[:, sections == i].sum(axis=1) / total for i in range(n_sections)]
        result[name] = {
            "mean_response": float(response.mean()),
            "mean_response_error": float(response.std(ddof=1) / np.sqrt(len(response))),
            "mean_section_shares": [float(share.mean()) for share in shares],
            "mean_section_share_errors": [float(share.std(ddof=1) / np.sqrt(len(share))) for share in shares],
            "sampling_fraction": float(showers.active.sum() / showers.shower.sum()),
            "milliseconds_an_event": 1000 * showers.seconds_per_event,
        }
    per_shower = 1000 / max(len(door.made), 1)
    result["fast"] |= {f"milliseconds_in_{name}": per_shower * seconds for name, seconds in door.seconds.items()}
    result["speed_up"] = full.seconds_per_event / fast.seconds_per_event
    return result


def check_read_out(fast: Showers, door: Door) -> None:
    """Raise unless the read-out gave back what the generator put in, where every particle was replaced."""
    if len(door.made) == len(fast.shower) and not np.allclose(fast.shower, door.made, rtol=1e-5, atol=1e-9):
        raise RuntimeError("Geant4's read-out does not hold the energies that the generator gave it")


def main() -> None:
    """Simulate both ways and print what comes out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", type=Path, help="ONNX file that simulacra export wrote")
    parser.add_argument("-n", "--events", type=int, default=100, help="particles, simulated both ways (2 at least)")
    parser.add_argument("--energy", default="log:1:100", help="kinetic energy [GeV]: 50, uniform:1:100 or log:1:100")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="write the comparison as JSON, too")
    arguments = parser.parse_args()

    generator = Generator(arguments.generator)
    geometry = CalorimeterGeometry.from_json(generator.metadata["geometry"])
    detector = DetectorWithDoor(geometry, generator, arguments.seed)
    door = detector.door
    manager = RunManager(geometry, door.particle, "electromagnetic" if missing_hadronic() else "FTFP_BERT", detector)

    energy = Distribution.parse(arguments.energy).draw(arguments.events, np.random.default_rng(arguments.seed))
    axis = {name: np.zeros(len(energy)) for name in ("impact_x", "impact_y", "polar_angle", "azimuthal_angle")}
    conditions = {"incident_energy": energy, **axis}
    full = manager.run(conditions, (arguments.seed, 2))
    door.open, door.sampling_fraction = False, float(full.active.sum() / full.shower.sum())
    fast = manager.run(conditions, (arguments.seed, 3))
    check_read_out(fast, door)

    result = compare(full, fast, door, energy, len(geometry.sections))
    print(f"{len(energy)} {door.particle} of {arguments.energy} GeV in '{geometry.name}', {len(door.made)} replaced")
    for name in ("full", "fast"):
        one = result[name]
        values = zip(one["mean_section_shares"], one["mean_section_share_errors"], strict=True)
        shares = ", ".join(f"{share:.4f} +- {error:.4f}" for share, error in values)
        print(
            f"{name}: response {one['mean_response']:.4f} +- {one['mean_response_error']:.4f}, shares of the sections "
            f"{shares}, {one['milliseconds_an_event']:.2f} ms per event"
        )
    print(f"{result['speed_up']:.0f} times as fast")
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
