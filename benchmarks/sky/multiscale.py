"""Flows of fields from coarse to fine: random fields whose likelihood is known, and N-body patches never trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky import known_fields, nbody_fields
from benchmarks.sky.fields import DATA, judged_statistics
from benchmarks.stages import run_stage

import simulacra
from simulacra.events import take_part
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
from simulacra.trained import TrainedGenerator, shipped

NBODY = "nbody-density-multiscale"
#: seeds of fields for training and for the comparison
TRAINING_SEED, SEED = 6121, 6122
PIXELS, FIELDS = 32, 400
BATCH, SECONDS = 64, 3.0
FORMS: Final[tuple[Literal["gaussian", "lognormal"], ...]] = ("gaussian", "lognormal")


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything, each part once; N-body planes are left out where the file is absent.

    Raises
    ------
    NothingShippedError
        if the model is not shipped.
    """
    if NBODY not in shipped():
        raise NothingShippedError(f"the model {NBODY} is not shipped")
    found: dict[str, dict[str, Any]] = {}
    rows = []
    for form in FORMS:
        found[form] = run_stage(folder, f"multiscale-{form}", lambda *_, form=form: _known(folder, form, scale))
        model = simulacra.load(folder / f"multiscale-{form}-run")
        assert isinstance(model, TrainedGenerator)
        rows.append(_row(model, f"multiscale {form} fields", _judged(found[form]), scale))
    nbody = simulacra.load(NBODY)
    assert isinstance(nbody, TrainedGenerator)
    if DATA.is_file():
        found["nbody"] = run_stage(folder, f"multiscale-nbody-{nbody.weights_sha256[:8]}", lambda *_: _of_planes(nbody))
        rows.append(_row(nbody, NBODY, _judged_planes(found["nbody"]), scale))
    else:
        print(f"there are no N-body planes in {DATA}: they are left out")
    for form in FORMS:
        found[form] = {key: one for key, one in found[form].items() if key != "likelihoods"}
    if "nbody" in found:
        found["nbody"] = {key: one for key, one in found["nbody"].items() if key != "drawn"}
    return found | {"pixels": PIXELS, "rows": [row.as_record() for row in rows]}


def _row(model: TrainedGenerator, name: str, judged: tuple[Judged, ...], scale: float) -> Row:
    training, time = model.metadata["training"], microseconds(model, BATCH, scale * SECONDS)
    minutes = training["seconds"] / 60
    return Row(
        model.kind,
        name,
        int(training["events"]),
        minutes,
        judged,
        *time,
        weights_sha256=model.weights_sha256,
    )


def _known(folder: Path, form: Literal["gaussian", "lognormal"], scale: float) -> dict[str, Any]:
    """Train a flow on random fields of one form, and return its log-likelihood beside the exact one."""
    path = folder / f"multiscale-{form}.zarr"
    if not path.exists():
        settings = RandomFieldSettings(form=form, pixels=PIXELS, **known_fields.TRAINED)
        simulate_random_fields(settings, seed=TRAINING_SEED, n_events=max(300, round(8_000 * scale)), path=path)
    experiment = {
        "name": f"multiscale-{form}",
        "data": {"path": str(path)},
        "system": {"kind": "multiscale_field"},
        "training": {
            "steps": max(20, round(1_000 * scale)), "batch_size": 32, "learning_rate": 3e-3, "validate_every": 250,
            "checkpoint_every": 250, "final_learning_rate": 0.02, "gradient_clipping": 5.0, "betas": (0.9, 0.99),
            "threads": 1, "accelerator": "cpu",
        },
    }  # fmt: skip
    run = folder / f"multiscale-{form}-run"
    simulacra.train(experiment, run, progress=False)
    model = simulacra.load(run)
    assert isinstance(model, TrainedGenerator)
    settings = RandomFieldSettings(form=form, pixels=PIXELS, **known_fields.INSIDE)
    fields = simulate_random_fields(settings, seed=SEED, n_events=max(20, round(FIELDS * scale)))
    return known_fields.differences(model, fields, form)


def _judged(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    names = {
        "difference": "log-likelihood a pixel minus the exact one [1e-3]",
        "absolute": "absolute difference of log-likelihoods a pixel [1e-3]",
    }
    return tuple(
        Judged(name, 1e3 * found[key][0], 1e3 * found[key][1], 0.0, 0.0, n, "at most 1" if key == "absolute" else "")
        for key, name in names.items()
    )


def _of_planes(model: TrainedGenerator) -> dict[str, Any]:
    """Return statistics of samples, likelihoods and anomalies by scale, of patches that no training saw."""
    patches = nbody_fields.patches_of(DATA)
    training, validation, test = (take_part(patches, part) for part in ("train", "validation", "test"))  # type: ignore[arg-type]
    module: Any = model.module
    flows = {"multiscale flow": module.log_prob}
    odd = flows | {"all parts": module.log_prob_by_scale} | {name: _part(module, name) for name in module.parts}
    return {
        **nbody_fields.samples(model, training, test),
        "likelihoods": nbody_fields.likelihoods(flows, test),
        "parts": nbody_fields.likelihoods({name: _part(module, name) for name in module.parts}, test),
        "mirrored": _mirrored(module, test),
        "anomalies": nbody_fields.anomalies(odd, validation, test),
    }


def _part(module: Any, name: str) -> Any:
    place = module.parts.index(name)
    return lambda field, conditions: module.log_prob_by_scale(field, conditions)[:, place]


def _mirrored(module: Any, test: xr.Dataset) -> list[float]:
    """Return the mean absolute change of the log-likelihood a pixel of a patch that is mirrored, and its error."""
    field, conditions = nbody_fields.tensors(test)
    both = [nbody_fields.log_density(module.log_prob, one, conditions) for one in (field, field.flip(1))]
    change = np.abs(both[0] - both[1])
    return [float(change.mean()), float(change.std() / np.sqrt(len(change)))]


def _judged_planes(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    density = found["likelihoods"]["multiscale flow"]
    judged = [*judged_statistics(found), Judged("log-likelihood a pixel", *density, *density, n)]
    whole = found["anomalies"]["multiscale flow"]
    judged += [
        Judged(f"AUC of all parts, {kind}, beside the log-likelihood's", *area, *whole[kind], n)
        for kind, area in found["anomalies"]["all parts"].items()
    ]
    return tuple(judged)
