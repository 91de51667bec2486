"""Equivariant flows of fields: random fields whose likelihood is known, and N-body planes never trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky import known_fields, nbody_fields
from benchmarks.sky.fields_figure import draw
from benchmarks.stages import run_stage

import simulacra
from simulacra.trained import TrainedGenerator, shipped

__all__ = ["draw", "measure"]

KNOWN, NBODY = "lognormal-fields", "nbody-density"
DATA: Final = Path(__file__).parents[2].parent / "shared" / "data" / "lensing" / "surface_density.h5"
BATCH, SECONDS = 64, 3.0


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything, each part once; N-body planes are left out where the file is absent.

    Raises
    ------
    NothingShippedError
        if the models are not shipped.
    """
    if missing := {KNOWN, NBODY} - set(shipped()):
        raise NothingShippedError(f"the models {', '.join(sorted(missing))} are not shipped")
    known, nbody = simulacra.load(KNOWN), simulacra.load(NBODY)
    assert isinstance(known, TrainedGenerator)
    assert isinstance(nbody, TrainedGenerator)
    gaussian = run_stage(folder, "fields-gaussian", known_fields.gaussian, scale)
    lognormal = run_stage(
        folder, f"fields-lognormal-{known.weights_sha256[:8]}", lambda *_: known_fields.lognormal(known, scale)
    )
    found: dict[str, Any] = {"gaussian": gaussian, "lognormal": lognormal}
    of_gaussian = simulacra.load(folder / "gaussian-run")
    assert isinstance(of_gaussian, TrainedGenerator)
    rows = [
        _row(
            "gaussian-fields", gaussian["training"], _known(gaussian), microseconds(of_gaussian, BATCH, scale * SECONDS)
        )
    ]
    rows += [_row(known, _known(lognormal), scale)]
    if DATA.is_file():
        found["nbody"] = run_stage(
            folder, f"fields-nbody-{nbody.weights_sha256[:8]}", lambda *_: nbody_fields.measure(nbody, DATA, scale)
        )
        rows += [
            _row(
                NBODY,
                nbody.metadata["training"],
                _of_planes(found["nbody"]),
                microseconds(nbody, BATCH, scale * SECONDS),
            )
        ]
    else:
        print(f"there are no N-body planes in {DATA}: they are left out")
    return found | {"rows": [row.as_record() for row in rows]}


def _row(model: TrainedGenerator, judged: tuple[Judged, ...], scale: float) -> Row:
    training, time = model.metadata["training"], microseconds(model, BATCH, scale * SECONDS)
    minutes = training["seconds"] / 60
    return Row(
        model.kind,
        model.name,
        int(training["events"]),
        minutes,
        judged,
        *time,
        weights_sha256=model.weights_sha256,
    )


def _known(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    judged = [
        Judged("log-likelihood a pixel minus the exact one [1e-3]", *_thousandths(found["difference"]), 0.0, 0.0, n),
        Judged(
            "absolute difference of log-likelihoods a pixel [1e-3]",
            *_thousandths(found["absolute"]), 0.0, 0.0, n, "at most 1",
        ),
    ]  # fmt: skip
    for k, name in enumerate(known_fields.PARAMETERS):
        ratio, error = ratio_of_variances(found["fits"], "flow", k)
        judged.append(Judged(f"variance of {name} over the exact fit's", ratio, error, 1.0, 0.0, n, "at most 1.02"))
        both = (coverage(found["fits"][which], k) for which in ("flow", "exact"))
        judged.append(Judged(f"coverage of {name} [%]", *next(both), *next(both), n, "68"))
        if "power spectrum" in found["fits"]:
            ratio, error = ratio_of_variances(found["fits"], "power spectrum", k)
            judged.append(Judged(f"the same of the power spectrum, {name}", ratio, error, 1.0, 0.0, n))
    return tuple(judged)


def _thousandths(pair: list[float]) -> tuple[float, float]:
    return 1e3 * pair[0], 1e3 * pair[1]


def ratio_of_variances(fits: dict[str, Any], which: str, k: int) -> tuple[float, float]:
    """Return the variance of fits of one kind over that of the exact ones, and its bootstrap error."""
    one, exact = (np.array(fits[name]["off"])[:, k] for name in (which, "exact"))
    rng = np.random.default_rng(1)
    rows = rng.integers(len(one), size=(500, len(one)))
    ratios = np.mean(one[rows] ** 2, axis=1) / np.mean(exact[rows] ** 2, axis=1)
    return float(np.mean(one**2) / np.mean(exact**2)), float(ratios.std())


def coverage(fits: dict[str, Any], k: int) -> tuple[float, float]:
    """Return how often an interval of one standard deviation holds the truth [%], and its error."""
    inside = np.abs(np.array(fits["off"])[:, k]) < np.array(fits["errors"])[:, k]
    share = inside.mean()
    return 100 * float(share), 100 * float(np.sqrt(share * (1 - share) / len(inside)))


def judged_statistics(found: dict[str, Any]) -> list[Judged]:
    """Return the distances of the statistics of N-body patches, and that of their pixels."""
    n = int(found["n"])
    judged = [Judged(f"{name} [%]", *one["model"], *one["truth"], n) for name, one in found["statistics"].items()]
    return [*judged, Judged("W1 of pixels [σ]", *found["pixels"]["model"], *found["pixels"]["truth"], n)]


def _of_planes(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    judged = judged_statistics(found)
    density = found["likelihoods"]
    judged += [
        Judged(f"log-likelihood a pixel, beside that of the {name}", *density["equivariant flow"], *density[name], n)
        for name in ("Gaussian", "convolutional flow")
    ]
    for kind, area in found["anomalies"]["equivariant flow"].items():
        other = found["anomalies"]["Gaussian"][kind]
        judged.append(Judged(f"AUC, {kind}, beside the Gaussian's", *area, *other, n))
    return tuple(judged)
