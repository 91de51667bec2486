"""What a sparse autoregressive model costs: its draws beside a sampler that evaluates the network for each pixel.

Both make the same images from the same noise, on one thread. Run: ``python -m benchmarks.jets.naive_images MODEL``.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401  # isort: skip - before numpy and torch

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from simulacra.models.sparse_images import SparseImages
from simulacra.networks.logistic_mixture import draw
from simulacra.networks.sparse_autoregression import DIRECT, FEATURES

#: number of images at a time, and of repetitions
IMAGES: Final = 64
REPEATS: Final = 5


@torch.no_grad()
def naive_images(model: SparseImages, noise: Tensor, conditions: Tensor) -> Tensor:
    """Return the images of :class:`SparseImages`, with one evaluation of the network for each pixel."""
    kind = conditions[:, 0].to(torch.int64)
    uniform = torch.special.ndtr(noise.unflatten(1, (3, -1)))
    pixels = noise.new_zeros(noise.shape[0], model.size * model.size)
    scales: Any = model.scales
    for scale in scales:
        earlier, own = scale.direct()
        direct = torch.cat([earlier, own.reshape(-1, scale.later)])
        embedding = scale.embedding.unflatten(1, (FEATURES, -1)).flatten(0, 1)
        if scale.start:
            embedding = torch.cat([scale.earlier, embedding])
        for i in range(int(scale.later)):
            features = model.features_of(pixels)[:, : int(scale.entries)]
            state = scale.initial[kind] + features.flatten(1) @ embedding
            read = scale.read(state)
            logits = read[:, : scale.later] + features[..., :DIRECT].flatten(1) @ direct
            padded = torch.nn.functional.pad(features[..., :DIRECT], (0, 0, 0, 1))
            there = padded[:, scale.near[i]].transpose(1, 2).flatten(1)
            given = read[:, scale.later :] + scale.position[i] + scale.neighbourhood(there)
            place = int(scale.start) + i
            score = draw(uniform[:, 1, place], uniform[:, 2, place], scale.values(given), model.low, model.high)
            hit = logits[:, i] > torch.logit(uniform[:, 0, place])
            pixels[:, place] = torch.where(hit, torch.exp(model.centre + model.spread * score), 0.0)
    return pixels[:, model.back].unflatten(1, (model.size, model.size))


def microseconds(draws: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Return the median time and its spread (half of the range) per image [us] of a call that makes ``IMAGES``."""
    draws()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        draws()
        times.append(1e6 * (time.process_time() - start) / IMAGES)
    return float(torch.tensor(times).median()), (max(times) - min(times)) / 2


def main() -> None:
    """Print the time of an image by both samplers, and by ONNX Runtime if the model has a graph."""
    import simulacra

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a name, run folder or file")
    trained = simulacra.load(parser.parse_args().model)
    module: SparseImages = trained.module
    noise = torch.randn(IMAGES, module.latent, generator=torch.Generator().manual_seed(1))
    conditions = (torch.arange(IMAGES) % 2).float()[:, None]
    with torch.inference_mode():
        fast = microseconds(lambda: module(noise, conditions))
    slow = microseconds(lambda: naive_images(module, noise, conditions), repeats=2)
    sampled = microseconds(lambda: trained.sample(IMAGES, seed=1, signal="background"))
    for name, (value, spread) in {"pixels above 0 only": fast, "each pixel": slow, "sample()": sampled}.items():
        print(f"{name:20} {value:10.0f} +- {spread:.0f} us an image, {IMAGES} at a time, one thread")


if __name__ == "__main__":
    main()
