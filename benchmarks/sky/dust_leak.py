"""What a random split of overlapping patches claims of an autoencoder, beside one that never saw their region.

Two autoencoders learn from the patches of the training regions of the sky alone. One has the random split that is usual
for images: most of its test patches overlap with training patches. The other has the split by regions. Both are asked
for the same patches: those of the random split's test part that lie in regions that the other did not see, and those of
regions that neither saw, where the difference should be 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.sky.dust_regions import FIELD, directions, with_error

import simulacra
from simulacra.events import GROUP, take_part
from simulacra.systems.field_vae import bound
from simulacra.trained import TrainedGenerator

STEPS: Final = 600
#: added to the label of a region, so that the regions of the training part are divided once more
AGAIN: Final = 1_000


def measure(folder: Path, patches: xr.Dataset, scale: float) -> dict[str, Any]:
    """Return for both splits and either set of patches the bound on log p [nat per pixel] and the nearest patch [deg].

    The difference is that of the two bounds of each patch.
    """
    pool, unseen = take_part(patches, "train"), take_part(patches, "test")
    region = pool[GROUP]
    samples = {
        "random": pool.drop_vars(GROUP),
        "regions": pool.assign({GROUP: (region.dims, region.values + AGAIN, region.attrs)}),
    }
    models, parts = {}, {}
    for name, sample in samples.items():
        models[name] = _trained(folder, name, sample, scale)
        parts[name] = {part: take_part(sample, part) for part in ("train", "test")}  # type: ignore[arg-type]
    both = np.isin(pool["event"].values, parts["random"]["test"]["event"].values)
    both &= np.isin(pool["event"].values, parts["regions"]["test"]["event"].values)
    found: dict[str, Any] = {}
    for where, events in (("claimed", pool.isel(event=both)), ("unseen", unseen)):
        regions = events[GROUP].values
        bounds = {name: _bounds(model, events) for name, model in models.items()}
        means = {name: with_error(lambda r, v=values: float(v[r].mean()), regions) for name, values in bounds.items()}
        found[where] = {
            "bound": means,
            "difference": with_error(lambda r, v=bounds["random"] - bounds["regions"]: float(v[r].mean()), regions),
            "nearest": {name: float(np.median(_nearest(events, part["train"]))) for name, part in parts.items()},
            "n": int(events.sizes["event"]),
            "regions": len(np.unique(regions)),
        }
    return found | {"trained": {name: int(part["train"].sizes["event"]) for name, part in parts.items()}}


def _trained(folder: Path, name: str, sample: xr.Dataset, scale: float) -> TrainedGenerator:
    """Return an autoencoder of a split."""
    path = folder / f"dust-{name}.zarr"
    if not path.exists():
        simulacra.write_events(sample, path)
    experiment = {
        "name": f"dust-{name}",
        "data": {"path": str(path)},
        "system": {"kind": "field_vae", "code": 48, "width": 24, "levels": 3, "average_decay": 0.99},
        "training": {
            "steps": max(20, round(STEPS * scale)), "batch_size": 64, "learning_rate": 1e-3, "validate_every": 250,
            "checkpoint_every": 250, "final_learning_rate": 0.02, "betas": (0.9, 0.99), "gradient_clipping": 5.0,
            "threads": 1, "accelerator": "cpu",
        },
    }  # fmt: skip
    simulacra.train(experiment, folder / f"dust-{name}-run", progress=False)
    model = simulacra.load(folder / f"dust-{name}-run")
    assert isinstance(model, TrainedGenerator)
    return model


def _bounds(model: TrainedGenerator, events: xr.Dataset) -> np.ndarray:
    """Return the bound on log p of each field and its levels [nat per pixel], (N,)."""
    rng = torch.Generator().manual_seed(5)
    fields = torch.as_tensor(events[FIELD].values).split(1)
    none = torch.zeros(1, 0)
    return np.array([-bound(model.module, {"field": one, "conditions": none}, rng)["score"] for one in fields])


def _nearest(events: xr.Dataset, training: xr.Dataset) -> np.ndarray:
    """Return how far the centre of the nearest training patch is from that of each patch [deg], (N,)."""
    cosine = (directions(events) @ directions(training).T).max(axis=1)
    return np.asarray(np.degrees(np.arccos(cosine.clip(-1, 1))))
