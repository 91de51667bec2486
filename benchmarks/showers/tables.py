"""The front as tables: for a terminal and for a page."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Final

from benchmarks.showers.speed import BATCHES
from benchmarks.showers.summary import JUDGED, busy
from benchmarks.tables import Table
from rich.console import Console

from simulacra.wording import listed, with_error

NOTHING: Final = "–"
SPELLED: Final = {"e+": "e⁺", "gamma": "γ"}
SAID: Final = """\
The truth is Geant4 showers that no training has seen: {truths}. Every generator makes showers at the conditions of the
truth, with the same seed ({seed}). AUC: the larger of boosted trees and a perceptron, {folds}-fold, on the cells above
{threshold:g} MeV with the sums of the sections, and on the shower shapes. Geant4 itself has 0.5; the row Geant4 against
Geant4 shows the statistical fluctuation. FPD: in squared standard deviations, times 10³. Memorised: the p-value for
generated showers lying nearer to training showers than unseen Geant4 showers do, and in brackets the share of pairs in
which they do (50 % if nothing is memorised). Milliseconds per shower: one CPU thread, from conditions and noise to MeV
in cells, including the time to draw the noise; the median, with the faster of torch and ONNX Runtime, on {processor}.
Refined showers carry weights, and are judged with them; their milliseconds are per effective shower and include the
time to compute the weight. Parameters, training minutes, training showers and file size are read from the model's file;
those of a distilled model do not include its teacher.
"""
GOAL: Final = (
    "Goals: AUC at most {low_level:g} on cells and {shapes:g} on shapes, at most {times}. All are reached by {by}."
)
PAGE_WIDTH: Final = 120


def print_tables(record: dict[str, Any]) -> str:
    """Print all tables, and return them for a page."""
    console = Console(width=190)
    for table in _tables(record):
        console.print(table.printed())
    console.print("\n\n".join(_paragraphs(record)), highlight=False)
    return page_of(record)


def page_of(record: dict[str, Any]) -> str:
    """Return all tables, and the text about them, for a page."""
    said = [fill(text, PAGE_WIDTH) for text in _paragraphs(record)]
    return "\n\n".join([*said, *(table.markdown() for table in _tables(record))]) + "\n"


def _tables(record: dict[str, Any]) -> list[Table]:
    return [
        table
        for particle, there in record["particles"].items()
        for table in (_front(particle, there), _classifiers(particle, there), _speeds(particle, there))
    ]


def _paragraphs(record: dict[str, Any]) -> list[str]:
    """Return the content of the tables, the truth, and the reached goals."""
    truths = listed([f"{there['truth']} ({there['showers']:,}, {name})" for name, there in record["particles"].items()])
    settings = record["settings"]
    said = SAID.format(
        truths=truths,
        seed=settings["seed"],
        folds=settings["folds"],
        threshold=settings["cell_threshold"],
        processor=record["processor"],
    )
    paragraphs = [said.replace("\n", " ").strip()]
    for name, there in record["particles"].items():
        paragraphs.append(f"Geant4 against Geant4 ({name}): {there['pair']}; {there['geant4_time']}.")
    paragraphs.append(_goal(record))
    rows = [(name, model) for name, there in record["particles"].items() for model in there["models"]]
    if late := [f"{model['label']} ({name})" for name, model in rows if busy(model)]:
        paragraphs.append(f"Other programs ran during the timing of {listed(late)}: their milliseconds are too high.")
    return paragraphs


def _goal(record: dict[str, Any]) -> str:
    goals = record["goals"]
    by = [
        f"{model['label']} ({name})"
        for name, there in record["particles"].items()
        for model in there["models"]
        if len(model.get("goals", {})) == 2 + len(goals["milliseconds"]) and all(model["goals"].values())
    ]
    slowest_first = sorted(goals["milliseconds"].items(), key=lambda item: -int(item[0]))
    times = " and ".join(
        f"{most:g} ms{'' if number else ' per shower'} at batch {batch}"
        for number, (batch, most) in enumerate(slowest_first)
    )
    return GOAL.format(
        low_level=goals["low_level"], shapes=goals["shapes"], times=times, by=listed(by) if by else "none"
    )


def _front(particle: str, there: dict[str, Any]) -> Table:
    columns = ("", "AUC cells", "AUC shapes", "FPD × 10³", "coverage", "density", "memorised p (share)")
    times = tuple(f"ms, batch {batch}" for batch in BATCHES)
    table = Table(f"showers of {SPELLED[particle]}", (*columns, *times, "parameters", "minutes", "trained on", "MB"))
    for model in there["models"]:
        if model["status"] != JUDGED:
            table.add_row(model["label"], model["status"], *[""] * (len(table.columns) - 2))
            continue
        table.add_row(
            model["label"],
            _area(model, "low_level"),
            _area(model, "shapes"),
            _distance(model, "frechet_physics_distance", 1000),
            _distance(model, "coverage"),
            _distance(model, "density"),
            _memorised(model.get("memorisation")),
            *(_milliseconds(model, there, str(batch)) for batch in BATCHES),
            _number(model, "parameters", "{:,}"),
            _number(model, "training_minutes", "{:.3g}"),
            _number(model, "training_events", "{:,}"),
            _number(model, "file_bytes", "{:.3g}", 1e-6),
        )
    return table


def _classifiers(particle: str, there: dict[str, Any]) -> Table:
    heads = tuple(f"{what}, {kind}" for what in ("cells", "shapes") for kind in ("trees", "perceptron"))
    table = Table(f"AUC of each classifier, {SPELLED[particle]}", ("", *heads, "showers"))
    for model in _judged(there):
        areas = [model["auc"].get(which) for which in ("low_level", "shapes")]
        cells = [
            NOTHING if area is None else with_error(area[kind]["auc"], area[kind]["error"])
            for area in areas
            for kind in ("trees", "perceptron")
        ]
        sizes = next((f"{area['n_truth']:,} + {area['n_generated']:,}" for area in areas if area), NOTHING)
        table.add_row(model["label"], *cells, sizes)
    return table


def _speeds(particle: str, there: dict[str, Any]) -> Table:
    heads = tuple(f"{name}, batch {batch}" for name in ("torch", "ONNX") for batch in BATCHES)
    table = Table(f"ms per shower (68 % of repetitions), {SPELLED[particle]}", ("", *heads, "effective share"))
    for model in _judged(there):
        if "speed" not in model:
            continue
        cells = [
            _spread(model["speed"].get(runtime, {}).get(str(batch)))
            for runtime in ("torch", "onnx")
            for batch in BATCHES
        ]
        share = NOTHING
        if model["refiner"] is not None and "effective_share" in model:
            share = with_error(model["effective_share"], model["effective_share_error"], "%")
        table.add_row(model["label"], *cells, share)
    return table


def _judged(there: dict[str, Any]) -> list[dict[str, Any]]:
    return [model for model in there["models"] if model["status"] == JUDGED]


def _area(model: dict[str, Any], which: str) -> str:
    area = model["auc"].get(which)
    return NOTHING if area is None else with_error(area["auc"], area["error"])


def _distance(model: dict[str, Any], name: str, scale: float = 1.0) -> str:
    found = model.get(name)
    return NOTHING if found is None else with_error(scale * found["value"], scale * found["uncertainty"])


def _memorised(found: dict[str, Any] | None) -> str:
    if found is None:
        return NOTHING
    return f"{found['p_value']:.2g} ({with_error(found['nearer'], found['nearer_error'], '%')})"


def _milliseconds(model: dict[str, Any], there: dict[str, Any], batch: str) -> str:
    if "milliseconds" in model:
        plain, effective = model["milliseconds"][batch]["median"], model["milliseconds_per_effective_shower"][batch]
        return f"{effective:.3g}" if model["refiner"] is None else f"{effective:.3g} (plain {plain:.3g})"
    if model["family"] == "Geant4" and there["geant4_milliseconds"] is not None:
        return f"{there['geant4_milliseconds']:.3g}"
    return NOTHING


def _number(model: dict[str, Any], name: str, form: str, scale: float = 1) -> str:
    return form.format(scale * model[name]) if name in model else NOTHING


def _spread(found: dict[str, float] | None) -> str:
    return NOTHING if found is None else f"{found['median']:.3g} ({found['low']:.3g} to {found['high']:.3g})"
