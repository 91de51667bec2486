"""The figures are SVG files that hold what they are given, and come out the same each time."""

from __future__ import annotations

import gc
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from simulacra.pages import figures, fit_figures, style
from simulacra.pages.figures import Binned
from simulacra.pages.fit_figures import Curve

EDGES = np.linspace(0.0, 1.0, 11)
POINTS = np.linspace(0.1, 0.9, 8)


def binned(label: str, step: bool = False) -> Binned:
    share = np.full(10, 0.1)
    return Binned(label, share, 0.01 * np.ones(10), step)


def histograms() -> bytes:
    others = [binned("before", step=True), binned("after")]
    return figures.histograms_figure(EDGES, binned("truth"), others, name="Thrust", units="1")


def histograms_with_zeros() -> bytes:
    empty = Binned("empty", np.zeros(10), np.zeros(10))
    edges = np.geomspace(1, 100, 11)
    return figures.histograms_figure(edges, empty, [binned("after")], name="Mass", units="GeV", logarithmic=True)


def calibration() -> bytes:
    return figures.calibration_figure(POINTS, POINTS * 1.01, 0.02 * POINTS, label="bins")


def linear_calibration() -> bytes:
    return figures.calibration_figure(POINTS - 0.5, POINTS - 0.5, 0.02 + 0 * POINTS, logarithmic=False)


def reliability() -> bytes:
    return figures.reliability_figure([("raw", POINTS, POINTS + 0.01, 0.01 + 0 * POINTS)])


def weights() -> bytes:
    return figures.weights_figure([("learned", np.geomspace(0.1, 10, 50)), ("all one", np.ones(50))])


def negative_weights() -> bytes:
    return figures.weights_figure([("signed", np.linspace(-1, 3, 50))])


def equal_weights() -> bytes:
    return figures.weights_figure([("prior", np.ones(50))])


def scan() -> bytes:
    curves = [Curve("before", 1 + 50 * (POINTS - 0.5) ** 2, 0.1 + 0 * POINTS), Curve("after", 1 + 0 * POINTS)]
    return fit_figures.scan_figure(POINTS, curves, name="alphaS", marked={"source": 0.5}, unseen=POINTS[2:4])


def pulls() -> bytes:
    return fit_figures.pull_figure(np.random.default_rng(1).normal(size=100), name="alphaS")


def intervals() -> bytes:
    return fit_figures.intervals_figure(POINTS, POINTS - 0.2, POINTS + 0.2, 0.5, name="aLund", units="GeV")


def ellipses() -> bytes:
    fits = [("fit", np.array([0.5, 0.6]), np.array([[0.01, 0.005], [0.005, 0.02]]))]
    return fit_figures.ellipses_figure(fits, names=("alphaS", "aLund"), truth=(0.5, 0.5))


ALL = [
    histograms,
    histograms_with_zeros,
    calibration,
    linear_calibration,
    reliability,
    weights,
    negative_weights,
    equal_weights,
    scan,
    pulls,
    intervals,
    ellipses,
]


@pytest.mark.parametrize("draw", ALL, ids=lambda draw: draw.__name__)
def test_figure_is_an_svg_without_nan_and_the_same_each_time(draw: Callable[[], bytes]) -> None:
    image = draw()
    assert ET.fromstring(image).tag.endswith("svg")
    assert not re.search(rb"\bnan\b", image, re.IGNORECASE)
    assert len(image) < 150_000
    assert draw() == image


def test_bins_that_hold_events_from_beyond_the_edges_are_hollow() -> None:
    def hollow(beyond: tuple[bool, bool]) -> int:
        after = Binned("after", np.full(10, 0.1), np.full(10, 0.01), beyond=beyond)
        return figures.histograms_figure(EDGES, binned("truth"), [after], name="x").count(b"fill: #ffffff")

    assert [hollow((False, False)), hollow((True, False)), hollow((True, True))] == [0, 1, 2]


def test_too_many_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 5 samples besides the truth, not 6"):
        figures.histograms_figure(EDGES, binned("truth"), [binned("x")] * 6, name="x")


@pytest.mark.parametrize("pulls", [np.array([1.0]), np.array([0.0, np.nan])])
def test_pulls_that_tell_nothing_are_refused(pulls: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two finite values"):
        fit_figures.pull_figure(pulls, name="alphaS")


def test_a_covariance_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the covariance of 'bad'.*not positive definite"):
        fit_figures.ellipses_figure([("bad", np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))], names=("a", "b"))


def test_ellipses_hold_their_share_of_a_gaussian() -> None:
    """False alarms: 1e-4 (4 standard deviations, binomial, two ellipses)."""
    from matplotlib.path import Path

    centre, covariance = np.array([1.0, -2.0]), np.array([[1.0, 0.8], [0.8, 2.0]])
    drawn = np.random.default_rng(3).multivariate_normal(centre, covariance, 20_000)
    for share in fit_figures.ELLIPSES:
        inside = Path(fit_figures.ellipse(centre, covariance, share).T).contains_points(drawn).mean()
        assert abs(inside - share) < 4 * np.sqrt(share * (1 - share) / len(drawn))


def test_fitted_margins_are_those_that_matplotlib_fits_itself() -> None:
    def drawn(write: Callable[[Figure], bytes]) -> bytes:
        with style.new_figure(4.6, 3.0) as figure:
            axes = figure.subplots(1, 2)
            axes[0].plot([0.0, 1.0], [0.0, 1234.5], label="a line")
            axes[0].set_ylabel("a label\nof two lines")
            axes[1].set_xscale("log")
            axes[0].legend()
            return write(figure)

    def slowly(figure: Figure) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return style._compact(buffer.getvalue().decode("utf-8")).encode("utf-8")

    assert drawn(style.svg_of) == drawn(slowly)


def draw_without_height() -> None:
    with style.new_figure(1, -1):
        pass


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_is_collected_again_behind_a_figure(collecting: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with style.new_figure(1, 1):
            assert not gc.isenabled()
        assert gc.isenabled() == collecting
        with pytest.raises(ValueError, match="positive"):
            draw_without_height()
        assert gc.isenabled() == collecting
    finally:
        (gc.enable if before else gc.disable)()
