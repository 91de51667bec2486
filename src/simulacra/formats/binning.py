"""The binning XML of the CaloChallenge (Krause et al., arXiv:2410.21611).

``<Bins>``, in it ``<Bin pid="22" etaMin="0" etaMax="130" name="photon">`` for each particle, which contains the layers
along z, ``<Layer id="0" r_edges="0,5,10" n_bin_alpha="10"/>``. Each layer is divided in r [mm] and in equal bins of
alpha, which begin at -pi. A layer with one edge has no voxels.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from simulacra.formats.errors import FormatError
from simulacra.formats.particles import BY_NUMBER, geant4_name
from simulacra.geometry import CalorimeterGeometry, CylindricalSection
from simulacra.whole_files import write_whole


class BinningLayer(BaseModel):
    """One layer: its number, its edges in r [mm] and its number of bins in alpha."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=0)]
    r_edges: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    alpha_bins: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.r_edges[0] < 0 or any(b <= a for a, b in zip(self.r_edges, self.r_edges[1:], strict=False)):
            raise ValueError(f"r_edges must rise from 0 or more, not {list(self.r_edges)}")
        if self.alpha_bins > 1 and self.alpha_bins % 2:
            raise ValueError(
                f"n_bin_alpha must be 1 or even, so that a bin begins on the x axis, not {self.alpha_bins}"
            )
        return self

    @property
    def n_voxels(self) -> int:
        """The number of voxels."""
        return self.alpha_bins * (len(self.r_edges) - 1)


class Binning(BaseModel):
    """The voxels of one particle's showers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    pid: int
    eta_min: FiniteFloat | None = None
    eta_max: FiniteFloat | None = None
    layers: Annotated[tuple[BinningLayer, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if [layer.id for layer in self.layers] != list(range(len(self.layers))):
            raise ValueError(f"layers must be numbered from 0, not {[layer.id for layer in self.layers]}")
        return self

    @property
    def n_voxels(self) -> int:
        """The number of voxels of all layers."""
        return sum(layer.n_voxels for layer in self.layers)

    @property
    def particle(self) -> str:
        """Geant4's name of the particle."""
        return BY_NUMBER.get(self.pid, geant4_name(self.name))

    @cached_property
    def voxel_of_cell(self) -> np.ndarray:
        """The file's voxel for each cell of a geometry, (n_voxels,) int64.

        In both r runs fastest, then alpha, then the layers; the voxels' alpha begins at -pi, that of the cells at 0.
        """
        order, offset = [], 0
        for layer in self.layers:
            voxels = np.arange(offset, offset + layer.n_voxels).reshape(layer.alpha_bins, -1)
            order.append(np.roll(voxels, -(layer.alpha_bins // 2), axis=0).ravel())
            offset += layer.n_voxels
        return np.concatenate(order)

    @cached_property
    def cell_of_voxel(self) -> np.ndarray:
        """The cell of a geometry for each voxel of a file, (n_voxels,) int64."""
        return np.argsort(self.voxel_of_cell)

    def matches(self, geometry: CalorimeterGeometry) -> bool:
        """Tell whether the cells of a geometry are these voxels."""
        return geometry.kind == "cylindrical" and [
            (s.r_edges, s.alpha_bins) for s in geometry.sections if isinstance(s, CylindricalSection)
        ] == [(layer.r_edges, layer.alpha_bins) for layer in self.layers if layer.n_voxels]

    def geometry(self) -> CalorimeterGeometry | None:
        """Return the shipped calorimeter with these voxels instead of its own, or None if the voxels do not fit it.

        They fit if 45 layers have voxels, as in datasets 2 and 3; those of dataset 1 are ATLAS's.
        """
        shipped, finer = (CalorimeterGeometry.load(name) for name in ("calochallenge", "calochallenge-3"))
        layers = [layer for layer in self.layers if layer.n_voxels]
        for one in (shipped, finer):
            if self.matches(one):
                return one
        if len(layers) != len(shipped.sections) or 2 * max(x.r_edges[-1] for x in layers) > shipped.lateral_size:
            return None
        sections = [
            section.model_dump() | {"r_edges": layer.r_edges, "alpha_bins": layer.alpha_bins}
            for section, layer in zip(shipped.sections, layers, strict=True)
        ]
        return CalorimeterGeometry.model_validate(
            shipped.model_dump()
            | {
                "name": f"{shipped.name}_{self.n_voxels}",
                "description": f"The stack of '{shipped.name}', read out in {self.n_voxels} voxels",
                "sections": sections,
            }
        )

    def nominal_geometry(self) -> CalorimeterGeometry:
        """Return the voxels as a calorimeter of nominal plates, with one layer of lead and liquid argon per section.

        r and alpha of its cells are those of the voxels. Its depths only count the layers, and its materials have no
        meaning: it places cells and is not for simulation.
        """
        layers = [layer for layer in self.layers if layer.n_voxels]
        return CalorimeterGeometry.model_validate(
            {
                "name": f"{self.name}_{self.n_voxels}_voxels",
                "description": f"{self.n_voxels} voxels in r and alpha; materials and depths are nominal",
                "kind": "cylindrical",
                "lateral_size": 2 * max(layer.r_edges[-1] for layer in layers),
                "absorber": {"material": "G4_Pb", "thickness": 1.0},
                "active": {"material": "G4_lAr", "thickness": 1.0},
                "sections": [
                    {
                        "kind": "cylindrical",
                        "name": f"layer_{layer.id}",
                        "layers": 1,
                        "r_edges": layer.r_edges,
                        "alpha_bins": layer.alpha_bins,
                    }
                    for layer in layers
                ],
            }
        )

    @classmethod
    def from_geometry(cls, geometry: CalorimeterGeometry, particle: str) -> Binning:
        """Return the binning of a cylindrical geometry.

        Raises
        ------
        FormatError
            if it is not cylindrical, or the particle has no known number.
        """
        pid = {name: number for number, name in BY_NUMBER.items()}.get(geant4_name(particle))
        if pid is None:
            raise FormatError(f"the binning needs a particle of {sorted(BY_NUMBER.values())}, not '{particle}'")
        layers = [
            {"id": i, "r_edges": section.r_edges, "alpha_bins": section.alpha_bins}
            for i, section in enumerate(geometry.sections)
            if isinstance(section, CylindricalSection)
        ]
        if len(layers) != len(geometry.sections):
            raise FormatError(
                f"'{geometry.name}' is {geometry.kind}: the CaloChallenge's layout needs cylindrical cells"
            )
        return _validated({"name": _CHALLENGE_NAMES.get(pid, particle), "pid": pid, "layers": layers}, geometry.name)


_CHALLENGE_NAMES: Mapping[int, str] = {22: "photon", 211: "pion", 11: "electron"}


def read_binning(path: str | os.PathLike[str], particle: str | None = None) -> Binning:
    """Read the binning of one particle.

    Parameters
    ----------
    particle:
        its name in the file ("photon") or Geant4's ("gamma"); not needed if the file holds only one.

    Raises
    ------
    FormatError
        if the file is not such an XML file or does not hold the particle.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no file '{path}'")
    try:
        # the standard parser loads nothing from outside, and its expat limits how far entities may grow
        root = ET.parse(path).getroot()  # noqa: S314
    except ET.ParseError as error:
        raise FormatError(f"'{path}' is truncated, or not XML ({error})") from error
    if root.tag != "Bins":
        raise FormatError(f"'{path}': expected <Bins> at the top, found <{root.tag}>")
    found = [_binning(element, str(path)) for element in root.iter("Bin")]
    names = [binning.name for binning in found]
    if particle is not None:
        found = [b for b in found if particle in (b.name, b.particle) or geant4_name(particle) == b.particle]
    if len(found) != 1:
        asked = "one particle" if particle is None else f"'{particle}' once"
        raise FormatError(f"'{path}': expected {asked}, found {names}")
    return found[0]


def write_binning(binning: Binning, path: str | os.PathLike[str]) -> None:
    """Write a binning as XML, which :func:`read_binning` reads back exactly."""
    root = ET.Element("Bins")
    limits = {"etaMin": binning.eta_min, "etaMax": binning.eta_max}
    attributes = {"pid": str(binning.pid), **{k: _number(v) for k, v in limits.items() if v is not None}}
    element = ET.SubElement(root, "Bin", {**attributes, "name": binning.name})
    for layer in binning.layers:
        edges = ",".join(_number(edge) for edge in layer.r_edges)
        ET.SubElement(element, "Layer", {"id": str(layer.id), "r_edges": edges, "n_bin_alpha": str(layer.alpha_bins)})
    ET.indent(root, "   ")
    try:
        write_whole(Path(path), ET.tostring(root, encoding="unicode") + "\n")
    except OSError as error:
        raise FormatError(f"cannot write '{path}': {error}") from error


def _binning(element: ET.Element, path: str) -> Binning:
    fields: dict[str, Any] = {
        "name": element.get("name"),
        "pid": element.get("pid"),
        "eta_min": element.get("etaMin"),
        "eta_max": element.get("etaMax"),
        "layers": [
            {
                "id": layer.get("id"),
                "r_edges": (layer.get("r_edges") or "").split(","),
                "alpha_bins": layer.get("n_bin_alpha"),
            }
            for layer in element.iter("Layer")
        ],
    }
    return _validated(fields, f"'{path}', particle '{element.get('name')}'")


def _validated(fields: Mapping[str, Any], where: str) -> Binning:
    try:
        return Binning.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: "
            f"{fault['msg'].removeprefix('Value error, ')} (found {str(fault['input'])[:80]!r})"
            for fault in error.errors()
        )
        raise FormatError(f"{where}: {faults}") from None


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
