"""The only place where units are read: input events are converted to the conventional units, or refused.

Units are parsed by `pint <https://pint.readthedocs.io>`_, with c = 1, so "GeV/c" is a momentum in GeV. The known
variables of the package (:func:`expected`) must have a unit that can be converted to the conventional one. All others
may have any unit, known or not. Two samples in a comparison need equal or convertible units.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.errors import printable
from simulacra.events import EventsError
from simulacra.lazy_arrays import in_memory, read_by

if TYPE_CHECKING:
    from pint import UnitRegistry

_SHOWERS: Final = {
    **dict.fromkeys(("shower", "active", "overflow"), "MeV"),
    "incident_energy": "GeV",
    **dict.fromkeys(("impact_x", "impact_y"), "mm"),
    **dict.fromkeys(("polar_angle", "azimuthal_angle"), "rad"),
}
_CLOUDS: Final = {**dict.fromkeys(("momentum", "energy", "jet_pt", "jet_mass"), "GeV"), "jet_phi": "rad"}
_JETS: Final = {"jet_pt": "GeV", "jet_mass": "GeV", "phi_rel": "rad", "eta_rel": "1", "pt_rel": "1"}
#: the variables that identify the kind of event, and the unit of each variable
_KINDS: Final = (
    ({"shower"}, _SHOWERS),
    ({"momentum", "present"}, _CLOUDS),
    ({"eta_rel", "phi_rel", "pt_rel"}, _JETS),
)
#: names and integer powers, multiplied and divided: only these are given to pint, which would evaluate anything else
_UNIT: Final = re.compile(r"(1|[^\W\d]+|%|°)((\*\*|\^)-?\d{1,2})?([ */·](1|[^\W\d]+|%|°)((\*\*|\^)-?\d{1,2})?)*")
#: two samples that differ by a power of 1000, to within this many powers of ten, give a warning
SAME_POWER: Final = 0.2
#: number of events for this check
LOOKED_AT: Final = 1000
#: ratio of deposited to incident energy above which a unit must be wrong
TOO_MUCH: Final = 30.0


def expected(events: xr.Dataset) -> dict[str, str]:
    """Return the conventional units, by the name of the variable."""
    there = set(map(str, events.data_vars))
    found: dict[str, str] = {}
    for marks, units in _KINDS:
        if marks <= there:
            found |= {name: unit for name, unit in units.items() if name in there}
    return found


def in_convention(events: xr.Dataset, where: str = "") -> xr.Dataset:
    """Return events in the conventional units; values that are not read yet are converted when read.

    Parameters
    ----------
    where:
        name of the events in an error.

    Raises
    ------
    EventsError
        if a unit is unknown, or cannot be converted; the message names the variable, its unit and the expected one.
    """
    return in_units(events, expected(events), where)


def in_units(events: xr.Dataset, units: Mapping[str, str], where: str = "") -> xr.Dataset:
    """Return events with variables in these units, by name; those without a text as ``units`` are not changed.

    The uncertainty of a variable is converted with it.

    Raises
    ------
    EventsError
        as :func:`in_convention`.
    """
    changed = {}
    measured = {str(name): str(a.attrs.get("of")) for name, a in events.variables.items() if _is_uncertainty(a)}
    follow = {name: units[of] for name, of in measured.items() if of in units}
    for name, wanted in {**units, **follow}.items():
        if name not in events.variables:
            continue
        found = events[name].attrs.get("units")
        # what carries no unit at all is refused by events.validate, with the remedy
        if not isinstance(found, str) or found == wanted:
            continue
        try:
            factor, offset = _linear(found, wanted)
        except ValueError as error:
            raise EventsError(f"{f'{where}: ' if where else ''}variable '{name}' {error}") from None
        # a difference of two temperatures does not know where their scales begin
        changed[name] = _converted(events[name].variable, factor, 0.0 if name in measured else offset, wanted)
    if not changed:
        return events
    coordinates = {name: array for name, array in changed.items() if name in events.coords}
    return events.assign_coords(coordinates).assign({n: array for n, array in changed.items() if n not in coordinates})


def alike(reference: xr.Dataset, events: xr.Dataset, where: str = "") -> xr.Dataset:
    """Return events with each variable in the unit that it has in ``reference``.

    Raises
    ------
    EventsError
        as :func:`in_convention`.
    """
    units = {
        str(name): array.attrs["units"]
        for name, array in reference.variables.items()
        if name in events.variables and isinstance(array.attrs.get("units"), str) and _has_unit(array)
    }
    return in_units(events, units, where)


def scale_warnings(first: xr.Dataset, second: xr.Dataset, called: tuple[str, str]) -> list[str]:
    """Return a warning for each variable that is about a power of 1000 larger in one sample than in the other.

    The medians over the first 1000 events of the sum of absolute values are compared. Samples of the same physics do
    not differ by a factor of 600 or more, but a sample with a wrong unit does.

    Parameters
    ----------
    called:
        names of the two samples.
    """
    found = []
    for name, array in first.data_vars.items():
        if name not in second.data_vars or not _has_unit(array.variable) or array.attrs.get("units") == "1":
            continue
        scales = [_scale(events[name]) for events in (first, second)]
        if not all(scales):
            continue
        power = np.log10(scales[1] / scales[0])
        thousands = 3 * round(power / 3)
        if thousands and abs(power - thousands) < SAME_POWER:
            less, more = called if power > 0 else called[::-1]
            found.append(
                f"'{name}' is about {10 ** abs(thousands):,} times as large in {more} as in {less}, both in "
                f"{array.attrs['units']}: is one of them in another unit? Correct its attribute 'units'."
            )
    return found


def response_warnings(showers: xr.Dataset, called: str) -> list[str]:
    """Return a warning if the energy in the cells of showers does not fit their incident energies.

    Parameters
    ----------
    showers:
        events in the conventional units; events other than showers get no warning.
    called:
        name of the sample.
    """
    if not {"shower", "incident_energy"} <= set(map(str, showers.data_vars)):
        return []
    some = showers[["shower", "incident_energy"]].isel(event=slice(LOOKED_AT)).load()
    incident = 1000.0 * some["incident_energy"].values.astype(np.float64)
    deposited = some["shower"].values.astype(np.float64).sum(axis=1)
    ratios = deposited[incident > 0] / incident[incident > 0]
    if not len(ratios) or not np.isfinite(ratios).all():
        return []
    response = float(np.median(ratios))
    if response < TOO_MUCH and not 10 ** -(3 + SAME_POWER) < response < 10 ** -(3 - SAME_POWER):
        return []
    told = (
        f"The cells of {called} hold {response:.3g} times the incident energy: is 'shower' or 'incident_energy' in "
        "another unit? Correct its attribute 'units'."
    )
    return [told]


def _has_unit(array: xr.Variable) -> bool:
    return array.attrs.get("role") not in ("weight", "mask") and array.dtype.kind in "iuf" and bool(array.ndim)


def _is_uncertainty(array: xr.Variable) -> bool:
    return array.attrs.get("role") == "uncertainty"


def _scale(array: xr.DataArray) -> float:
    values = np.abs(array[:LOOKED_AT].values.astype(np.float64)).reshape(min(LOOKED_AT, len(array)), -1).sum(axis=1)
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.median(values)) if len(values) else 0.0


def _converted(array: xr.Variable, factor: float, offset: float, units: str) -> xr.Variable:
    """Return an array in another unit, in double precision if it held integers."""
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    if (factor, offset) == (1.0, 0.0):
        changed = array.copy(deep=False)
    elif in_memory(array):
        changed = array.copy(deep=False, data=_scaled(array.values, factor, offset, dtype))
    else:

        def read(variable: xr.Variable, key: tuple[Any, ...]) -> np.ndarray:
            return _scaled(np.asarray(variable[key].values), factor, offset, dtype)

        changed = read_by(read, array, dtype)
    changed.attrs = {**array.attrs, "units": units}
    return changed


def _scaled(values: np.ndarray, factor: float, offset: float, dtype: np.dtype) -> np.ndarray:
    # in double precision, so that a value in float32 is rounded once
    return np.asarray(values.astype(np.float64) * factor + offset).astype(dtype)


@functools.lru_cache(maxsize=256)
def _linear(found: str, wanted: str) -> tuple[float, float]:
    """Return the factor and the offset that turn values in one unit into another.

    Raises
    ------
    ValueError
        if they do not exist; the message is the rest of a sentence about a variable.
    """
    here, there = _unit(found), _unit(wanted)
    shown = f"'{printable(found, 40)}'"
    remedy = f"expected '{wanted}' or a unit that can be converted to it; correct its attribute 'units'"
    if here is None:
        raise ValueError(f"has the unit {shown}, which is not known: {remedy}")
    if there is None or not here.is_compatible_with(there):
        raise ValueError(f"has the unit {shown}, which cannot be converted to '{wanted}': {remedy}")
    registry = _registry()
    zero, one = (float(registry.Quantity(x, here).to(there).magnitude) for x in (0.0, 1.0))
    return _exact(one - zero), zero


def _exact(factor: float) -> float:
    """Return a power of ten without its rounding error."""
    power = float(f"1e{round(np.log10(factor))}")
    return power if abs(factor / power - 1) < 1e-12 else factor


@functools.cache
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(on_redefinition="ignore")
    # as particle physicists write momenta and masses: GeV/c, GeV/c^2, mm/c
    registry.define("c = 1")
    registry.define("jansky = 1e-26 * watt / meter ** 2 / hertz = Jy")
    return registry


def _unit(text: str) -> Any:
    """Return a unit of pint, None if pint does not know it."""
    plain = text.strip()
    if plain == "e":
        # a charge in units of the proton's is a number
        plain = "1"
    if plain and not _UNIT.fullmatch(plain):
        return None
    try:
        return _registry().Unit(_registry().parse_units(plain.replace("°", "degree").replace("·", "*")))
    except Exception:  # noqa: BLE001 - a text of any kind; pint has a dozen errors for what it does not know
        return None
