"""Sparse images pixel by pixel, with exact likelihoods (SARM): arXiv:2009.14017.

From the paper: the pixels in a spiral from the centre, a window in the centre first and the others given it, and for
each pixel a gate (0 or not) times a mixture of logistic distributions. Different here, with the reasons in
``docs/jet_images.md``: the network is evaluated once for each pixel above 0 and not once for each pixel, the mixture is
one of logarithms, one model has both classes, and the first pixel is drawn like the others, not copied from data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.kinds import images
from simulacra.kinds.images import CARRIES, CONDITIONS, Images, size_of, to_variables
from simulacra.observables.jet_images import SIGNAL
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: number of images whose likelihood is computed at once in validation
AT_A_TIME: Final = 256
#: number of images of the validation part whose shapes are compared
COMPARED: Final = 2_000


class Settings(CheckedSettings):
    """Settings of a sparse autoregressive model.

    ``windows`` are the numbers of pixels along an axis of the windows in the centre, odd and rising; none for a single
    scale. ``reach`` and ``value_reach`` are the largest distances of pixels that act directly on a gate and on a value
    (:mod:`~simulacra.networks.sparse_autoregression`).
    """

    kind: Literal["sarm"] = "sarm"
    windows: tuple[Annotated[int, Field(ge=1, le=999)], ...] = (11,)
    width: Annotated[int, Field(ge=1, le=4096)] = 128
    depth: Annotated[int, Field(ge=0, le=16)] = 1
    reach: Annotated[int, Field(ge=1, le=999)] = 6
    value_reach: Annotated[int, Field(ge=1, le=99)] = 3
    value_width: Annotated[int, Field(ge=1, le=1024)] = 64
    components: Annotated[int, Field(ge=1, le=64)] = 5
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """A sparse autoregressive model in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks, and fit the range of pixels to ``events``, the training part."""
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.images = Images(events)
        self.description = self.images.description
        model: Any = build(settings, self.description)
        model.fit(self.images.alike(self.images.tensors(events)["image"]).flatten(0, 1))
        self.family = MaximumLikelihood(model, self, average_decay=settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``image`` (N, n, n) [GeV] and ``conditions`` (N, 1), 1 for the signal."""
        return self.images.tensors(events)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, with images around muons reflected at random."""
        return self.images.augment(batch, rng)

    def log_likelihood(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of each image of a batch, (N,)."""
        found: Tensor = module.log_prob(batch["image"], batch["conditions"])  # type: ignore[operator]
        return found

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by its negative log-likelihood per image: reports show other numbers.

        Images with a pixel outside the model's range are not in the mean; ``outside`` is their share. ``shapes`` is the
        distance of some images' shapes, with its alarm.
        """
        import torch

        from simulacra.statistics.validation import Validation

        tensors, module = self.tensors(events), self.family.average
        device = next(module.parameters()).device
        columns = (tensors[name].split(AT_A_TIME) for name in ("image", "conditions"))
        with torch.inference_mode():
            pieces = [
                self.log_likelihood(module, {"image": image.to(device), "conditions": kind.to(device)})
                for image, kind in zip(*columns, strict=True)
            ]
        each = torch.cat(pieces).cpu().double().numpy()
        inside = np.isfinite(each)
        shapes = self.images.validate(module, events.isel(event=slice(COMPARED)), rng)
        values = {"score": -float(each[inside].mean()), "outside": float(1 - inside.mean())}
        return Validation(values | {"shapes": shapes.values["score"]}, alarm=shapes.alarm)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions) -> images [GeV]."""
    from simulacra.models.sparse_images import SparseImages

    return SparseImages(
        size_of(description),
        settings.windows,
        len(SIGNAL.choices),
        width=settings.width,
        depth=settings.depth,
        reach=settings.reach,
        value_reach=settings.value_reach,
        value_width=settings.value_width,
        components=settings.components,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, with its weights by distance computed once."""
    import copy

    from simulacra.models.sparse_images import with_fixed_weights

    return with_fixed_weights(copy.deepcopy(module))  # type: ignore[arg-type]


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on images of jets that are simulated into the folder."""
    return images.example(folder, kind="sarm", windows=[], width=16, depth=0, value_width=8, components=2)
