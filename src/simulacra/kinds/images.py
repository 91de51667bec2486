"""The common part of systems of images of jets and muons: conditions, tensors, checks, validation by their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import SOURCE, EventsError, refuse_other_choices, validate
from simulacra.kinds.description import columns_of, describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation
from simulacra.observables.jet_images import IMAGE, IMAGE_OF, MUONS, PIXEL_SIZE, SIGNAL, image_variables, shapes_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

CONDITIONS: Final[Mapping[str, Condition]] = {"signal": SIGNAL}
#: attributes of the training sample that generated images also have
CARRIES: Final = (IMAGE_OF, PIXEL_SIZE)
#: number of images of the validation part that are judged
MOST_VALIDATED: Final = 10_000


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
    """Return the event variables of a module's output, images (N, n, n) [GeV]."""
    return image_variables(output, float(description[PIXEL_SIZE]))


def size_of(description: Mapping[str, Any]) -> int:
    """Return the number of pixels along an axis of the training images."""
    return int(description["image_size"])


class Images:
    """The training images of a system.

    Parameters
    ----------
    events:
        the training part.

    Attributes
    ----------
    size:
        number of pixels along an axis.
    description:
        of the training sample, with ``image_size``.

    Raises
    ------
    simulacra.events.EventsError
        if the events lack images, ``signal`` or the size of a pixel; images are not square; a pixel is negative or not
        finite; an image is empty; or ``signal`` is neither 0 nor 1.
    """

    def __init__(self, events: xr.Dataset) -> None:
        check(events)
        self.size = int(events[IMAGE].shape[1])
        self.pixel_size = float(events.attrs[PIXEL_SIZE])
        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES) | {"image_size": self.size}
        self.validation = EventValidation(tuple(CONDITIONS), self._observed, weighted=False)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``image`` (N, n, n) [GeV] and ``conditions`` (N, 1), 1 for the signal."""
        import torch

        return {
            "image": torch.as_tensor(events[IMAGE].values.astype(np.float32)),
            "conditions": columns_of(events, tuple(CONDITIONS)),
        }

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, each image replaced by one of those that are as likely (:meth:`alike`)."""
        import torch

        alike = self.alike(batch["image"])
        if len(alike) == 1:
            return dict(batch)
        event = torch.arange(alike.shape[1])
        return {**batch, "image": alike[torch.randint(len(alike), event.shape, generator=rng), event]}

    def alike(self, image: Tensor) -> Tensor:
        """Return images (N, n, n) and those that are as likely, (R, N, n, n).

        Around muons these are the reflections in azimuth and pseudorapidity, since the beams are equal: R = 4. Images
        of jets were turned and mirrored to one orientation: R = 1.
        """
        if self.description.get(IMAGE_OF) != MUONS:
            return image[None]
        import torch

        return torch.stack([image, image.flip(1), image.flip(2), image.flip(1, 2)])

    def validate(self, model: nn.Module, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge a model by the shapes of its images: not by mass, transverse momentum, tau21 or numbers of pixels."""
        some = events[[IMAGE, *CONDITIONS]].isel(event=slice(MOST_VALIDATED))
        made = to_variables(sampled(model, columns_of(some, tuple(CONDITIONS)), rng), self.description)
        return self.validation.check(some, some[list(CONDITIONS)].assign({IMAGE: made[IMAGE]}))

    def _observed(self, events: xr.Dataset) -> dict[str, np.ndarray]:
        return shapes_of(events[IMAGE].values, self.pixel_size)


def check(events: xr.Dataset) -> None:
    """Raise :class:`~simulacra.events.EventsError` unless these are images to train on; see :class:`Images`."""
    validate(events, conditions=tuple(CONDITIONS), features=(IMAGE,))
    where = f"'{events.encoding[SOURCE]}': " if SOURCE in events.encoding else ""
    index, image = events["event"].values, events[IMAGE]
    if image.dims != ("event", "row", "column") or image.shape[1] != image.shape[2]:
        raise EventsError(f"{where}images are square, (event, row, column); '{IMAGE}' is {dict(image.sizes)}")
    if PIXEL_SIZE not in events.attrs:
        raise EventsError(
            f"{where}the events have no attribute '{PIXEL_SIZE}', the distance between the centres of two pixels: set "
            f"events.attrs['{PIXEL_SIZE}'], such as 0.1"
        )
    if not events.attrs[PIXEL_SIZE] > 0:
        raise EventsError(f"{where}the attribute '{PIXEL_SIZE}' must be above 0, not {events.attrs[PIXEL_SIZE]}")
    values = image.values
    if image.attrs["units"] != "GeV":
        raise EventsError(f"{where}'{IMAGE}' is in '{image.attrs['units']}': give transverse momenta in GeV")
    if (negative := values < 0).any():
        event, row, column = np.argwhere(negative)[0]
        raise EventsError(
            f"{where}'{IMAGE}' is {values[event, row, column]} GeV in event {index[event]} at row {row}, column "
            f"{column}: a pixel cannot be negative; set such pixels to 0"
        )
    if (empty := ~values.any(axis=(1, 2))).any():
        raise EventsError(
            f"{where}{np.count_nonzero(empty)} images without any energy, such as event "
            f"{index[np.flatnonzero(empty)[0]]}: remove them"
        )
    refuse_other_choices("signal", events["signal"].values, np.arange(len(SIGNAL.choices)), SIGNAL.choices, index)


def example(folder: Path, **system: Any) -> dict[str, Any]:
    """Return an experiment on a few coarse images of jets that are simulated into the folder, in seconds."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings

    path = folder / "jet-images.zarr"
    # Nearly every collision gives an image, and without further interactions it is simulated in a third of the time.
    wide = {"min_pt": 100, "max_pt": 1000, "max_abs_eta": 4, "pixels": 11, "pixel_size": 0.2}
    settings = PythiaSettings.model_validate(
        {"process": "jet-images", "jet_image": wide, "values": {"PartonLevel:MPI": "off"}}
    )
    write_collisions(path, settings, seed=1, n_events=600, progress=False)
    return {
        "name": f"example-{system['kind']}",
        "data": {"path": str(path)},
        "system": system,
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
