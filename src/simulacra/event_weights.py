"""The weight of an event: the same product of its variables in judges and reweighters.

Variables of the role "weight" are multiplied, such as a generator's weight and that of a refinement. Variations
(``variation_...``) are the weights of other settings of a simulator; they replace the event's own and are not a factor
of it. Single weights may be negative, as at next-to-leading order.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from simulacra.events import EventsError, names
from simulacra.variations import PREFIX


def weight_names(events: xr.Dataset) -> list[str]:
    """Return the names of the variables whose product is an event's weight."""
    return [name for name in names(events, "weight") if not name.startswith(PREFIX)]


def weights_of(events: xr.Dataset) -> np.ndarray:
    """Return the weight of each event, the product of all weights except variations, (N,) float64.

    Raises
    ------
    simulacra.events.EventsError
        if a weight, or the product, is NaN or infinite; the message names the event.
    """
    product = np.ones(events.sizes["event"])
    used = weight_names(events)
    for name in used:
        with np.errstate(over="ignore", invalid="ignore"):
            product = product * events[name].values.astype(np.float64)
    if not np.isfinite(product).all():
        row = int(np.flatnonzero(~np.isfinite(product))[0])
        factors = " times ".join(f"{name} {float(events[name].values[row]):g}" for name in used)
        raise EventsError(
            f"the weight of event {int(events['event'].values[row])} is {product[row]}: {factors}; correct the "
            "weights, or divide all of them by their mean"
        )
    return product
