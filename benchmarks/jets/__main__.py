"""Every system of jets on events never seen in training: one table, one JSON file and the figures of docs/.

Each stage simulates its truth (real Pythia), generates as many events with the shipped model, and measures them. A
stage runs once: a stopped run continues, ``--fresh`` forgets the numbers, ``--only clouds`` runs stages whose names
begin so and keeps the others' last results. ``--scale 0.1`` is a quick look, and is not written to the results.
Run: ``make bench-jets``.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401  # isort: skip - before numpy and torch

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from benchmarks.jets import clouds, images, parton_shower, pile_up, tagger, templates
from benchmarks.staged import run

STAGES: Final[Mapping[str, ModuleType]] = {
    "clouds": clouds,
    "images": images,
    "parton-shower": parton_shower,
    "pile-up": pile_up,
    "templates": templates,
    "tagger": tagger,
}

if __name__ == "__main__":
    run("jets", STAGES, __doc__)
