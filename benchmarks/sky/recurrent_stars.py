"""The recurrent form of the model of variable stars, trained and measured as the shipped convolutional one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from benchmarks.rows import Judged, LeftOutError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky.stars import (
    BATCH,
    DATA,
    FOURIER,
    LABELS,
    MODEL,
    SAMPLES,
    SECONDS,
    compared,
    fourier,
    nearest_stars,
    sampled,
)

import simulacra
from simulacra.events import take_part
from simulacra.observables.light_curves import measured_like
from simulacra.trained import TrainedGenerator

__all__ = ["measure"]

STEPS: Final = 2_000


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Train the recurrent model, and return its distances from stars of the test part.

    Raises
    ------
    LeftOutError
        if the survey's data are absent.
    """
    if not DATA.is_file():
        raise LeftOutError(f"there are no Cepheids in {DATA}")
    run = folder / "recurrent-run"
    with warnings.catch_warnings():
        # Stars without a value in the catalogue are left out, and told when the file is read by a user.
        warnings.simplefilter("ignore", UserWarning)
        stars = simulacra.read(DATA)
        if not (run / "record.json").exists():
            steps = max(50, round(STEPS * scale))
            options = [f"data.path={DATA}", "system.architecture=recurrent", f"training.steps={steps}"]
            simulacra.train(f"experiments/{MODEL}.toml", run, overrides=options, progress=False)
    generator = simulacra.load(run)
    assert isinstance(generator, TrainedGenerator)
    training, test = take_part(stars, "train"), take_part(stars, "test")
    others = training.isel(event=nearest_stars(test["period"].values, training["period"].values))
    made = [
        fourier(measured_like(sampled(generator, test, seed), test, seed=10 + seed)) for seed in range(1, 1 + SAMPLES)
    ]
    distances = compared(fourier(test), made, fourier(others))
    judged = tuple(
        Judged(f"W1 of {LABELS[name]}", *distances[name]["model"], *distances[name]["truth"], test.sizes["event"])
        for name in FOURIER
    )
    metadata = generator.metadata["training"]
    row = Row(
        "variable_star",
        "recurrent Cepheids",
        int(metadata["events"]),
        metadata["seconds"] / 60,
        judged,
        *microseconds(generator, BATCH, scale * SECONDS),
    )
    return {"rows": [row.as_record()], "validation_score": metadata["validation_score"]}
