"""Which weight of a HepMC event is its own, which are variations, and which are only bookkeeping.

HepMC gives weights an order and names, and no meaning. The rules here are those of Rivet (arXiv:1912.05451,
``AnalysisHandler::setWeightNames``): the nominal weight has an empty name, else ``Weight``, ``0``, ``Default`` or
``Nominal`` in upper or lower case; if several fit, the first of them, and if none fits, the first weight. Names that
begin with ``IRREG`` or ``EXTRA`` are not variations, as in Rivet (its merge request 400). Neither are Sherpa's
bookkeeping entries: they count trials or hold a factor of the weight.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from simulacra.formats.errors import FormatError

_NOMINAL: Final = ("weight", "0", "default", "nominal")
_BOOKKEEPING: Final = re.compile(r"(IRREG|EXTRA).*|(ME_?Weight|Weight_?Normali[sz]ation|N_?Trials?)", re.IGNORECASE)


@dataclass(frozen=True)
class WeightRoles:
    """The index of the nominal weight, those of the variations, and a remark on the choice."""

    nominal: int
    variations: tuple[int, ...]
    remark: str | None = None


def is_bookkeeping(name: str) -> bool:
    """Return whether a weight of this name is a bookkeeping entry and not a weight of the event."""
    return _BOOKKEEPING.fullmatch(name.strip()) is not None


def roles_of(names: Sequence[str], nominal: str | None = None) -> WeightRoles:
    """Return the meaning of each weight, from the names of at least one weight.

    Parameters
    ----------
    nominal:
        name of the nominal weight, if known.

    Raises
    ------
    FormatError
        if no weight has that name, or all are bookkeeping entries.
    """
    books = {i for i, name in enumerate(names) if is_bookkeeping(name)}
    if nominal is not None:
        fitting = [i for i, name in enumerate(names) if name == nominal]
        if len(fitting) != 1:
            raise FormatError(f"there are {len(fitting)} weights of the name '{nominal}'; the names are {list(names)}")
        return _roles(names, fitting[0], books)
    if len(books) == len(names):
        raise FormatError(f"its weights {list(names)} are bookkeeping entries: none is the weight of an event")
    fitting = [i for i, name in enumerate(names) if name == ""]
    fitting = fitting or [i for i, name in enumerate(names) if name.strip().lower() in _NOMINAL]
    remark = None
    if len(fitting) > 1:
        named = ", ".join(f"'{names[i]}'" for i in fitting)
        remark = f"{named} could each be the nominal weight; '{names[fitting[0]]}' is taken, the first"
    elif not fitting:
        fitting = [i for i in range(len(names)) if i not in books]
        if len(fitting) > 1:
            remark = (
                f"none of its {len(names)} weights is called Weight, Default, Nominal or 0; "
                f"'{names[fitting[0]]}' is taken as the nominal one, the first"
            )
    return _roles(names, fitting[0], books, remark)


def _roles(names: Sequence[str], nominal: int, books: Collection[int], remark: str | None = None) -> WeightRoles:
    return WeightRoles(nominal, tuple(i for i in range(len(names)) if i != nominal and i not in books), remark)
