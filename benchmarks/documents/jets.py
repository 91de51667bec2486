"""The tables of docs/jets.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.tables import table

from simulacra.wording import with_error

#: runtimes of the table of times, by their names in the results
RUNTIMES: Final = {"sample": "`sample` from Python", "torch": "torch", "onnx": "ONNX Runtime"}


MISSING: Final = '`make bench-jets ARGS="--only clouds"` has not been run.'


def clouds(found: Mapping[str, Any]) -> str:
    """Return a table for each model: its numbers by class, each beside that of truth against truth."""
    parts = []
    for name, model in _models(found).items():
        judged = model["judged"]
        quantities = list(dict.fromkeys(one["name"] for one in judged))
        rows = []
        for sample in dict.fromkeys(one["sample"] for one in judged):
            here = {one["name"]: one for one in judged if one["sample"] == sample}
            n = {one["events"] for one in here.values()}
            label = "all classes" if sample == "all" else sample
            rows.append((label, f"{max(n):,}", *(_beside(here.get(what), max(n)) for what in quantities)))
        parts.append(f"`{name}` / Pythia against itself:\n\n{table(('jets', 'n', *quantities), rows)}")
    return "\n\n".join(parts) or MISSING


def _models(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was measured of each model; nothing if the stage has not run."""
    return found.get("jets", {}).get("clouds", {}).get("models", {})


def _beside(one: dict[str, Any] | None, n: int) -> str:
    """Return a number beside that of truth against truth, with the number of jets if it is not n."""
    if one is None:
        return ""
    said = f"{with_error(one['value'], one['error'])} / {with_error(one['truth'], one['truth_error'])}"
    return said if one["events"] == n else f"{said} (n = {one['events']:,})"


def times(found: Mapping[str, Any]) -> str:
    """Return the time per jet in each runtime."""
    models, rows = _models(found), []
    if not models:
        return MISSING
    for name, model in models.items():
        time = model["microseconds"]
        rows.append((f"`{name}`", *(with_error(time[key]["median"], time[key]["error"]) for key in RUNTIMES)))
    batch = next(iter(models.values()))["microseconds"]["batch"]
    return table((f"µs per jet, one thread, batch {batch:,}", *RUNTIMES.values()), rows)


def tagger(found: Mapping[str, Any]) -> str:
    """Return what taggers of generated jets reach on real ones, beside taggers of real jets."""
    here = found["jets"]["tagger"]
    models = here["models"]
    rows = [
        (name, with_error(*value), *(with_error(*numbers[name]) for numbers in models.values()))
        for name, value in here["truth"].items()
    ]
    heads = ("taggers of top quarks trained on", "Pythia's jets", *(f"jets of `{name}`" for name in models))
    return table(heads, rows)
