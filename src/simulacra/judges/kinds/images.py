"""Images of jets and muons: arrays that are also judged by mass, transverse momentum and subjettiness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import xarray as xr

from simulacra.events import names
from simulacra.judges.kinds.arrays import KIND as ARRAYS
from simulacra.judges.kinds.kind import Kind
from simulacra.observables.jet_images import IMAGE, is_image
from simulacra.wording import listed


def _without_what_is_known(samples: Sequence[xr.Dataset]) -> tuple[list[xr.Dataset], list[str]]:
    """Return images without the features that any sample lacks: what the simulation knows of the jet."""
    features = [set(names(events, "feature")) - {IMAGE} for events in samples]
    kept = set.intersection(*features)
    lacking = sorted(set.union(*features) - kept)
    if not lacking:
        return list(samples), []
    warning = (
        f"Judged without {listed(tuple(lacking))}, which some of the samples lack: only quantities computed from the "
        "pixels are compared."
    )
    return [events.drop_vars(lacking, errors="ignore") for events in samples], [warning]


KIND: Final[Kind] = replace(ARRAYS, holds=is_image, generality=1, made_alike=_without_what_is_known)
