"""The showers of ``simulacra generate --refine``: with a refiner's weights, or accepted by them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.conditions import Choice, Distribution
    from simulacra.reweighting.refiner import Refiner
    from simulacra.trained import TrainedGenerator


class Refinement(NamedTuple):
    """A refiner's file, the hash of its weights, and whether showers are accepted by them instead of weighted."""

    path: str
    sha256: str
    unweighted: bool

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The settings that determine the events of a store, besides the generator."""
        return {"refiner": self.sha256, "unweighted": self.unweighted}


def refinement_of(
    members: Sequence[TrainedGenerator], path: str, asked: Mapping[str, Distribution | Choice], *, unweighted: bool
) -> tuple[Refinement, str]:
    """Return a refinement for the generator, and a sentence on its cost.

    Raises
    ------
    ValueError
        if the refiner is for another generator, or there are several.
    """
    from simulacra.reweighting.refiner import Refiner

    if len(members) > 1:
        raise ValueError("a refiner is for one generator, and this is an ensemble: refine one of its members")
    refiner = Refiner.load(path)
    refiner.require(members[0])
    refiner.warn_outside({name: (value.low, value.high) for name, value in asked.items()})
    cost = f"an event takes about {refiner.maximum:.3g} candidates" if unweighted else "they have a mean of about 1"
    cut = f"weights are clipped at {refiner.maximum:.4g}, which removed {refiner.clipped_share:.2%} of their sum when "
    return Refinement(str(refiner.path), refiner.sha256, unweighted), f"{cut}it was trained; {cost}"


def refined_events(
    trained: TrainedGenerator, refinement: Refinement, n: int, *, seed: int, first_event: int, **conditions: Any
) -> xr.Dataset:
    """Return refined showers for a store."""
    from simulacra.reweighting.refined import RefinedGenerator
    from simulacra.reweighting.reweighter import OutsideBoxWarning

    refiner = _loaded(refinement)
    with warnings.catch_warnings():
        # The warning was given once, before the store was started.
        warnings.simplefilter("ignore", OutsideBoxWarning)
        events = RefinedGenerator(trained, refiner).sample(
            n, seed=seed, first_event=first_event, unweighted=refinement.unweighted, **conditions
        )
    # The attributes of a store are those of any of its chunks, and must not differ between them.
    events.attrs.pop("candidates_per_event", None)
    return events.assign_attrs(clipped_share=refiner.clipped_share)


@functools.cache
def _loaded(refinement: Refinement) -> Refiner:
    from simulacra.reweighting.refiner import Refiner

    refiner = Refiner.load(refinement.path)
    if refiner.sha256 != refinement.sha256:
        raise ValueError(f"{refinement.path} has changed since the first events were made: start another store")
    return refiner
