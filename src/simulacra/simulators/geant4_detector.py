"""A calorimeter geometry as Geant4 volumes, scored in C++. Importing this imports geant4_pybind.

Layers are replicas along z within each cell, so the steps along the shower, which are most frequent, cross the fewest
volume levels. The scorer sees only the indices of the cell, so it sums over the layers of a section.
"""

from __future__ import annotations

import math

import geant4_pybind as g4

from simulacra.geometry import CalorimeterGeometry, CartesianSection, CylindricalSection, Slab

MEDIA = ("absorber", "active")
MARGIN = 10.0  # mm between the detector and the edge of the world


def vertex_z(geometry: CalorimeterGeometry) -> float:
    """Return the z where primary particles start [mm]: 1 mm before everything."""
    return -1.0 - (geometry.dead_material.thickness if geometry.dead_material else 0.0)


def _place(volume: g4.G4LogicalVolume, mother: g4.G4LogicalVolume, z: float = 0.0, copy: int = 0) -> None:
    g4.G4PVPlacement(None, g4.G4ThreeVector(0, 0, z), volume, volume.GetName(), mother, False, copy)


def _replicas(
    volume: g4.G4LogicalVolume, mother: g4.G4LogicalVolume, axis: g4.EAxis, n: int, width: float, offset: float = 0.0
) -> None:
    g4.G4PVReplica(volume.GetName(), volume, mother, axis, n, width, offset)


class Detector(g4.G4VUserDetectorConstruction):  # type: ignore[misc,unused-ignore]
    """The calorimeter in vacuum, front face at z = 0."""

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.scored: list[tuple[str, list[g4.G4LogicalVolume], CartesianSection | CylindricalSection]] = []
        self.kept: list[object] = []

    def Construct(self) -> g4.G4VPhysicalVolume:  # noqa: N802
        """Build the volumes; called by Geant4."""
        geometry = self.geometry
        dead = geometry.dead_material
        # Particles at an angle may start outside the detector: the world contains all such points.
        lateral = geometry.lateral_size / 2 + MARGIN + 10 * abs(vertex_z(geometry))
        half_depth = geometry.depth + MARGIN - vertex_z(geometry)
        world = self._logical("world", g4.G4Box("world", lateral, lateral, half_depth), "G4_Galactic")
        self.world = g4.G4PVPlacement(None, g4.G4ThreeVector(), world, "world", None, False, 0)
        if dead is not None:
            volume = self._logical("dead_material", self._block("dead_material", dead.thickness / 2), dead.material)
            _place(volume, world, -dead.thickness / 2)
        for i, section in enumerate(geometry.sections):
            half = section.layers * geometry.layer_thickness / 2
            mother = self._logical(f"section{i}", self._block(f"section{i}", half), "G4_Galactic")
            _place(mother, world, float(geometry.section_front[i]) + half)
            if isinstance(section, CartesianSection):
                self._cartesian(i, section, mother)
            else:
                self._cylindrical(i, section, mother)
        return self.world

    def ConstructSDandField(self) -> None:  # noqa: N802
        """Attach a scorer to each medium of each section; called by Geant4."""
        for name, volumes, section in self.scored:
            detector = g4.G4MultiFunctionalDetector(name)
            if isinstance(section, CartesianSection):  # absorber < layer < cell (eta) < row (phi)
                scorer = g4.G4PSEnergyDeposit3D("energy", section.phi_cells, section.eta_cells, 1, 3, 2, 0)
            else:  # absorber < layer < wedge (alpha) < ring (r)
                scorer = g4.G4PSEnergyDeposit3D("energy", section.phi_cells, section.eta_cells, 1, 2, 3, 0)
            detector.RegisterPrimitive(scorer)
            g4.G4SDManager.GetSDMpointer().AddNewDetector(detector)
            for volume in volumes:
                volume.SetSensitiveDetector(detector)
            self.kept += [detector, scorer]

    def _cartesian(self, i: int, section: CartesianSection, mother: g4.G4LogicalVolume) -> None:
        half, depth = self.geometry.lateral_size / 2, section.layers * self.geometry.layer_thickness / 2
        x, y = half / section.eta_cells, half / section.phi_cells

        def box(name: str, half_x: float, half_z: float, material: str) -> g4.G4LogicalVolume:
            return self._logical(f"{name}{i}", g4.G4Box(f"{name}{i}", half_x, y, half_z), material)

        row, cell = box("row", half, depth, "G4_Galactic"), box("cell", x, depth, "G4_Galactic")
        layer = box("layer", x, self.geometry.layer_thickness / 2, "G4_Galactic")
        _replicas(row, mother, g4.EAxis.kYAxis, section.phi_cells, 2 * y)
        _replicas(cell, row, g4.EAxis.kXAxis, section.eta_cells, 2 * x)
        _replicas(layer, cell, g4.EAxis.kZAxis, section.layers, self.geometry.layer_thickness)
        for medium, slab, z in self._media():
            volume = box(medium, x, slab.thickness / 2, slab.material)
            _place(volume, layer, z)
            self.scored.append((f"{medium}{i}", [volume], section))

    def _cylindrical(self, i: int, section: CylindricalSection, mother: g4.G4LogicalVolume) -> None:
        depth = section.layers * self.geometry.layer_thickness / 2
        edges, outside = list(section.r_edges), self.geometry.lateral_size / 2
        read_out: dict[str, list[g4.G4LogicalVolume]] = {medium: [] for medium in MEDIA}
        rings = [(edges[k], edges[k + 1], k) for k in range(len(edges) - 1)]
        # What the bins leave of the block is there, but not read out.
        rings += [(0.0, edges[0], -1)] if edges[0] > 0 else []
        rings += [(edges[-1], outside, -1)] if outside > edges[-1] else []
        for inner, outer, k in rings:
            bins = section.alpha_bins if k >= 0 else 1
            angle = 2 * math.pi / bins
            tag = f"{i}_{inner:g}"

            def tube(
                name: str, half_z: float, material: str, start: float, width: float,
                tag: str = tag, inner: float = inner, outer: float = outer,
            ) -> g4.G4LogicalVolume:  # fmt: skip
                solid = g4.G4Tubs(name + tag, inner, outer, half_z, start, width)
                return self._logical(name + tag, solid, material)

            ring = tube("ring", depth, "G4_Galactic", 0.0, 2 * math.pi)
            _place(ring, mother, copy=max(k, 0))
            start = -angle / 2 if bins > 1 else 0.0
            wedge = tube("wedge", depth, "G4_Galactic", start, angle)
            if bins > 1:
                _replicas(wedge, ring, g4.EAxis.kPhi, bins, angle)
            else:
                _place(wedge, ring)
            layer = tube("layer", self.geometry.layer_thickness / 2, "G4_Galactic", start, angle)
            _replicas(layer, wedge, g4.EAxis.kZAxis, section.layers, self.geometry.layer_thickness)
            for medium, slab, z in self._media():
                volume = tube(medium, slab.thickness / 2, slab.material, start, angle)
                _place(volume, layer, z)
                if k >= 0:
                    read_out[medium].append(volume)
        self.scored += [(f"{medium}{i}", read_out[medium], section) for medium in MEDIA]

    def _media(self) -> list[tuple[str, Slab, float]]:
        absorber, active = self.geometry.absorber, self.geometry.active
        return [("absorber", absorber, -active.thickness / 2), ("active", active, absorber.thickness / 2)]

    def _block(self, name: str, half_z: float) -> g4.G4VSolid:
        half = self.geometry.lateral_size / 2
        if self.geometry.kind == "cartesian":
            return g4.G4Box(name, half, half, half_z)
        return g4.G4Tubs(name, 0.0, half, half_z, 0.0, 2 * math.pi)

    def _logical(self, name: str, solid: g4.G4VSolid, material: str) -> g4.G4LogicalVolume:
        return g4.G4LogicalVolume(solid, g4.G4NistManager.Instance().FindOrBuildMaterial(material), name)
