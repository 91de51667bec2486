"""A page of every part, as files and in a browser."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from simulacra.pages import Card, Chapter, Page, html_of, picture, write_page
from simulacra.pages.figures import weights_figure
from simulacra.pages.plain import plain


def example() -> Page:
    weights = np.exp(np.random.default_rng(1).normal(size=500))
    shown = picture(weights_figure([("learned", weights)]), "Distribution of the weights", "500 weights")
    return Page(
        title="Pythia → Vincia",
        overline="reweighting",
        headline="Weights turn Pythia into Vincia: 3 of 3 observables close",
        outcome="pass",
        summary="A classifier was trained on 500 & 500 events.",
        warnings=("The effective sample size is <10 %",),
        cards=(Card("second classifier", "AUC 0.503 ± 0.004", ("truth against truth\n0.500 ± 0.004",), "pass"),),
        chapters=(
            Chapter("weights", "Weights", ("How often they occur.",), (shown,)),
            Chapter("closure", "Closure", (), (), (shown,), ("observable", "p"), (("thrust", "0.4"),), mark="new"),
        ),
        provenance=(("events", "500", "400"), ("version", "8.317", "8.317")),
        provenance_columns=("source", "target"),
        record={"weights": weights, "card": Card("a", "b"), "format": "example-1"},
        advice=("Nothing.",),
        footnote="± is one standard deviation.",
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("pages") / "Seite für γ", example())


def test_page_stands_alone_and_shows_every_part(written: Path) -> None:
    text, page = written.read_text(encoding="utf-8"), example()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {link.split(":")[0] if link.startswith("data:") else link[0] for link in links} == {"data", "#"}
    for never in ("<script", "@import", "url("):
        assert never not in text
    for shown in (
        page.headline,
        "500 &amp; 500 events",
        "&lt;10\u00a0%",
        "0.503\u00a0±\u00a00.004",
        "one standard deviation",
    ):
        assert shown in text
    assert "truth against truth<br>0.500" in text
    assert '<span class="mark">new</span>' in text
    assert text.count('<th class="number">p</th>') == 1
    assert 'href="#provenance"' in text
    assert sorted(path.name for path in written.parent.iterdir()) == ["report.html", "report.json"]


def test_record_holds_the_numbers(written: Path) -> None:
    record, page = json.loads((written.parent / "report.json").read_text(encoding="utf-8")), example()
    assert record["headline"] == page.headline
    assert record["outcome"] == "pass"
    np.testing.assert_allclose(record["weights"], page.record["weights"], rtol=1e-6)
    assert record["card"]["name"] == "a"
    assert record["format"] == "example-1"


def test_the_least_page_has_no_empty_parts() -> None:
    text = html_of(Page(title="t", overline="o", headline="h"))
    body = text[text.index("<body>") :]
    for absent in ("cards", "warning", "Provenance", "How to read", "What to do", "<section"):
        assert absent not in body


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record": {"deep": [{"x": float("nan")}]}}, r"record\.deep\[0\]\.x is nan"),
        ({"record": {"array": np.array([1.0, np.inf])}}, r"record\.array holds a number that is not finite"),
        ({"outcome": "perhaps"}, "'perhaps' is not one of"),
        ({"cards": (Card("a", "1", (), "ok"),)}, "'ok' is not one of"),  # type: ignore[arg-type]
        ({"chapters": (Chapter("a", "A", ()), Chapter("a", "B", ()))}, "two chapters have the anchor 'a'"),
    ],
)
def test_a_page_that_cannot_be_is_refused_and_leaves_nothing(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_page(tmp_path / "page", dataclasses.replace(example(), **changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.html").write_text("old", encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_page(tmp_path, example())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"


def test_plain_values_keep_what_json_can_hold() -> None:
    value = {
        "flag": np.bool_(True),
        "count": np.int64(3),
        "tuple": (1, "a", None),
        "array": np.arange(3, dtype=np.int32),
    }
    assert plain(value, "x") == {"flag": True, "count": 3, "tuple": [1, "a", None], "array": [0, 1, 2]}
    assert plain(np.array([1 / 3]), "x") == [0.3333333]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_any_page_in_a_browser(written: Path, chromium: str, width: int, height: int) -> None:
    from browsing import complaints

    assert complaints(written, chromium, width, height) == []
