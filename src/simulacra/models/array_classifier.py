"""Arrays as a classifier sees them: series, images and fields as channels on one grid, into a convolutional network.

The channels are the arrays, standardised (:mod:`simulacra.representations.channels`); masks, 1 where an entry is
there; of entries that have a place of their own in each event, such as times, that place and the distance to the one
before; and along other axes that do not close, where on it an entry stands, from -1 to 1. What is not there is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from simulacra.models.event_network import BLOCK, EventNetwork
from simulacra.networks.convolutional import ConvolutionalNetwork
from simulacra.representations.arrays import Layout
from simulacra.representations.channels import Scale, StandardisedChannels

#: values of arrays that pass the network at a time
VALUES: Final = 1_000_000


class ArrayNetwork(EventNetwork):
    """Arrays, and numbers beside them, into a convolutional network.

    Parameters
    ----------
    layout:
        the variables, and how they lie on the grid.
    scale:
        of values: "linear", "asinh", or "auto", the latter where they have heavy tails.
    periodic:
        whether the grid closes on itself along each axis.
    kernel, widths, event_widths, summary:
        of :class:`~simulacra.networks.convolutional.ConvolutionalNetwork`.
    """

    sizes: Tensor

    def __init__(
        self,
        layout: Layout,
        scale: Scale,
        *,
        periodic: bool,
        kernel: int,
        widths: Sequence[int],
        event_widths: Sequence[int],
        summary: int,
    ) -> None:
        super().__init__()
        self.layout, self.variables, self.summary = layout, layout.variables, summary
        # Where there are places, they say more than the number of the entry.
        told = {axis for place in layout.places.values() for axis, at in enumerate(place.axes) if at is not None}
        self._numbered = () if periodic else tuple(axis for axis in range(len(layout.grid)) if axis not in told)
        values = sum(array.channels for array in layout.arrays.values())
        standardised = values + 2 * len(layout.places)
        channels = standardised + sum(mask.channels for mask in layout.masks.values()) + len(self._numbered)
        self.channels = StandardisedChannels(standardised, scale)
        self.numbers = StandardisedChannels(len(layout.numbers), scale)
        self.network = ConvolutionalNetwork(
            channels,
            len(layout.grid),
            numbers=len(layout.numbers),
            periodic=periodic,
            kernel=kernel,
            widths=widths,
            event_widths=event_widths,
            summary=summary,
        )

    @property
    def block(self) -> int:
        """Events that pass the network at a time where no gradients are needed."""
        places = int(torch.prod(self.network.sizes).item())
        return max(1, min(BLOCK, VALUES // max(1, places)))

    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the channels' scales and the typical number of entries."""
        values, there, present = self._on_grid(events)
        self.channels.fit(values, there.expand(values.shape))
        self.numbers.fit(self._numbers(events))
        self.network.set_typical(max(1.0, float(present.flatten(1).sum(dim=1).double().mean())), present.shape[1:])

    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``values`` (N, C, ...) half, ``present`` (N, ...) bool and ``numbers`` (N, F), where there are any.

        Axes of arrays with a mask are as long as the sample needs, unless they close or nothing is to be packed.
        """
        values, there, present = self._on_grid(events)
        standardised = self.channels(values).masked_fill(~there, 0.0)
        shape = present.shape[1:]
        masks = [_spread(mask.on_grid(events[name]).float(), shape) for name, mask in self.layout.masks.items()]
        sizes = self.network.sizes.tolist()
        numbered = []
        for axis in self._numbered:
            place = torch.arange(shape[axis]) * (2.0 / max(1.0, sizes[axis] - 1)) - 1.0
            along = place.reshape([-1 if other == axis else 1 for other in range(len(shape))])
            numbered.append((along * present)[:, None])
        found = {"values": torch.cat([standardised, *masks, *numbered], dim=1).half()}
        if self.layout.masks:
            found["present"] = present
        if self.layout.masks and self.packed and not self.network.periodic:
            ends = [slice(_length(present, axis)) for axis in range(len(shape))]
            found["values"] = found["values"][(slice(None), slice(None), *ends)].contiguous()
            found["present"] = present[(slice(None), *ends)].contiguous()
        if self.layout.numbers:
            found["numbers"] = self.numbers(self._numbers(events))
        return found

    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S)."""
        summary: Tensor = self.network(represented["values"], represented.get("present"), represented.get("numbers"))
        return summary

    def _numbers(self, events: Mapping[str, Tensor]) -> Tensor:
        columns = [events[name].float() for name in self.layout.numbers]
        first = next(iter(events.values()))
        return torch.stack(columns, dim=1) if columns else torch.zeros(len(first), 0)

    def _on_grid(self, events: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return values and places (N, C, ...), which of these are there, alike, and places with any value (N, ...)."""
        layout = self.layout
        of_arrays = {name: array.on_grid(events[name]).float() for name, array in layout.arrays.items()}
        sizes = [values.shape[2:] for values in of_arrays.values()]
        shape = [max(lengths) for lengths in zip(*sizes, strict=True)]
        masks = {name: mask.on_grid(events[name]) > 0 for name, mask in layout.masks.items()}
        values, there = [], []
        for name, array in layout.arrays.items():
            values.append(_spread(of_arrays[name], shape))
            there.append(_there(masks.get(array.mask), values[-1]))
        present = torch.cat(there, dim=1).any(dim=1)
        for name, place in layout.places.items():
            at = _spread(place.on_grid(events[name]).float(), shape)
            filled = _there(masks.get(place.mask), at)
            axis = 2 + next(axis for axis, own in enumerate(place.axes) if own is not None)
            step = torch.zeros_like(at)
            both = torch.zeros_like(filled)
            length = at.shape[axis] - 1
            step.narrow(axis, 1, length).copy_(at.narrow(axis, 1, length) - at.narrow(axis, 0, length))
            both.narrow(axis, 1, length).copy_(filled.narrow(axis, 1, length) & filled.narrow(axis, 0, length))
            values += [at, step]
            there += [filled, both]
        return torch.cat(values, dim=1), torch.cat(there, dim=1), present


def _spread(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Return channels (N, C, ...) on the whole grid."""
    return values.expand(*values.shape[:2], *shape)


def _there(mask: Tensor | None, values: Tensor) -> Tensor:
    """Return which values (N, C, ...) are there."""
    if mask is None:
        return torch.ones_like(values, dtype=torch.bool)
    if mask.shape[1] not in (1, values.shape[1]):
        # A mask of fewer channels, such as one per band of several numbers each.
        mask = mask.repeat_interleave(values.shape[1] // mask.shape[1], dim=1)
    return mask.expand(values.shape)


def _length(present: Tensor, axis: int) -> int:
    """Return the length of an axis, 1 at least, behind which no event has an entry."""
    others = [other for other in range(present.dim()) if other != axis + 1]
    filled = torch.nonzero(present.sum(dim=others) > 0)
    return int(filled.max()) + 1 if len(filled) else 1
