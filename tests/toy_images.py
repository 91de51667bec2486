"""Images of jets without a simulator: a core in the centre and one or two subjets, further away for the signal."""

import numpy as np
import xarray as xr

from simulacra.events import make_events
from simulacra.observables.jet_images import image_variables, positions, signal_variable


def toy_images(n: int, seed: int = 1, *, size: int = 25, pixel_size: float = 0.1, far: float = 0.6) -> xr.Dataset:
    """Return images of background and signal in turn, of 250 to 300 GeV, with one pixel in ten above 0.

    ``far`` is the distance of the signal's second subjet, below the centre; that of the background is exponential.
    """
    rng = np.random.default_rng(seed)
    signal = np.arange(n) % 2
    images = np.zeros((n, size, size), dtype=np.float32)
    particles = 40
    distance = np.where(signal == 1, far + 0.05 * rng.normal(size=n), rng.exponential(0.25, n))
    second = rng.random((n, particles)) < rng.uniform(0.2, 0.5, n)[:, None]
    width = np.where(rng.random((n, particles)) < 0.7, 0.05, 0.4)
    places = positions(size, pixel_size)
    edges = (places[:-1] + places[1:]) / 2
    row = width * rng.normal(size=(n, particles)) - second * distance[:, None]
    column = width * rng.normal(size=(n, particles))
    pt = rng.exponential(1.0, (n, particles)) ** 2 + 0.01
    pt *= rng.uniform(250, 300, (n, 1)) / pt.sum(axis=1, keepdims=True)
    event = np.broadcast_to(np.arange(n)[:, None], row.shape)
    np.add.at(images, (event, np.digitize(row, edges), np.digitize(column, edges)), pt)
    return make_events(
        image_variables(images, pixel_size) | {"signal": signal_variable(signal)},
        simulator="toy",
        simulator_version="1",
        seed=seed,
        settings={},
        seconds_per_event=0.01,
        image_of="jets",
        pixel_size=pixel_size,
    )
