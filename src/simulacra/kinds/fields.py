"""The common part of systems of fields on a grid: conditions, tensors, checks, validation by their observables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import SOURCE, EventsError, names, validate, variable
from simulacra.kinds.description import columns_of, describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation, observables_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

CONDITIONS: Final[Mapping[str, Condition]] = {
    "amplitude": Condition("1", "amplitude of the power spectrum", positive=True),
    "spectral_index": Condition("1", "index of the power spectrum"),
    "omega_m": Condition("1", "density of matter in units of the critical one", positive=True),
    "sigma_8": Condition("1", "amplitude of fluctuations on 8 Mpc/h", positive=True),
    "n_s": Condition("1", "index of the primordial spectrum", positive=True),
    "hubble": Condition("1", "Hubble constant in 100 km/s/Mpc", positive=True),
    "redshift": Condition("1", "redshift", kind="empirical"),
}
CARRIES: Final = ()
#: a field has at least so many pixels along an axis
FEWEST: Final = 4
#: name of a mask beside fields in validation
MASK: Final = "observed_pixels"
#: number of fields of the validation part that are judged
MOST_VALIDATED: Final = 1_000


class Fields:
    """The training fields of a system.

    Parameters
    ----------
    events:
        the training part; their only array is the field, (event, x), (event, x, y) or (event, x, y, z).
    masks:
        whether the system learns from masked fields.

    Attributes
    ----------
    name:
        of the field's variable.
    masked:
        whether the fields have a mask.
    used:
        names of the conditions that the events hold.
    shape:
        of a field.
    description:
        of the training sample, with ``field``: all that :func:`to_variables` needs.

    Raises
    ------
    simulacra.events.EventsError
        if there is none or more than one array, it has a mask that is not of pixels or that the system does not learn
        from, a field without any observed pixel, more than three axes or fewer than four pixels along one, all its
        pixels are equal, or a condition has the value of none of its choices.
    """

    def __init__(self, events: xr.Dataset, *, masks: bool = False) -> None:
        validate(events)
        where = f"'{events.encoding[SOURCE]}': " if SOURCE in events.encoding else ""
        arrays = [name for name in names(events, "feature") if events[name].ndim > 1]
        if len(arrays) != 1:
            raise EventsError(f"{where}one array is learned, a field; the events hold {arrays or 'none'}")
        self.name = arrays[0]
        field = events[self.name]
        observed = observed_pixels(events, self.name)
        self.masked = observed is not None
        if observed is not None and not masks:
            raise EventsError(
                f"{where}'{self.name}' has a mask: train a system of kind trenf, fill the hidden pixels, or cut them "
                "off"
            )
        self.shape = tuple(int(n) for n in field.shape[1:])
        if len(self.shape) > 3 or min(self.shape) < FEWEST:
            raise EventsError(
                f"{where}'{self.name}' has the shape {self.shape}: fields have 1 to 3 axes of at least {FEWEST} pixels"
            )
        if not float(field.values.std(where=True if observed is None else observed)) > 0:
            raise EventsError(f"{where}all pixels of '{self.name}' are equal: there is nothing to learn")
        self.used = tuple(name for name in CONDITIONS if name in events)
        axes = [str(axis) for axis in field.dims[1:]]
        places = {axis: events[axis] for axis in axes if axis in events.coords}
        self.description = describe(events, CONDITIONS, self.used, CARRIES) | {
            "field": {
                "name": self.name,
                "shape": list(self.shape),
                "axes": axes,
                "attributes": {key: field.attrs[key] for key in ("units", "long_name", "signed") if key in field.attrs},
                "first": {axis: float(place[0]) for axis, place in places.items()},
                "step": {axis: float(np.diff(place.values).mean()) for axis, place in places.items()},
                "place": {axis: {key: str(v) for key, v in place.attrs.items()} for axis, place in places.items()},
            }
        }
        self.validation = EventValidation(self.used, _observed, weighted=False)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``field`` (N, n1, ...), ``conditions`` (N, C) and, of masked fields, ``observed`` (N, n1, ...)."""
        import torch

        field = torch.as_tensor(events[self.name].values.astype(np.float32))
        found = {"field": field, "conditions": columns_of(events, self.used)}
        if (observed := observed_pixels(events, self.name)) is not None:
            found["observed"] = torch.as_tensor(observed)
        return found

    def validate(self, model: nn.Module, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge a model by the observables of its fields: moments, extremes, power spectrum."""
        some = events.isel(event=slice(MOST_VALIDATED))
        observed = observed_pixels(some, self.name)
        some = some[[self.name, *self.used]]
        output = to_variables(sampled(model, columns_of(some, self.used), rng), self.description)
        field = output[self.name]
        places = {axis: output[axis] for axis in self.description["field"]["first"]}
        made = some[list(self.used)].assign({self.name: field}).assign_coords(places)
        if observed is not None:
            # Both have the same mask; the pixels that it hides do not count.
            mask = variable(observed, *map(str, field.dims[1:]), units="1", long_name="observed pixels", role="mask")
            some, made = (one.assign({MASK: mask}) for one in (some, made))
        return self.validation.check(some, made)


def observed_pixels(events: xr.Dataset, name: str) -> np.ndarray | None:
    """Return which pixels of fields are observed, (N, n1, ...), or None if they have no mask.

    A mask is a variable of the role "mask" with the field's dimensions, or one for all events: a coordinate of the
    dataset with the attribute ``role``, "mask", and the dimensions of the pixels.

    Raises
    ------
    simulacra.events.EventsError
        if there is more than one mask, a mask has other dimensions, or hides all pixels of a field.
    """
    where = f"'{events.encoding[SOURCE]}': " if SOURCE in events.encoding else ""
    dims = events[name].dims
    masks = {
        str(key): array
        for key, array in events.variables.items()
        if array.attrs.get("role") == "mask" and array.dims not in ((), ("event",))
    }
    if not masks:
        return None
    if len(masks) > 1:
        raise EventsError(f"{where}'{name}' has the masks {', '.join(sorted(masks))}: join them into one")
    key, mask = next(iter(masks.items()))
    if mask.dims not in (dims, dims[1:]):
        raise EventsError(
            f"{where}the mask '{key}' has the dimensions {mask.dims}: a mask of pixels has those of '{name}', {dims}"
        )
    observed = np.broadcast_to(mask.values.astype(bool), events[name].shape)
    if not (some := observed.reshape(len(observed), -1).any(axis=1)).all():
        event = events["event"].values[np.flatnonzero(~some)[0]]
        raise EventsError(
            f"{where}the mask '{key}' hides all pixels of event {event}, one of {(~some).sum():,} such events: leave "
            "them out"
        )
    return np.array(observed)


def _observed(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables of fields; exact zeros are none of a field's."""
    return {name: values for name, values in observables_of(events).items() if not name.endswith("share_of_zeros")}


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
    """Return the event variables of a module's output, fields (N, n1, ...), and the positions of their pixels."""
    field = description["field"]
    found = {field["name"]: variable(output, *field["axes"], role="feature", **field["attributes"])}
    for axis, first in field["first"].items():
        n = output.shape[1 + field["axes"].index(axis)]
        found[axis] = xr.Variable(axis, first + field["step"][axis] * np.arange(n), field["place"][axis])
    return found


def shape_of(description: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of the training fields."""
    return tuple(int(n) for n in description["field"]["shape"])


def plane_of(description: Mapping[str, Any], halvings: int = 0) -> tuple[int, int]:
    """Return the shape of the training fields, which must have two axes (EventsError).

    ``halvings`` is how often a network halves both: two pixels are to be left.
    """
    shape = shape_of(description)
    if len(shape) != 2:
        raise EventsError(f"'{description['field']['name']}' has {len(shape)} axes: this system makes fields of two")
    if min(shape) < 2 ** (halvings + 1):
        raise EventsError(
            f"fields of {shape[0]} x {shape[1]} pixels cannot be halved {halvings} times by the network: it needs "
            f"{2 ** (halvings + 1)} along each axis"
        )
    return shape[0], shape[1]


def turned(batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
    """Return a batch whose ``field`` (N, n1, n2) are mirrored at random, and if n1 = n2 turned by 90 degrees."""
    import torch

    field = batch["field"]
    kinds = 8 if field.shape[1] == field.shape[2] else 4
    which = torch.randint(kinds, (len(field),), generator=rng).to(field.device)
    field = torch.where(((which & 1) > 0)[:, None, None], field.flip(1), field)
    field = torch.where(((which & 2) > 0)[:, None, None], field.flip(2), field)
    if kinds == 8:
        field = torch.where(((which & 4) > 0)[:, None, None], field.transpose(1, 2), field)
    return {**batch, "field": field}


def example_fields(folder: Path, pixels: int = 12) -> Path:
    """Return a store of lognormal fields in the folder, of so many pixels along an axis, simulated there."""
    from simulacra.simulators.random_fields import RandomFieldSettings, write_random_fields

    settings = RandomFieldSettings(
        form="lognormal", pixels=pixels, amplitude="uniform:0.1:0.3", spectral_index="uniform:-2:-1"
    )
    write_random_fields(folder / "fields.zarr", settings, seed=1, n_events=600, progress=False)
    return folder / "fields.zarr"
