"""The common part of trainers of flows of fields: maximum likelihood, judged by the likelihood per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import xarray as xr

from simulacra.kinds.fields import Fields

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

#: number of fields whose likelihood is computed at once in validation
AT_A_TIME: Final = 64


class FieldTrainer:
    """A flow of fields in training: the family, its tensors, augmentation and validation.

    Parameters
    ----------
    fields:
        the training fields.
    events:
        the training part, to which the model's ``fit`` fits its first layer.
    model:
        with ``fit(field, conditions)`` and ``log_prob(field, conditions)``.
    average_decay:
        decay of the moving average of the weights.
    """

    def __init__(self, fields: Fields, events: xr.Dataset, model: Any, *, average_decay: float) -> None:
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.fields, self.description = fields, fields.description
        self.begin(model, self.tensors(events))
        self.family = MaximumLikelihood(model, self, average_decay=average_decay)

    def begin(self, model: Any, tensors: Mapping[str, Tensor]) -> None:
        """Fit what the model begins with to the training fields."""
        model.fit(tensors["field"], tensors["conditions"])

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``field`` (N, n1, ...), ``conditions`` (N, C) and, of masked fields, ``observed`` (N, n1, ...)."""
        return self.fields.tensors(events)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch as it is."""
        return dict(batch)

    def log_likelihood(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood per pixel of each field of a batch, (N,)."""
        found: Tensor = module.log_prob(batch["field"], batch["conditions"])  # type: ignore[operator]
        return found / batch["field"][0].numel()

    def validated(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood per pixel of each field of a batch of the validation part, (N,)."""
        return self.log_likelihood(module, batch)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by its negative log-likelihood per pixel: reports show other numbers.

        ``observables`` is the distance of the fields' observables, with its alarm.
        """
        import torch

        from simulacra.statistics.validation import Validation

        tensors, module = self.tensors(events), self.family.average
        device = next(module.parameters()).device
        with torch.no_grad():
            pieces = [
                self.validated(module, {name: one.to(device) for name, one in zip(tensors, some, strict=True)})
                for some in zip(*(one.split(AT_A_TIME) for one in tensors.values()), strict=True)
            ]
        score = -float(torch.cat(pieces).double().mean())
        seen = self.fields.validate(module, events, rng)
        return Validation({"score": score, "observables": seen.values["score"]}, alarm=seen.alarm)
