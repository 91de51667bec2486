"""The kinds of events that can be judged: the other files of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

import xarray as xr

from simulacra.judges import kinds
from simulacra.judges.criteria import Use
from simulacra.judges.kinds.kind import Kind


def found_in(folder: ModuleType) -> dict[str, Kind]:
    """Return the kinds in a package's files by name, in the order of their tests."""
    names = sorted({module.name for module in pkgutil.iter_modules(folder.__path__)} - {"find", "kind"})
    found = {name: importlib.import_module(f"{folder.__name__}.{name}").KIND for name in names}
    return dict(sorted(found.items(), key=lambda pair: pair[1].generality))


#: by the names of their files, in the order of the tests whether events are of a kind
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(found_in(kinds))
USES: Final[Mapping[str, tuple[Use, ...]]] = MappingProxyType({name: kind.uses for name, kind in KINDS.items()})


def kind_of(events: xr.Dataset) -> str:
    """Return the kind of events, from their variables."""
    return next(name for name, kind in KINDS.items() if kind.holds(events))
