"""The parts of a calorimeter: plates of material, and sections of layers that are read out together in cells."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Edge = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]


class Frozen(BaseModel):
    """A model of immutable settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Slab(Frozen):
    """A plate of one material: its Geant4 NIST name (such as "G4_Pb") and its thickness [mm]."""

    material: Annotated[str, Field(min_length=1)]
    thickness: Positive


class CartesianSection(Frozen):
    """A section of ``layers`` layers, read out together in ``phi_cells`` x ``eta_cells`` cells of equal size."""

    kind: Literal["cartesian"] = "cartesian"
    name: Annotated[str, Field(min_length=1)]
    layers: Count
    phi_cells: Count
    eta_cells: Count

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return self.phi_cells * self.eta_cells


class CylindricalSection(Frozen):
    """A section of ``layers`` layers, read out together in ``alpha_bins`` equal bins of alpha times bins of r."""

    kind: Literal["cylindrical"] = "cylindrical"
    name: Annotated[str, Field(min_length=1)]
    layers: Count
    r_edges: Annotated[tuple[Edge, ...], Field(min_length=2)]
    alpha_bins: Count

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        if any(b <= a for a, b in zip(self.r_edges, self.r_edges[1:], strict=False)):
            raise ValueError(f"r_edges must rise, not {list(self.r_edges)}")
        return self

    @property
    def phi_cells(self) -> int:
        """The number of bins in alpha."""
        return self.alpha_bins

    @property
    def eta_cells(self) -> int:
        """The number of bins in r."""
        return len(self.r_edges) - 1

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return self.phi_cells * self.eta_cells


Section = Annotated[CartesianSection | CylindricalSection, Field(discriminator="kind")]
