"""The training and size of a model, from its file."""

from __future__ import annotations

from typing import Any

from benchmarks.showers import refined
from benchmarks.showers.drawing import load_entry
from benchmarks.showers.models import Entry

from simulacra.systems import system
from simulacra.training.settings import check


def cost_of(entry: Entry) -> dict[str, Any]:
    """Return the number of trained parameters, the minutes and events of the training, and the file's size.

    Parameters, minutes and bytes of a refiner are added; its training events are not.

    Raises
    ------
    ValueError
        if the file cannot be used; the message says why.
    """
    generator = load_entry(entry)
    settings, training = generator.metadata["experiment"]["system"], generator.metadata["training"]
    kind = system(settings["kind"])
    # The trained module, not the folded one: folding turns parameters into constants.
    module = kind.build(check(kind.Settings, settings, str(generator.path)), generator.description)
    found = {
        "system": settings["kind"],
        "conditions": list(generator.trained_range),
        "parameters": sum(tensor.numel() for tensor in module.parameters()),
        "training_minutes": float(training["seconds"]) / 60,
        "training_events": int(training["events"]),
        "training_device": str(generator.metadata["experiment"].get("training", {}).get("accelerator", "")),
        "file_bytes": generator.path.stat().st_size,
        "teacher": settings.get("teacher"),
    }
    if entry.refiner is not None:
        for name, value in refined.cost_of(refined.load_refiner(entry.refiner, generator)).items():
            found[name] = found[name] + value
    return found
