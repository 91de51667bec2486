"""Patches of dust on regions of the sky that no training saw: samples, what a leaking split claims, hidden pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from benchmarks.rows import Judged, LeftOutError, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky import dust_leak, dust_maps, dust_samples
from benchmarks.sky.dust_figure import draw
from benchmarks.stages import run_stage

import simulacra
from simulacra.trained import TrainedGenerator, shipped

__all__ = ["draw", "measure"]

MODELS: Final = ("dust-vae", "dust-flow")
DATA: Final = Path(__file__).parents[2].parent / "shared" / "data" / "dust" / "planck_ebv_nside256_ring.fits.gz"
BATCH, SECONDS = 64, 3.0


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything, each part once.

    Raises
    ------
    NothingShippedError
        if the models are not shipped.
    LeftOutError
        if there is no map.
    """
    if missing := set(MODELS) - set(shipped()):
        raise NothingShippedError(f"the models {', '.join(sorted(missing))} are not shipped")
    if not DATA.is_file():
        raise LeftOutError(f"there is no map of the dust in {DATA}")
    models = {}
    for name in MODELS:
        model = simulacra.load(name)
        assert isinstance(model, TrainedGenerator)
        models[name] = model
    patches = simulacra.sky_patches(DATA)
    found: dict[str, Any] = {}
    for name, model in models.items():
        found[name] = run_stage(
            folder,
            f"{name}-{model.weights_sha256[:8]}",
            lambda *_, model=model: dust_samples.measure(model, patches, scale),
        )
    coder = models["dust-vae"]
    found["maps"] = run_stage(
        folder, f"dust-maps-{coder.weights_sha256[:8]}", lambda *_: dust_maps.measure(coder, patches, scale)
    )
    found["leak"] = run_stage(folder, "dust-leak", dust_leak.measure, patches, scale)
    rows = [_row(models[name], _of_samples(found[name]), scale) for name in MODELS]
    rows[0] = _row(coder, (*_of_samples(found["dust-vae"]), *_of_maps(found["maps"])), scale)
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


def _of_samples(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    judged = [Judged(name, *one["model"], *one["truth"], n) for name, one in found["statistics"].items()]
    judged.append(Judged("AUC, standardised patches", *found["auc"]["model"], *found["auc"]["truth"], n))
    return tuple(judged)


def _of_maps(found: dict[str, Any]) -> tuple[Judged, ...]:
    n, judged = int(found["n"]), []
    for where in ("hidden", "seen"):
        for level in ("68", "95"):
            both = (found[which][where][f"coverage {level}"] for which in ("dust-vae", "Wiener filter"))
            judged.append(
                Judged(f"coverage of {where} pixels [%], beside the Wiener filter", *next(both), *next(both), n, level)
            )
        both = (found[which][where]["rms"] for which in ("dust-vae", "Wiener filter"))
        judged.append(Judged(f"rms of {where} pixels, beside the Wiener filter", *next(both), *next(both), n))
    return tuple(judged)
