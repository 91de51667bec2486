"""The style of figures: colours, fonts and sizes, and marks that several figures share."""

from __future__ import annotations

import base64
import gc
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
TRUTH: Final = "#4d4d4d"
GENERATED: Final = "#d55e00"
SERIES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
GRID: Final = "#e3e6ea"
DIAGONAL: Final = "#8a94a0"
INK: Final = "#1d2530"
STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": "#8a94a0",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#5b6570",
    "ytick.color": "#5b6570",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.hashsalt": "simulacra",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
MARGINS: Final = {"left": 0.16, "right": 0.985, "bottom": 0.125, "top": 0.92, "hspace": 0.09}


@contextmanager
def new_figure(width: float, height: float, *, fitted: bool = True) -> Iterator[Figure]:
    """Give a figure of this size [inch] in the report's style, without touching pyplot's state.

    Fitting the margins to the labels takes longer than drawing; a figure with known labels does not need it.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A figure is some ten thousand objects that live until it is written: to look for garbage among them and all that
    # torch and others have loaded takes a fifth of the time of a page.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with rc_context(STYLE):
            yield Figure(figsize=(width, height), layout="constrained" if fitted else None)
    finally:
        if collecting:
            gc.enable()


def svg_of(figure: Figure) -> bytes:
    """Return a figure as an SVG file."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    _fit(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _compact(buffer.getvalue().decode("utf-8")).encode("utf-8")


def _fit(figure: Figure) -> None:
    """Fit the margins once and remove the layout engine, for which matplotlib would draw the whole figure again."""
    engine = figure.get_layout_engine()
    if engine is not None:
        # What an SVG is drawn with: labels have other widths at other resolutions.
        figure.dpi = 72
        engine.execute(figure)
        figure.set_layout_engine(None)


def _compact(svg: str) -> str:
    """Return an SVG without invisible parts: a third decimal of a position, comments, blanks between the tags."""
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<= )(d|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m.group(0)).replace("\n", " "), svg)
    return re.sub(r">\s+<", "><", svg)


def image_uri(data: bytes, kind: str = "svg+xml") -> str:
    """Return an image as a data URI for a page; ``kind`` is "svg+xml" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def axis_label(name: str, units: str) -> str:
    """Return "Energy in section 0 [MeV]"."""
    return name if units == "1" else f"{name} [{units}]"


def points(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    error: np.ndarray,
    colour: str,
    *,
    marker: str = "o",
    size: float = 4.0,
    line: str = "none",
    label: str | None = None,
    face: str | None = None,
) -> None:
    """Draw points with error bars, all bars as one path: a tenth of the size of matplotlib's own in an SVG."""
    bars = np.stack([y - error, y + error, np.full_like(y, np.nan)], axis=1).ravel()
    axes.plot(np.repeat(x, 3), bars, color=colour, linewidth=0.9, zorder=2)
    style: dict[str, Any] = {"color": colour, "markersize": size, "linewidth": 1.0, "zorder": 3}
    axes.plot(x, y, marker=marker, linestyle=line, label=label, markerfacecolor=face or colour, **style)


def band(axes: Axes, edges: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Shade the area between two values in each bin."""
    axes.fill_between(
        edges, np.append(low, low[-1]), np.append(high, high[-1]), step="post", color=TRUTH, alpha=0.35, linewidth=0
    )


def labelled(axes: Axes, x: str, y: str) -> None:
    """Name the axes and draw the grid."""
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color=GRID, linewidth=0.7)


def title(axes: Axes, text: str) -> None:
    """Write a title above the left end of the axes."""
    axes.set_title(text, loc="left", fontsize=9, color=INK)


def plain_numbers(axis: Axis, ratio: float) -> None:
    """Label a logarithmic axis with plain numbers; ``ratio`` is its upper end over its lower one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    marks = [1.0, 2.0, 5.0] if ratio < 1000 else [1.0]
    if ratio < 5:
        marks = [float(number) for number in range(1, 10)]
    axis.set_major_locator(LogLocator(subs=marks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
