"""Images of jets are judged by their mass and subjettiness, without what only the simulation knows."""

import numpy as np

from simulacra.events import variable
from simulacra.judges.kinds.find import KINDS, kind_of
from simulacra.judges.unpacking import sample_of
from toy_images import toy_images


def test_images_are_of_their_own_kind() -> None:
    events = toy_images(20)
    assert kind_of(events) == "images"
    del events.attrs["pixel_size"]
    assert kind_of(events) == "arrays"


def test_what_generated_images_lack_is_left_out_with_a_warning() -> None:
    generated = toy_images(200, 2)
    mass = variable(np.ones(200), units="GeV", long_name="mass of the jet", role="feature")
    alike, warnings = KINDS["images"].made_alike([toy_images(200).assign(jet_mass=mass), generated])
    assert all("jet_mass" not in events for events in alike)
    assert "Judged without jet_mass" in warnings[0]
    assert KINDS["images"].made_alike([generated, generated])[1] == []
    sample = sample_of(alike[0], "truth", most_events=200, rng=np.random.default_rng(1))
    assert {"image_mass", "image_pt", "image_tau21"} <= set(sample.observables)
