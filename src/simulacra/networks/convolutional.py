r"""A convolutional network for series, images and fields of any size: moments of learned filters at several scales.

Each level convolves its input with filters, and of each filter's output :math:`f` the sums over all places of
:math:`f` and of :math:`f^2` go into the summary. On the first level these are the means and the powers of linear
filters of the array, so that the logarithm of the ratio of two Gaussian fields is a linear function of them; further
levels see the first one's output behind an activation, and the array itself, both averaged over two cells along each
axis. Sums over places do not depend on the size of the array or, with periodic padding, on where it begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.deep_sets import perceptron

#: moments fluctuate by some percent about their means: enlarged, they are seen sooner
GAIN: Final = 8.0
#: factor on the moments of each further level, which is to add only what finer levels do not see
FALL: Final = 0.25
#: places of an axis that is averaged over two cells
SHORTEST: Final = 4
CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS: Final = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


class ConvolutionalNetwork(nn.Module):
    """Map arrays, and numbers beside them, to a summary of fixed length.

    Parameters
    ----------
    channels:
        of the arrays.
    dimensions:
        1 for series, 2 for images and fields, 3 for fields in space.
    numbers:
        further numbers per event.
    periodic:
        whether what lies beyond an edge is what stands at the opposite one; zeros otherwise.
    kernel:
        places that a filter covers along each axis, odd.
    widths:
        numbers of filters, one per level.
    event_widths:
        hidden widths between the moments and the summary.
    summary:
        length of the output.
    """

    typical_number: Tensor
    sizes: Tensor

    def __init__(
        self,
        channels: int,
        dimensions: int,
        *,
        numbers: int = 0,
        periodic: bool = False,
        kernel: int = 3,
        widths: Sequence[int] = (16, 16, 16),
        event_widths: Sequence[int] = (64,),
        summary: int = 32,
    ) -> None:
        super().__init__()
        if not 1 <= dimensions <= len(CONVOLUTIONS):
            raise ValueError(f"convolutions run over 1, 2 or 3 dimensions, not {dimensions}")
        self.summary, self.dimensions, self.periodic, self.margin = summary, dimensions, periodic, kernel // 2
        inputs = [channels, *(width + channels for width in widths[:-1])]
        convolution = CONVOLUTIONS[dimensions - 1]
        self.levels = nn.ModuleList(convolution(i, o, kernel) for i, o in zip(inputs, widths, strict=True))
        self.event = perceptron([2 * sum(widths) + numbers, *event_widths, summary], last_activation=True)
        self.register_buffer("typical_number", torch.tensor(1.0))
        self.register_buffer("sizes", torch.ones(dimensions))

    def set_typical(self, number: float, sizes: Sequence[int]) -> None:
        """Set the number of places that sums over an array are divided by, and the lengths of its axes.

        Axes of fewer than four places on a level are not averaged any further.
        """
        self.typical_number.fill_(number)
        self.sizes.copy_(torch.tensor(sizes))

    def forward(self, values: Tensor, present: Tensor | None = None, numbers: Tensor | None = None) -> Tensor:
        """Map arrays (N, C, ...), 0 where absent, presence (N, ...) and numbers (N, F) to summaries (N, summary)."""
        values = values.to(self.typical_number.dtype)
        there = None if present is None else present[:, None].to(values.dtype)
        reach = None if there is None or self.periodic else _reach(there)
        hidden, array = values, values
        share, sizes = GAIN / self.typical_number, self.sizes.tolist()
        moments = []
        for level, filters in enumerate(self.levels):
            if level:
                steps = [2 if size >= SHORTEST else 1 for size in sizes]
                sizes = [math.ceil(size / step) for size, step in zip(sizes, steps, strict=True)]
                share = share * (FALL * math.prod(steps))
                array = self._coarser(array, steps)
                hidden = torch.cat([self._coarser(hidden, steps), array], dim=1)
                there, reach = (one if one is None else self._coarser(one, steps) for one in (there, reach))
            filtered = filters(self._beyond(hidden, [self.margin] * (2 * self.dimensions)))
            for moment in (filtered, filtered.square()):
                counted = moment if there is None else moment * there
                moments.append(share * counted.flatten(2).sum(dim=2))
            hidden = functional.silu(filtered)
            if reach is not None:
                # Beyond the last entry there is nothing, however far an array is padded.
                hidden = hidden * (reach > 0)
        if numbers is not None:
            moments.append(numbers)
        found: Tensor = self.event(torch.cat(moments, dim=1))
        return found

    def _coarser(self, values: Tensor, steps: list[int]) -> Tensor:
        """Return means over cells along each axis, of as many as the steps say."""
        odd = [size % step for size, step in zip(values.shape[2:], steps, strict=True)]
        even = self._beyond(values, [margin for size in reversed(odd) for margin in (0, size)])
        coarser: Tensor = POOLS[self.dimensions - 1](even, steps)
        return coarser

    def _beyond(self, values: Tensor, margins: list[int]) -> Tensor:
        """Return arrays with margins, of the last axis first, as :func:`torch.nn.functional.pad` takes them."""
        if not any(margins):
            return values
        return functional.pad(values, margins, mode="circular" if self.periodic else "constant")


def _reach(there: Tensor) -> Tensor:
    """Return which places (N, 1, ...) lie at or before an event's last entry along each axis."""
    reach = torch.ones_like(there)
    for axis in range(2, there.dim()):
        others = [other for other in range(2, there.dim()) if other != axis]
        along = there.amax(dim=others, keepdim=True) if others else there
        reach = reach * along.flip(axis).cummax(dim=axis).values.flip(axis)
    return reach
