"""The tables of each page, written between their two marks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.documents import (
    calochallenge,
    campaigns,
    dust,
    fields,
    jet_images,
    jets,
    judges,
    model_cards,
    parton_shower,
    pile_up,
    qcd_templates,
    reweighting,
    scale,
    service,
    shipped,
    showers,
    speed,
    stability,
    stellar_streams,
    systems,
    variable_stars,
)
from benchmarks.showers.tables import page_of

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = "benchmarks/results"
Tables = Mapping[str, Callable[[dict[str, Any]], str]]

#: the tables of each page; each is written from the results of all benchmarks by name
PAGES: Final[Mapping[str, Tables]] = {
    "README.md": {"shipped": shipped.shipped},
    "docs/systems.md": {"systems": systems.systems},
    "docs/showers.md": {
        "front": lambda found: page_of(found["showers"]),
        "any direction": lambda found: page_of(found["showers-any-direction"]),
    },
    "docs/calochallenge.md": {"electrons": calochallenge.judged},
    "docs/calogan.md": {"judged": showers.judged, "widths": showers.widths},
    "docs/stability.md": {"start": stability.start},
    "docs/speed.md": {"timing": speed.timing, "inference": speed.inference},
    "docs/service.md": {"latency of the service": service.latency, "most of the service": service.most},
    "docs/campaigns.md": {"overhead": campaigns.overhead},
    "docs/out_of_core.md": {"sizes": scale.sizes, "campaign": scale.campaign},
    "docs/stellar_streams.md": {
        "gd1": stellar_streams.gd1,
        "alarms": stellar_streams.alarms,
        "planted": stellar_streams.planted,
    },
    "docs/fields.md": {
        "known": fields.known,
        "multiscale": fields.multiscale,
        "masks": fields.masks,
        "annealing": fields.annealing,
        "planes": fields.planes,
        "densities": fields.densities,
        "parts": fields.parts,
    },
    "docs/dust.md": {"dust samples": dust.samples, "dust leak": dust.leak, "dust maps": dust.maps},
    "docs/jet_images.md": {"judged images": jet_images.judged, "times of images": jet_images.times},
    "docs/jets.md": {"clouds": jets.clouds, "times of clouds": jets.times, "tagger": jets.tagger},
    "docs/parton_shower.md": {"showers": parton_shower.judged},
    "docs/pile_up.md": {
        "events of pile-up": pile_up.events,
        "jets under pile-up": pile_up.jets,
        "libraries": pile_up.libraries,
        "cost": pile_up.cost,
    },
    "docs/qcd_templates.md": {
        "closure": qcd_templates.closure,
        "sizes": qcd_templates.sizes,
        "beyond": qcd_templates.beyond,
    },
    "docs/variable_stars.md": {
        "stars": variable_stars.judged,
        "recurrent": variable_stars.recurrent,
        "codes": variable_stars.codes,
        "periods": variable_stars.bins,
        "interpolation": variable_stars.interpolation,
    },
    "docs/judges.md": {
        "planted failures": judges.failures,
        "ranking": judges.ranking,
        "false alarms": judges.false_alarms,
        "closed forms": judges.closed_forms,
        "time": judges.times,
    },
    "docs/reweighting.md": {
        "closures": reweighting.closures,
        "exact weights": reweighting.exact,
        "fits": reweighting.fits,
        "default fits": reweighting.default_fits,
        "default fits behind the detector": reweighting.detector_fits,
        "calibrated fit": reweighting.calibrated_fit,
        "fields and series": reweighting.arrays_closing,
        "fits of the memory": reweighting.arrays_continuous,
    },
}


class DocumentError(ValueError):
    """A page lacks the marks of a table, or has too many."""


def results(root: Path = ROOT) -> dict[str, Any]:
    """Return the results of each benchmark, by its name."""
    folder = root / RESULTS
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def filled(text: str, tables: Mapping[str, str], page: str) -> str:
    """Return a page's text with each table between its marks.

    Raises
    ------
    DocumentError
        if the marks of a table are not there exactly once, or there are marks of an unknown table.
    """
    marked = re.findall(r"<!-- table: (.+?) -->", text)
    if sorted(marked) != sorted(tables):
        raise DocumentError(f"{page} has marks of the tables {sorted(marked)}, and {sorted(tables)} are written")
    for name, table in tables.items():
        between = re.compile(
            rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table: {re.escape(name)} -->)", re.DOTALL
        )
        inner = f"\n{table.strip()}\n\n"
        text, count = between.subn(lambda match, inner=inner: f"{match[1]}{inner}{match[2]}", text)
        if count != 1:
            raise DocumentError(f"{page}: the table {name} has no end mark, or several")
    return text


def written(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """Return each page's present and expected text, and those of the judged numbers beside the shipped models."""
    found = results(root)
    pages = {}
    for page, tables in PAGES.items():
        text = (root / page).read_text(encoding="utf-8")
        pages[page] = text, filled(text, {name: write(found) for name, write in tables.items()}, page)
    for file, wanted in model_cards.files(found).items():
        path = root / file
        pages[file] = path.read_text(encoding="utf-8") if path.exists() else "", wanted
    return pages
