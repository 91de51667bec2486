"""Every system of the sky on data never seen in training: one table, one JSON file and the figures of docs/.

The data are surveys', which are not shipped: a stage whose data are absent is left out, and says so. A stage runs once:
a stopped run continues, ``--fresh`` forgets the numbers, ``--only stars`` runs stages whose names begin so and keeps
the others' last results. ``--scale 0.1`` is a quick look, and is not written to the results. Run: ``make bench-sky``.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401  # isort: skip - before numpy and torch

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from benchmarks.sky import dust, fields, masks, multiscale, recurrent_stars, stars, streams
from benchmarks.staged import run

STAGES: Final[Mapping[str, ModuleType]] = {
    "stars": stars,
    "recurrent": recurrent_stars,
    "fields": fields,
    "multiscale": multiscale,
    "masks": masks,
    "streams": streams,
    "dust": dust,
}

if __name__ == "__main__":
    run("sky", STAGES, __doc__)
