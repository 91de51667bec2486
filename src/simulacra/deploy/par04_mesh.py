"""The cylinder of voxels in which Geant4's example Par04 reads showers, and the lines of its macros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.geometry.sections import CylindricalSection

if TYPE_CHECKING:
    from simulacra.geometry import CalorimeterGeometry

PAR04_LAYER: Final = (("G4_W", 1.4), ("G4_Si", 0.3))
"""Absorber and active medium of the detector with the flag "Par04SiW" [mm]."""


@dataclass(frozen=True)
class Mesh:
    """Par04's mesh of voxels: equal rings, angles and layers around the particle's direction.

    Attributes
    ----------
    rings, angles, layers:
        numbers of voxels.
    ring, layer:
        sizes [mm].
    order:
        cell of each voxel, (rings * angles * layers,): rings first, then angles from -pi, then layers.
    is_par04:
        whether a layer is that of Par04's detector of tungsten and silicon.
    """

    rings: int
    angles: int
    layers: int
    ring: float
    layer: float
    order: np.ndarray
    is_par04: bool

    @property
    def flags(self) -> tuple[int, ...]:
        """The flags that the file accepts: "Par04SiW", or "new_detector" for another calorimeter."""
        return (1, 0, 0, 0, 0) if self.is_par04 else (0, 0, 0, 0, 1)


def mesh_of(geometry: CalorimeterGeometry) -> Mesh:
    """Return the mesh whose voxels are a geometry's cells.

    Raises
    ------
    ValueError
        if Par04 cannot have such a mesh, with the reason.
    """
    why = f"Par04 reads a cylinder of equal voxels around the particle, and '{geometry.name}' is none:"
    first = geometry.sections[0]
    if not isinstance(first, CylindricalSection):
        raise ValueError(  # noqa: TRY004 - the geometry has the wrong shape, not the wrong type
            f"{why} its cells are cartesian. Train on a cylindrical geometry, such as calochallenge"
        )
    for section in geometry.sections[1:]:
        alike = section.model_copy(update={"name": first.name})
        if alike != first:
            raise ValueError(f"{why} its sections '{first.name}' and '{section.name}' differ")
    edges = np.asarray(first.r_edges)
    if edges[0] != 0 or not np.allclose(np.diff(edges), edges[1], rtol=1e-6):
        raise ValueError(f"{why} its rings are not equally wide from r = 0 ({', '.join(f'{r:g}' for r in edges)} mm)")
    if first.alpha_bins % 2 and first.alpha_bins > 1:
        raise ValueError(f"{why} Par04's angles begin at -pi, and {first.alpha_bins} bins are no whole half circle")
    shape = (len(geometry.sections), first.alpha_bins, first.eta_cells)
    cells = np.roll(np.arange(geometry.n_cells).reshape(shape), first.alpha_bins // 2, axis=1)
    slabs = ((slab.material, slab.thickness) for slab in (geometry.absorber, geometry.active))
    return Mesh(
        rings=shape[2],
        angles=shape[1],
        layers=shape[0],
        ring=float(edges[1]),
        layer=geometry.layer_thickness * first.layers,
        order=cells.transpose(2, 1, 0).ravel(),
        is_par04=tuple(slabs) == PAR04_LAYER and geometry.dead_material is None,
    )


def macro(mesh: Mesh, geometry: CalorimeterGeometry, file: str) -> str:
    """Return the lines of a macro of Par04 that describe the detector, the mesh and the file."""
    layers = sum(section.layers for section in geometry.sections)
    sizes = [
        f"setSizeOfRhoCells {mesh.ring:.7g} mm",
        f"setSizeOfZCells {mesh.layer:.7g} mm",
        f"setNbOfRhoCells {mesh.rings}",
        f"setNbOfPhiCells {mesh.angles}",
        f"setNbOfZCells {mesh.layers}",
    ]
    return "\n".join(
        [
            f"/Par04/detector/setNbOfLayers {layers}",
            f"/Par04/detector/setAbsorber 0 {geometry.absorber.material} {geometry.absorber.thickness:.7g} mm true",
            f"/Par04/detector/setAbsorber 1 {geometry.active.material} {geometry.active.thickness:.7g} mm true",
            *(f"/Par04/mesh/{size}" for size in sizes),
            "/run/initialize",
            f"/Par04/inference/setModelPathName {file}",
            "/Par04/inference/setModelType CaloDiT-2",
            "/Par04/inference/setInferenceLibrary ONNX",
            *(f"/Par04/inference/{size}" for size in sizes),
            "/param/ActivateModel defineMesh",
            "/param/ActivateModel inferenceModel",
        ]
    )
