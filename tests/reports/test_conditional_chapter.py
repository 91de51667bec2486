"""The chapter on conditions: what it shows, and of what."""

from __future__ import annotations

import base64
from xml.etree import ElementTree as ET

import numpy as np

from conditioned_samples import conditioned
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.reports.conditional_chapter import conditional_chapter, map_figure, worst_columns


def test_the_chapter_maps_the_bins_and_names_the_worst() -> None:
    truth = conditioned(1200, 1)
    generated = conditioned(1200, 2, wrong=lambda width, energy: np.where(energy > 70, width + 0.8, width))
    for sample in (truth, generated):
        sample.conditions.pop("impact_x")  # type: ignore[attr-defined]
    rng = np.random.default_rng(3)
    log_odds = rng.normal(0, 1, 1200), rng.normal(0.5, 1, 1200)
    _, evidence = judge_conditional(truth, generated, np.random.default_rng(1), log_odds, replicates=50)
    assert evidence is not None
    chapter = conditional_chapter(evidence, ("Geant4", "GAN"))
    assert "Geant4" in chapter.text[0]
    assert len(chapter.large_pictures) == 1
    assert len(chapter.pictures) == 3 + 1
    for picture in (*chapter.pictures, *chapter.large_pictures):
        ET.fromstring(base64.b64decode(picture.source.split(",", 1)[1]))
    assert len(chapter.rows) == 4
    assert all(len(row) == len(chapter.columns) for row in chapter.rows)
    first = chapter.rows[0]
    assert first[:3] == ("incident energy", "W₁ [σ]", "layer width")
    assert float(first[-1]) < 0.03
    energy = evidence.conditions[0]
    assert energy.observables[worst_columns(energy)[0]] == "width"
    # The frames of the map stand where the distance passes its limit; a perfect generator's map has none.
    frames = int((energy.wasserstein.excess > 1).sum())
    assert 1 <= frames <= 3
    _, fine = judge_conditional(truth, conditioned(1200, 4), np.random.default_rng(1), replicates=50)
    assert fine is not None
    long_names = dict(truth.long_names)
    drawn, none = (
        map_figure(one.conditions[0], long_names).count(b"stroke-linejoin: miter") for one in (evidence, fine)
    )
    assert drawn - none == frames - int((fine.conditions[0].wasserstein.excess > 1).sum())
