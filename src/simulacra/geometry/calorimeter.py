"""The calorimeter as data: materials, longitudinal sections and their cells, with look-ups derived from them.

The beam runs along z and meets the front face of the calorimeter at z = 0, in the middle of x and y. Cells are numbered
section by section, and phi-major within a section: ``cell = offset + phi * eta_cells + eta``. In a cartesian geometry
eta runs along x and phi along y; in a cylindrical one the radius r replaces eta, and the angle alpha from the x axis
replaces phi.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, ValidationError, model_validator

from simulacra.geometry.sections import CartesianSection, CylindricalSection, Frozen, Positive, Section, Slab
from simulacra.settings import faults_of, read_shipped, shipped_in


class GeometryError(ValueError):
    """A geometry that is missing or invalid; the message names the file, the place in it and the remedy."""


class CalorimeterGeometry(Frozen):
    """A sampling calorimeter: layers of absorber and active medium, grouped into sections of cells."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    kind: Literal["cartesian", "cylindrical"]
    lateral_size: Positive
    absorber: Slab
    active: Slab
    dead_material: Slab | None = None
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _complete_sections(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("sections"), list | tuple):
            return data
        sections: list[Any] = []
        for section in data["sections"]:
            if not isinstance(section, Mapping):
                sections.append(section)
                continue
            section = {"kind": data.get("kind"), **section}  # noqa: PLW2901
            repeat = section.pop("repeat", None)
            if repeat is None:
                sections.append(section)
            elif not isinstance(repeat, int) or repeat < 1:
                raise ValueError(
                    f"'repeat' of section {section.get('name')!r} must be a whole number from 1, not {repeat!r}"
                )
            else:
                sections += [{**section, "name": f"{section.get('name')}_{i}"} for i in range(repeat)]
        return {**data, "sections": sections}

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        names = [section.name for section in self.sections]
        for i, section in enumerate(self.sections):
            if section.kind != self.kind:
                raise ValueError(f"section '{section.name}' is {section.kind}, the geometry {self.kind}")
            if section.name in names[:i]:
                raise ValueError(f"two sections are called '{section.name}'; give each its own name")
            if isinstance(section, CylindricalSection) and 2 * section.r_edges[-1] > self.lateral_size * (1 + 1e-9):
                raise ValueError(
                    f"section '{section.name}' reaches r = {section.r_edges[-1]:g} mm, beyond the lateral_size "
                    f"(diameter) of {self.lateral_size:g} mm"
                )
        return self

    # Reading and writing

    @classmethod
    def load(cls, name_or_path: str | Path) -> CalorimeterGeometry:
        """Return a shipped geometry by its name, or one from a TOML file.

        Raises
        ------
        GeometryError
            with the names of the shipped geometries, or the wrong place in the file.
        """
        return read_shipped(cls, "geometry", _FOLDER, name_or_path, GeometryError, _KINDS)

    @classmethod
    def from_json(cls, text: str) -> CalorimeterGeometry:
        """Return the geometry from the output of :meth:`to_json`.

        Raises
        ------
        GeometryError
            with the wrong place.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise GeometryError(f"the geometry as JSON: {faults_of(error, _KINDS)}") from None

    @classmethod
    def from_events(cls, events: xr.Dataset) -> CalorimeterGeometry:
        """Return the geometry in the attributes of shower events.

        Raises
        ------
        GeometryError
            if the events have none.
        """
        if "geometry" not in events.attrs:
            raise GeometryError("the events have no attribute 'geometry' (the JSON of a CalorimeterGeometry)")
        return cls.from_json(str(events.attrs["geometry"]))

    def to_json(self) -> str:
        """Return the geometry as JSON, which :meth:`from_json` reads back exactly."""
        return self.model_dump_json(exclude_none=True)

    # Numbers and places of cells

    @cached_property
    def n_cells(self) -> int:
        """The number of cells of all sections."""
        return sum(section.n_cells for section in self.sections)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The number of the first cell of each section."""
        ends = np.cumsum([section.n_cells for section in self.sections])
        return (0, *(int(end) for end in ends[:-1]))

    def section_slice(self, section: int) -> slice:
        """Return the slice of the cells of one section."""
        section = self._section(section)
        return slice(self.offsets[section], self.offsets[section] + self.sections[section].n_cells)

    def section_shape(self, section: int) -> tuple[int, int]:
        """Return the cells of one section in phi and eta (alpha and r), (2,)."""
        chosen = self.sections[self._section(section)]
        return chosen.phi_cells, chosen.eta_cells

    def cell_index(self, section: int, phi: int, eta: int) -> int:
        """Return the number of the cell at (phi, eta) of a section.

        Raises
        ------
        GeometryError
            if there is no such cell.
        """
        phi_cells, eta_cells = self.section_shape(section)
        if not (0 <= phi < phi_cells and 0 <= eta < eta_cells):
            raise GeometryError(
                f"no cell ({phi}, {eta}) in section {section}, which has {phi_cells} x {eta_cells} cells"
            )
        return self.offsets[self._section(section)] + phi * eta_cells + eta

    @cached_property
    def section_of_cell(self) -> np.ndarray:
        """The section of each cell, (n_cells,) int64."""
        return _fixed(np.repeat(np.arange(len(self.sections)), [section.n_cells for section in self.sections]))

    @cached_property
    def phi_of_cell(self) -> np.ndarray:
        """The phi (alpha) index of each cell within its section, (n_cells,) int64."""
        return _fixed(np.concatenate([np.arange(s.n_cells) // s.eta_cells for s in self.sections]))

    @cached_property
    def eta_of_cell(self) -> np.ndarray:
        """The eta (r) index of each cell within its section, (n_cells,) int64."""
        return _fixed(np.concatenate([np.arange(s.n_cells) % s.eta_cells for s in self.sections]))

    @property
    def layer_thickness(self) -> float:
        """The thickness of absorber and active medium of one layer [mm]."""
        return self.absorber.thickness + self.active.thickness

    @property
    def depth(self) -> float:
        """The depth of all sections [mm]."""
        return float(self.section_back[-1])

    @cached_property
    def section_front(self) -> np.ndarray:
        """The z of the front of each section [mm], (n_sections,)."""
        return _fixed(np.concatenate([[0.0], self.section_back[:-1]]))

    @cached_property
    def section_back(self) -> np.ndarray:
        """The z of the back of each section [mm], (n_sections,)."""
        return _fixed(np.cumsum([section.layers for section in self.sections]) * self.layer_thickness)

    @cached_property
    def cell_front(self) -> np.ndarray:
        """The z of the front of each cell [mm], (n_cells,)."""
        return _fixed(self.section_front[self.section_of_cell])

    @cached_property
    def cell_back(self) -> np.ndarray:
        """The z of the back of each cell [mm], (n_cells,)."""
        return _fixed(self.section_back[self.section_of_cell])

    @cached_property
    def cell_z(self) -> np.ndarray:
        """The z of the centre of each cell [mm], (n_cells,)."""
        return _fixed((self.cell_front + self.cell_back) / 2)

    @cached_property
    def cell_x(self) -> np.ndarray:
        """The x of the centre of each cell [mm], (n_cells,)."""
        return _fixed(np.concatenate([self._centres(i)[0] for i in range(len(self.sections))]))

    @cached_property
    def cell_y(self) -> np.ndarray:
        """The y of the centre of each cell [mm], (n_cells,)."""
        return _fixed(np.concatenate([self._centres(i)[1] for i in range(len(self.sections))]))

    # Neighbours

    def neighbours(self, cell: int, *, diagonal: bool = False) -> np.ndarray:
        """Return the cells of the section that share an edge (with ``diagonal``, a corner) with ``cell``, (n,) rising.

        Raises
        ------
        GeometryError
            if there is no such cell.
        """
        if not 0 <= cell < self.n_cells:
            raise GeometryError(f"no cell {cell}: '{self.name}' has the cells 0 to {self.n_cells - 1}")
        row = self.neighbour_table(diagonal=diagonal)[cell]
        return np.unique(row[row >= 0])

    def neighbour_table(self, *, diagonal: bool = False) -> np.ndarray:
        """Return the neighbours of each cell, (n_cells, 4), or (n_cells, 8) with ``diagonal``; -1 where there is none.

        The columns are the steps (phi, eta) = (-1, 0), (+1, 0), (0, -1), (0, +1), then the four diagonal ones.
        """
        return self._neighbours if diagonal else self._neighbours[:, :4]

    @cached_property
    def _neighbours(self) -> np.ndarray:
        steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
        shapes = np.array([self.section_shape(i) for i in range(len(self.sections))])[self.section_of_cell]
        offsets = np.array(self.offsets)[self.section_of_cell]
        table = np.empty((self.n_cells, len(steps)), dtype=np.int64)
        for column, (phi_step, eta_step) in enumerate(steps):
            phi, eta = self.phi_of_cell + phi_step, self.eta_of_cell + eta_step
            if self.kind == "cylindrical":
                phi = phi % shapes[:, 0]
            inside = (phi >= 0) & (phi < shapes[:, 0]) & (eta >= 0) & (eta < shapes[:, 1])
            cell = offsets + phi * shapes[:, 1] + eta
            inside &= cell != np.arange(self.n_cells)  # a ring that is not divided is not its own neighbour
            table[:, column] = np.where(inside, cell, -1)
        return _fixed(table)

    def _centres(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        section, cells = self.sections[i], self.section_slice(i)
        phi, eta = self.phi_of_cell[cells], self.eta_of_cell[cells]
        if isinstance(section, CartesianSection):
            x, y = (
                (eta + 0.5) * (self.lateral_size / section.eta_cells),
                (phi + 0.5) * (self.lateral_size / section.phi_cells),
            )
            return x - self.lateral_size / 2, y - self.lateral_size / 2
        edges = np.asarray(section.r_edges)
        r, alpha = ((edges[:-1] + edges[1:]) / 2)[eta], (phi + 0.5) * (2 * np.pi / section.alpha_bins)
        return r * np.cos(alpha), r * np.sin(alpha)

    def _section(self, section: int) -> int:
        if not -len(self.sections) <= section < len(self.sections):
            raise GeometryError(f"no section {section}: '{self.name}' has {len(self.sections)}")
        return section % len(self.sections)


_FOLDER: Final = Path(__file__).parent
_KINDS: Final = ("cartesian", "cylindrical")


def shipped_geometries() -> tuple[str, ...]:
    """Return the names of the shipped geometries."""
    return shipped_in(_FOLDER)


def _fixed(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
