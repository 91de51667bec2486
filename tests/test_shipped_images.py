"""The shipped generators of images: small, of both classes, possible images, graphs that do what modules do."""

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.observables.jet_images import IMAGE, IMAGE_OF, MUONS, SIGNAL
from simulacra.trained import TrainedGenerator, TrainedModel
from simulacra.trained.find import WEIGHTS

IMAGES = [name for name in simulacra.shipped() if list(simulacra.load(name).trained_range) == ["signal"]]
WITH_GRAPH = [name for name in IMAGES if graph_beside(WEIGHTS / f"{name}.safetensors").exists()]


def test_the_promised_generators_are_shipped() -> None:
    assert {f"{images}-images-{system}" for images in ("jet", "muon") for system in ("lagan", "sarm")} <= set(
        WITH_GRAPH
    )


@pytest.fixture(params=IMAGES)
def shipped(request: pytest.FixtureRequest) -> TrainedGenerator:
    return simulacra.load(request.param)


def test_it_is_small(shipped: TrainedGenerator) -> None:
    for path in (shipped.path, graph_beside(shipped.path)):
        assert not path.exists() or path.stat().st_size < 20_000_000


def test_it_makes_sparse_images_of_both_classes(shipped: TrainedGenerator) -> None:
    sums = []
    for name in SIGNAL.choices:
        made = shipped.sample(300, seed=3, signal=name)
        simulacra.validate(made, conditions=["signal"], features=[IMAGE])
        image = made[IMAGE].values
        assert (image >= 0).all()
        assert (image == 0).mean() > 0.7
        # The centre is where the energy is: the leading subjet, or what a b hadron left; not so around a prompt muon.
        middle = image.shape[1] // 2
        centre = image[:, middle - 4 : middle + 5, middle - 4 : middle + 5]
        if made.attrs[IMAGE_OF] != MUONS or name == "background":
            assert centre.sum() / image.sum() > 1.2 * 81 / image[0].size
        sums.append(image.mean(axis=0))
    assert np.abs(sums[0] - sums[1]).sum() > 0.05 * sums[0].sum()


@pytest.mark.parametrize("name", WITH_GRAPH)
def test_its_graph_makes_its_images(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = simulacra.load(name)
    exact = generator.sample(128, seed=5, exact=True)[IMAGE].values
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = generator.sample(128, seed=5)[IMAGE].values
    # A gate that is open or closed by the last bits changes the pixels after it.
    off = np.abs(quick - exact) > 1e-4 * exact.max(axis=(1, 2), keepdims=True)
    assert off.any(axis=(1, 2)).mean() < 0.05
